// Goal: O.P.I. messages come whole out of any TCP stream, and no length makes it hold more than the limit.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Noise } from '../../../../drivers/framing/frame.ts';
import type { OpiMessage } from '../../../../drivers/protocol/opi/message-stream.ts';
import { encodeOpiMessage, OpiMessageStream } from '../../../../drivers/protocol/opi/message-stream.ts';
import { asText, hex, text } from '../../hex.ts';

/** Noise that came in several chunks is reported in several. */
function merged(pieces: readonly (OpiMessage | Noise)[]): (string | number)[] {
  const out: (string | number)[] = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (piece.kind === 'message') out.push(asText(piece.body));
    else if (typeof last === 'number') out[out.length - 1] = last + piece.bytes;
    else out.push(piece.bytes);
  }
  return out;
}

describe('a message', () => {
  const bytes = encodeOpiMessage(text('<CardServiceResponse/>'));

  test('has its length before it, big-endian', () => {
    expect(Buffer.from(bytes).toString('latin1')).toBe('\0\0\0\x16<CardServiceResponse/>');
  });

  test('cut anywhere is the same message', () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const stream = new OpiMessageStream();
      expect(merged([...stream.push(bytes.slice(0, cut)), ...stream.push(bytes.slice(cut))])).toEqual([
        '<CardServiceResponse/>',
      ]);
    }
  });

  test('past the limit is skipped without being stored, and the next one is read', () => {
    const stream = new OpiMessageStream(100);
    const long = encodeOpiMessage(new Uint8Array(1_000));
    const pieces = [...stream.push(long.slice(0, 500))];
    expect(stream.bufferedBytes).toBeLessThanOrEqual(4);
    pieces.push(...stream.push(long.slice(500)), ...stream.push(bytes));
    expect(pieces.map(({ kind }) => kind)).toEqual(['noise', 'message']);
  });

  test.each(['00 00 00 00', 'FF FF FF FF', '3C 3F 78 6D'])(
    'is not looked for behind a length of %s before the line was quiet',
    (length) => {
      const stream = new OpiMessageStream();
      expect(merged(stream.push(Buffer.concat([hex(length), bytes])))).toEqual([4 + bytes.length]);
      expect(stream.unfinished).toBe(true);
      stream.discard();
      expect(merged(stream.push(bytes))).toEqual(['<CardServiceResponse/>']);
    },
  );
});

test('any split of any stream gives the same messages', () => {
  const part = fc.oneof(
    { weight: 5, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 200 }).map(encodeOpiMessage) },
    fc.uint8Array({ maxLength: 10 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (parts, cuts) => {
      const bytes = Uint8Array.from(Buffer.concat(parts));
      const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
      const cut = new OpiMessageStream(150);
      const pieces = at.slice(1).flatMap((end, i) => [...cut.push(bytes.slice(at[i], end))]);
      const whole = new OpiMessageStream(150);
      expect(merged(pieces)).toEqual(merged(whole.push(bytes)));
      expect(cut.bufferedBytes).toBeLessThanOrEqual(154);
    }),
  );
});
