import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { isFault } from '../../../foundation/errors.ts';
import { decode, encode } from '../../../sync/contract/wire.ts';

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

  test('what does not fit is named by its path and never by its value', () => {
    const schema = z.strictObject({ card: z.string().max(4), n: z.int() });
    const payload = encode({ card: '4111111111111111', n: 'secret' });
    expect(() => decode(payload, schema)).toThrow(/card: too_big; n: invalid_type/);
    expect(() => decode(payload, schema)).not.toThrow(/4111|secret/);
    expect(() => decode(Buffer.from('{"v":1,"body":4111111111111111x'), schema)).not.toThrow(/4111/);
  });
});
