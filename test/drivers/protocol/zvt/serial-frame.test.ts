// Goal: the serial form of ZVT, byte for byte, and what becomes of damaged lines.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crcKermit } from '../../../../drivers/protocol/zvt/crc-kermit.ts';
import type { SerialPiece } from '../../../../drivers/protocol/zvt/serial-frame.ts';
import { encodeSerialFrame, SerialFrameStream } from '../../../../drivers/protocol/zvt/serial-frame.ts';
import { hex, text } from '../../hex.ts';
import { serialFrames } from './captured-frames.ts';

function frames(pieces: readonly SerialPiece[]): string[] {
  return pieces.flatMap((piece) => (piece.kind === 'frame' ? [Buffer.from(piece.apdu).toString('hex')] : []));
}

/** Noise that came in several chunks is reported in several. */
function merged(pieces: readonly SerialPiece[]): unknown[] {
  const out: unknown[] = [];
  let noise = 0;
  for (const piece of pieces) {
    if (piece.kind === 'noise') {
      noise += piece.bytes;
      continue;
    }
    if (noise > 0) out.push(noise);
    noise = 0;
    out.push(piece.kind === 'frame' ? Buffer.from(piece.apdu).toString('hex') : piece.kind);
  }
  if (noise > 0) out.push(noise);
  return out;
}

test('the check value of the CRC is 2189', () => {
  expect(crcKermit(text('123456789'))).toBe(0x2189);
});

describe.each(Object.entries(serialFrames))('%s', (_name, [apdu, frame]) => {
  test('is framed as the specification has it', () => {
    expect(Buffer.from(encodeSerialFrame(apdu)).toString('hex')).toBe(Buffer.from(frame).toString('hex'));
  });

  test('cut anywhere is the same frame', () => {
    for (let cut = 0; cut <= frame.length; cut += 1) {
      const stream = new SerialFrameStream(1_000);
      const pieces = [...stream.push(frame.slice(0, cut)), ...stream.push(frame.slice(cut))];
      expect(merged(pieces)).toEqual([Buffer.from(apdu).toString('hex')]);
      expect(stream.unfinished).toBe(false);
    }
  });
});

test('ACK, NAK and frames in one chunk are told apart, also where a CRC looks like them', () => {
  const [apdu, frame] = serialFrames.statusEnquiry; // its CRC is 10 06
  const stream = new SerialFrameStream(1_000);
  expect(merged(stream.push(Buffer.concat([hex('06'), frame, frame, hex('15')])))).toEqual([
    'ack',
    Buffer.from(apdu).toString('hex'),
    Buffer.from(apdu).toString('hex'),
    'nak',
  ]);
});

test('a wrong CRC is damage, and the next frame is read', () => {
  const [, frame] = serialFrames.abort;
  const wrong = Uint8Array.from(frame);
  wrong[3] = 0xb1;
  const stream = new SerialFrameStream(1_000);
  expect(merged(stream.push(Buffer.concat([wrong, frame])))).toEqual(['damaged', '06b000']);
});

test('a frame that breaks off where another begins is damage, and the other is read', () => {
  const [, frame] = serialFrames.acknowledged;
  const stream = new SerialFrameStream(1_000);
  expect(merged(stream.push(Buffer.concat([frame.slice(0, 4), frame])))).toEqual(['damaged', '800000']);
});

test('a frame past the limit is given up without being stored, and the next one is read', () => {
  const stream = new SerialFrameStream(100);
  const long = encodeSerialFrame(new Uint8Array(5_000).fill(0x41));
  const pieces = stream.push(long);
  expect(stream.bufferedBytes).toBe(0);
  expect(pieces.map(({ kind }) => kind)).toEqual(['noise', 'noise', 'damaged']);
  expect(frames(stream.push(serialFrames.acknowledged[1]))).toEqual(['800000']);
});

test('a pause within a frame makes it noise', () => {
  const stream = new SerialFrameStream(100);
  stream.push(hex('10 02 06 01'));
  expect(stream.unfinished).toBe(true);
  expect(stream.discard()).toMatchObject([{ kind: 'noise', reason: 'unfinished' }]);
  expect(frames(stream.push(serialFrames.acknowledged[1]))).toEqual(['800000']);
});

test('whatever an APDU holds, it comes out as it went in, however the line cuts it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 120 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (apdus, cuts) => {
        const bytes = Uint8Array.from(Buffer.concat(apdus.map(encodeSerialFrame)));
        const stream = new SerialFrameStream(1_000);
        const at = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).flatMap((end, i) => [...stream.push(bytes.slice(at[i], end))]);
        expect(merged(pieces)).toEqual(apdus.map((apdu) => Buffer.from(apdu).toString('hex')));
      },
    ),
  );
});

test('any split of any bytes gives the same pieces', () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.uint8Array({ maxLength: 20 }).map(encodeSerialFrame),
    fc.constantFrom(hex('10'), hex('10 02'), hex('10 03'), hex('06'), hex('15')),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const bytes = Uint8Array.from(Buffer.concat(parts));
      const whole = new SerialFrameStream(64);
      const single = new SerialFrameStream(64);
      expect(merged([...bytes].flatMap((byte) => [...single.push(Uint8Array.of(byte))]))).toEqual(
        merged(whole.push(bytes)),
      );
    }),
  );
});
