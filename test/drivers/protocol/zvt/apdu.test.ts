// Goal: APDUs come whole out of any TCP stream, whatever stands before, between and around them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Noise } from '../../../../drivers/framing/frame.ts';
import type { Apdu } from '../../../../drivers/protocol/zvt/apdu.ts';
import { ApduStream, decodeApdu, encodeApdu } from '../../../../drivers/protocol/zvt/apdu.ts';
import { hex } from '../../hex.ts';
import { maestroStatus, serialFrames } from './captured-frames.ts';

const all = { keeps: () => true, limitBytes: 8_192 };

function seen(pieces: readonly (Apdu | Noise)[]): { apdus: string[]; noiseBytes: number } {
  return {
    apdus: pieces.flatMap((piece) =>
      piece.kind === 'apdu'
        ? [`${piece.command.toString(16).padStart(4, '0')}:${Buffer.from(piece.data).toString('hex')}`]
        : [],
    ),
    noiseBytes: pieces.reduce((sum, piece) => sum + (piece.kind === 'noise' ? piece.bytes : 0), 0),
  };
}

function inPieces(stream: ApduStream, bytes: Uint8Array, cuts: readonly number[]): (Apdu | Noise)[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).flatMap((end, i) => [...stream.push(bytes.slice(at[i], end))]);
}

describe('an APDU', () => {
  test.each(Object.entries(serialFrames))('%s is what was encoded', (_name, [apdu]) => {
    const decoded = decodeApdu(apdu);
    expect(decoded).toBeDefined();
    expect(encodeApdu(decoded?.command ?? 0, decoded?.data)).toEqual(apdu);
    expect(seen(new ApduStream(all).push(apdu)).apdus).toHaveLength(1);
  });

  test.each([0, 1, 254, 255, 256, 4_000])('of %i data bytes has the right length', (length) => {
    const bytes = encodeApdu(0x040f, new Uint8Array(length).fill(7));
    expect(bytes.length).toBe(length + (length < 255 ? 3 : 5));
    expect(decodeApdu(bytes)?.data.length).toBe(length);
  });

  test('cut anywhere is the same APDU', () => {
    const bytes = encodeApdu(0x040f, maestroStatus());
    expect(bytes.length).toBe(215);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const stream = new ApduStream(all);
      const pieces = [...stream.push(bytes.slice(0, cut)), ...stream.push(bytes.slice(cut))];
      expect(seen(pieces)).toEqual(seen(new ApduStream(all).push(bytes)));
    }
  });

  test('behind noise is found, and the noise is counted', () => {
    const noise = hex('FF FF 00 33 06 99');
    const stream = new ApduStream(all);
    expect(seen(stream.push(Buffer.concat([noise, hex('80 00 00')])))).toEqual({
      apdus: ['8000:'],
      noiseBytes: noise.length,
    });
  });

  test('that is too long is skipped to its end, and the next one is read', () => {
    const stream = new ApduStream({ ...all, limitBytes: 100 });
    const pieces = stream.push(Buffer.concat([encodeApdu(0x040f, new Uint8Array(60_000)), hex('80 00 00')]));
    expect(pieces).toEqual([
      { kind: 'noise', reason: 'overlong', bytes: 60_000 },
      { kind: 'apdu', command: 0x8000, data: new Uint8Array() },
    ]);
    expect(stream.bufferedBytes).toBe(0);
  });

  test('nobody wants is seen without its data, and nothing of it is stored on the way', () => {
    const stream = new ApduStream({ ...all, keeps: () => false });
    const bytes = encodeApdu(0x0601, new Uint8Array(200).fill(0x41));
    const pieces = [...bytes].flatMap((byte) => {
      const now = [...stream.push(Uint8Array.of(byte))];
      expect(stream.bufferedBytes).toBeLessThanOrEqual(5);
      return now;
    });
    expect(seen(pieces)).toEqual({ apdus: ['0601:'], noiseBytes: 0 });
  });

  test('that stays unfinished is noise and not the head of the next one', () => {
    const stream = new ApduStream(all);
    stream.push(hex('04 0F 20 01 02'));
    expect(stream.unfinished).toBe(true);
    expect(stream.discard()).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 5 }]);
    expect(seen(stream.push(hex('80 00 00'))).apdus).toEqual(['8000:']);
  });
});

test('any split of any APDUs and noise gives the same APDUs and as much noise', () => {
  const apdu = fc
    .tuple(
      fc.constantFrom(0x040f, 0x04ff, 0x0601, 0x060f, 0x061e, 0x06c0, 0x06d3, 0x8000, 0x846c),
      fc.uint8Array({ maxLength: 300 }),
    )
    .map(([command, data]) => encodeApdu(command, data));
  const parts = fc.array(fc.oneof({ weight: 4, arbitrary: apdu }, fc.uint8Array({ maxLength: 9 })), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(parts, fc.array(fc.nat(), { maxLength: 8 }), (bytes, cuts) => {
      const stream = Uint8Array.from(Buffer.concat(bytes));
      const whole = new ApduStream(all);
      const cut = new ApduStream(all);
      expect(seen(inPieces(cut, stream, cuts))).toEqual(seen(whole.push(stream)));
      expect(cut.bufferedBytes).toBe(whole.bufferedBytes);
    }),
  );
});

test('APDUs back to back are each seen once, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 8 }), (datas) => {
      const bytes = Buffer.concat(datas.map((data) => encodeApdu(0x040f, data)));
      expect(seen(new ApduStream(all).push(bytes)).apdus).toEqual(
        datas.map((data) => `040f:${Buffer.from(data).toString('hex')}`),
      );
    }),
  );
});
