import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { isFault } from '../../../foundation/errors.ts';
import { IDENTIFIER_KEYS_MAX } from '../../../sync/contract/blind-index.ts';
import { BATCH_ENTRIES_MAX, JournalBatch, TillState } from '../../../sync/contract/messages.ts';
import {
  decode,
  encode,
  hasMoreParts,
  JOURNAL_LIMITS,
  REQUEST_LIMITS,
  STATE_LIMITS,
} from '../../../sync/contract/wire.ts';

const Anything = z.unknown();
const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    return isFault(error) ? error.code : 'another error';
  }
};

describe('payloads', () => {
  test('any JSON value survives the way', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // JSON itself has no negative zero.
        expect(decode(encode(value), Anything)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('a short payload is plain JSON with its version, a long one is compressed and comes back whole', () => {
    expect(encode({ a: 1 }).toString()).toBe('{"v":1,"body":{"a":1}}');
    const long = { text: 'ab'.repeat(10_000) };
    const payload = encode(long);
    expect(payload.length).toBeLessThan(1_000);
    expect(decode(payload, Anything)).toEqual(long);
  });

  test('arbitrary bytes are refused as malformed and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(codeOf(() => decode(bytes, z.strictObject({ never: z.literal('there') })))).toBe(
          'WIRE_MALFORMED',
        );
      }),
    );
  });

  test('a damaged compressed payload never passes for another', () => {
    const value = { text: 'Kundenkarte '.repeat(1_000) };
    const payload = encode(value);
    fc.assert(
      fc.property(fc.nat(payload.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(payload);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        expect([undefined, 'WIRE_MALFORMED', 'WIRE_TOO_NEW']).toContain(
          codeOf(() => decode(damaged, Anything)),
        );
      }),
    );
  });

  test.each([
    ['empty', ''],
    ['cut off', '{"v":1,"body":{"a"'],
    ['no object', '[1]'],
    ['null', 'null'],
    ['without version', '{"body":1}'],
    ['with version 0', '{"v":0,"body":1}'],
    ['with a version in text', '{"v":"1","body":1}'],
    ['without body', '{"v":1}'],
  ])('a payload that is %s is malformed', (_what, text) => {
    expect(codeOf(() => decode(Buffer.from(text), Anything))).toBe('WIRE_MALFORMED');
  });

  test('invalid UTF-8 is malformed, not mended', () => {
    const payload = Buffer.concat([Buffer.from('{"v":1,"body":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(codeOf(() => decode(payload, Anything))).toBe('WIRE_MALFORMED');
  });

  test('a newer version says so, whatever its body', () => {
    expect(codeOf(() => decode(Buffer.from('{"v":2,"body":{"any":"thing"}}'), z.literal('x')))).toBe(
      'WIRE_TOO_NEW',
    );
  });

  test('a bomb is refused before it is unpacked', () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024, 0x20));
    expect(bomb.length).toBeLessThan(100_000);
    expect(codeOf(() => decode(bomb, Anything))).toBe('WIRE_MALFORMED');
  });

  test('what would take long to read is refused before it is parsed, however small it came', () => {
    // Not even JSON: parsing it would say so.
    const objects = `{"v":1,"body":[${'{},'.repeat(1_000_000)}`;
    const packed = zstdCompressSync(Buffer.from(objects));
    expect(packed.length).toBeLessThan(1_000);
    expect(() => decode(packed, Anything, JOURNAL_LIMITS)).toThrow(/10000 parts/);
    expect(() => decode(Buffer.from(objects), Anything, JOURNAL_LIMITS)).toThrow(/10000 parts/);
    const small = zstdCompressSync(Buffer.from(objects.slice(0, 100_000)));
    expect(() => decode(small, Anything, JOURNAL_LIMITS)).toThrow(/10000 parts/);
    for (const limits of [STATE_LIMITS, REQUEST_LIMITS]) {
      expect(() => decode(packed, Anything, limits)).toThrow(/cannot be unpacked/);
      expect(() => decode(Buffer.from(objects.slice(0, 60_000)), Anything, limits)).toThrow(/1000 parts/);
    }
  });

  test.each([
    ['text', '"a,[{b\\\\","\\",",{}', 3],
    ['nothing', '', 0],
    ['lists within lists', '[[1,2],[{"a":1}]]', 6],
    ['a text without an end', '"[[[', 0],
  ])('of %s, what a text holds is no part', (_what, json, parts) => {
    expect(hasMoreParts(json, parts)).toBe(false);
    expect(hasMoreParts(json, parts - 1)).toBe(parts > 0);
  });

  test('the largest that a till may send gets through', () => {
    const owner = { till: 'till-1', incarnation: '0190f8a0-0000-7000-8000-000000000001' };
    const entry = {
      seq: 1,
      id: owner.incarnation,
      at: 1,
      prevHash: 'a'.repeat(64),
      hash: 'b'.repeat(64),
      body: '€'.repeat(1_000_000),
    };
    const entries = Array.from({ length: BATCH_ENTRIES_MAX }, (_, i) => ({
      ...entry,
      seq: i + 1,
      body: '"[,{\\'.repeat(400),
    }));
    for (const batch of [
      { ...owner, entries: [entry] },
      { ...owner, entries },
    ])
      expect(decode(encode(batch), JournalBatch, JOURNAL_LIMITS)).toEqual(batch);
    const state: TillState = {
      ...owner,
      session: 1,
      online: true,
      at: 1,
      version: '\u0001'.repeat(40),
      health: {
        unconfirmed: 1,
        diverged: true,
        replicaAgeMs: 1,
        readers: Array.from({ length: 50 }, () => ({ id: '\u0001'.repeat(64), status: '\u0001'.repeat(20) })),
        identifierKeys: Array.from({ length: IDENTIFIER_KEYS_MAX }, () => 'a'.repeat(16)),
      },
    };
    expect(decode(encode(state), TillState, STATE_LIMITS)).toEqual(state);
  });

  test('what does not fit is named by its path and never by its value', () => {
    const schema = z.strictObject({ card: z.string().max(4), n: z.int() });
    const payload = encode({ card: '4111111111111111', n: 'secret' });
    expect(() => decode(payload, schema)).toThrow(/card: too_big; n: invalid_type/);
    expect(() => decode(payload, schema)).not.toThrow(/4111|secret/);
    expect(() => decode(Buffer.from('{"v":1,"body":4111111111111111x'), schema)).not.toThrow(/4111/);
  });
});
