// Goal: what MagTek and ID TECH readers send is read as it is meant, and nothing they can send does harm.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  IdTechFramer,
  readIdTechFrame,
  readIdTechReport,
} from '../../../../drivers/protocol/magstripe/id-tech.ts';
import { isWithdrawal, readMagTekReport } from '../../../../drivers/protocol/magstripe/magtek.ts';
import { readTrackText, swipePayload } from '../../../../drivers/protocol/magstripe/stripe-reading.ts';
import type { StripeReading } from '../../../../drivers/protocol/magstripe/stripe-reading.ts';
import { readTracks } from '../../../../drivers/protocol/magstripe/tracks.ts';
import { asText, text } from '../../hex.ts';
import { idTechFrame, idTechFrameOf, idTechReport, magTekReport, swiped } from './swipes.ts';
import { fuzzInputs, Slices } from '../../../support/slices.ts';

function shown(reading: StripeReading): string {
  return reading.kind === 'swipe' ? asText(swipePayload(reading, 'auto')) : reading.kind;
}

/** Frames as their reading, noise as `reason:bytes`. */
function framed(...chunks: readonly Uint8Array[]): string[] {
  const framer = new IdTechFramer();
  return chunks.flatMap((chunk) =>
    framer
      .push(chunk)
      .map((piece) =>
        piece.kind === 'frame' ? shown(readIdTechFrame(piece.bytes)) : `${piece.reason}:${piece.bytes}`,
      ),
  );
}

function bytewise(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

describe('a MagTek report', () => {
  test('of a loyalty card with track 2 alone is its number', () => {
    expect(shown(readMagTekReport(magTekReport({ track2: ';9276001234567?' })))).toBe(';9276001234567?');
  });

  test('gives every track, the loyalty track first', () => {
    const report = magTekReport({ track1: '%MUSTER?', track2: ';4711=99?', track3: ';815?' });
    expect(shown(readMagTekReport(report))).toBe(';4711=99?%MUSTER?+815?');
  });

  test('is the same with 338 bytes, and tells which way the card went', () => {
    const stripe = { track2: ';4711?' };
    expect(shown(readMagTekReport(magTekReport(stripe, 0)))).toBe(';4711?');
    expect(isWithdrawal(magTekReport(stripe, 0))).toBe(true);
    expect(isWithdrawal(magTekReport(stripe, 1))).toBe(false);
    expect(isWithdrawal(magTekReport(stripe))).toBeUndefined();
  });

  test('is read by its lengths: what an earlier card left behind them is not', () => {
    const report = magTekReport({ track2: ';4711?5499990001006781' });
    report[4] = 6;
    expect(shown(readMagTekReport(report))).toBe(';4711?');
  });

  test('whose tracks failed is unreadable', () => {
    expect(shown(readMagTekReport(magTekReport({ failed: [1, 2] })))).toBe(';E?%E?');
    expect(shown(readMagTekReport(magTekReport({ track2: ';4711?', failed: [1] })))).toBe(';4711?%E?');
    expect(shown(readMagTekReport(magTekReport({ track1: '%E?', track2: ';E?' })))).toBe(';E?%E?');
  });

  test('without any track tells of no card', () => {
    expect(readMagTekReport(magTekReport({}))).toEqual({ kind: 'nothing' });
  });

  test('with masked digits, or as long as readers that encrypt send, is encrypted', () => {
    expect(shown(readMagTekReport(magTekReport({ track2: ';4266********9999=*****?' })))).toBe('encrypted');
    expect(shown(readMagTekReport(new Uint8Array(887)))).toBe('encrypted');
  });

  test('with impossible lengths or characters is malformed', () => {
    const tooLong = magTekReport({ track2: ';4711?' });
    tooLong[4] = 111;
    expect(shown(readMagTekReport(tooLong))).toBe('malformed');
    expect(shown(readMagTekReport(magTekReport({ track2: ';47\u000011?' })))).toBe('malformed');
    expect(shown(readMagTekReport(new Uint8Array(336)))).toBe('malformed');
    expect(shown(readMagTekReport(new Uint8Array()))).toBe('malformed');
  });
});

describe('an ID TECH frame', () => {
  test('captured of encrypted bank cards, in both formats, is encrypted', () => {
    expect(framed(swiped.idTechEnhanced)).toEqual(['encrypted']);
    expect(framed(swiped.idTechOriginal)).toEqual(['encrypted']);
  });

  test('of a card in the clear is its tracks, in both formats', () => {
    const stripe = { track1: '%MUSTER?', track2: ';4711=99?', track3: ';815?' };
    expect(framed(idTechFrame(stripe))).toEqual([';4711=99?%MUSTER?+815?']);
    expect(framed(idTechFrame(stripe, false))).toEqual([';4711=99?%MUSTER?+815?']);
  });

  test('with one track encrypted is encrypted whole, though another is in the clear', () => {
    const frame = idTechFrame({ track2: ';5499990001006781?', track3: ';4711?' });
    const cardData = frame.slice(3, -3);
    cardData[6] = 0x02; // what was encrypted: track 2
    expect(framed(idTechFrameOf(cardData))).toEqual(['encrypted']);
  });

  test('with masked digits is encrypted, whatever its flags say', () => {
    expect(framed(idTechFrame({ track2: ';4266********9999=*****?' }))).toEqual(['encrypted']);
  });

  test('in the original format with more after its tracks is encrypted, though none is masked', () => {
    const cardData = idTechFrame({ track2: ';4711?' }, false).slice(3, -3);
    expect(framed(idTechFrameOf(Uint8Array.from([...cardData, 1, 2, 3, 4, 5, 6, 7, 8])))).toEqual([
      'encrypted',
    ]);
  });

  test('in raw format is encrypted', () => {
    const cardData = idTechFrame({ track2: ';4711?' }).slice(3, -3);
    cardData[0] = 0x84;
    expect(framed(idTechFrameOf(cardData))).toEqual(['encrypted']);
  });

  test('whose tracks failed is unreadable', () => {
    expect(framed(idTechFrame({ failed: [1, 2, 3] }))).toEqual([';E?%E?+E?']);
    expect(framed(idTechFrame({ track2: ';4711?', failed: [1] }))).toEqual([';4711?%E?']);
  });

  test('in pieces, back to back and filled up with NUL is the same frame', () => {
    const one = idTechFrame({ track2: ';4711?' });
    const two = idTechFrame({ track1: '%A?', track2: ';4712?' });
    const all = Uint8Array.from([...one, 0, 0, ...two, ...swiped.idTechEnhanced, 0]);
    const expected = [';4711?', ';4712?%A?', 'encrypted'];
    expect(framed(all)).toEqual(expected);
    expect(framed(...bytewise(all))).toEqual(expected);
    for (let cut = 1; cut < one.length; cut += 1) {
      expect(framed(one.subarray(0, cut), one.subarray(cut))).toEqual([';4711?']);
    }
  });

  test.each([
    ['LRC', -3],
    ['checksum', -2],
    ['ETX', -1],
  ])('with a wrong %s is noise, and the one after it is read', (_, at) => {
    const bad = Uint8Array.from(idTechFrame({ track2: ';4711?' }));
    const index = bad.length + at;
    bad[index] = (bad[index] ?? 0) ^ 0x40;
    const pieces = framed(bad, idTechFrame({ track2: ';4712?' }));
    expect(pieces.at(-1)).toBe(';4712?');
    expect(pieces.slice(0, -1).every((piece) => piece.startsWith('unframed:'))).toBe(true);
  });

  test('that never ends is noise and holds no more than a frame', () => {
    const framer = new IdTechFramer();
    framer.push(Uint8Array.of(2, 0xff, 0xff));
    expect(framer.unfinished).toBe(false);
    framer.push(Uint8Array.of(2, 0x00, 0x04, 1, 2, 3));
    expect(framer.unfinished).toBe(true);
    expect(framer.discard()).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 6 }]);
    expect(framer.discard()).toEqual([]);
  });

  test('with lengths beyond its end is malformed', () => {
    const cardData = idTechFrame({ track2: ';4711?' }).slice(3, -3);
    cardData[3] = 200;
    expect(framed(idTechFrameOf(cardData))).toEqual(['malformed']);
  });
});

describe('an ID TECH report of text', () => {
  test('is its tracks, with the separators between them', () => {
    expect(shown(readIdTechReport(idTechReport('%MUSTER?\r;4711?\r;815?\r')))).toBe(';4711?%MUSTER?+815?');
  });

  test('tells of the tracks that failed', () => {
    expect(shown(readIdTechReport(idTechReport('\r', [1, 2])))).toBe(';E?%E?');
    expect(shown(readIdTechReport(idTechReport(';4711?\r', [1])))).toBe(';4711?%E?');
  });

  test('that claims more than it holds is malformed', () => {
    const report = idTechReport(';4711?');
    report.set([0xff, 0xff], 7);
    expect(shown(readIdTechReport(report))).toBe('malformed');
    expect(shown(readIdTechReport(new Uint8Array(5)))).toBe('malformed');
  });
});

describe('the payload', () => {
  const all = readTrackText(text('%MUSTER?;4711=99?+815?'));
  if (all.kind !== 'swipe') throw new Error('expected a swipe');

  test.each([
    ['auto', ';4711=99?%MUSTER?+815?'],
    [1, '%MUSTER?;4711=99?+815?'],
    [2, ';4711=99?%MUSTER?+815?'],
    [3, '+815?;4711=99?%MUSTER?'],
  ] as const)('of wanted track %s has it first and the others after it', (wanted, expected) => {
    expect(asText(swipePayload(all, wanted))).toBe(expected);
  });

  test('of a swipe whose wanted track failed says so and nothing of the others', () => {
    const reading = readTrackText(text('%E?;4711?'));
    expect(reading.kind === 'swipe' && asText(swipePayload(reading, 1))).toBe('%E?');
  });

  test('is a text that splits into the same tracks again', () => {
    const reading = readTracks(asText(swipePayload(all, 3)));
    expect(reading).toEqual({
      kind: 'tracks',
      unreadable: [],
      tracks: [
        { track: 3, data: '815' },
        { track: 2, data: '4711=99' },
        { track: 1, data: 'MUSTER' },
      ],
    });
  });

  test('is a copy: what was read can be overwritten', () => {
    const bytes = text(';4711?');
    const reading = readTrackText(bytes);
    if (reading.kind !== 'swipe') throw new Error('expected a swipe');
    const payload = swipePayload(reading, 'auto');
    bytes.fill(0);
    expect(asText(payload)).toBe(';4711?');
  });
});

test('any split of the bytes gives the same frames and as much noise', () => {
  const frame = fc.constantFrom(swiped.idTechEnhanced, idTechFrame({ track2: ';4711?' }));
  const junk = fc.uint8Array({ max: 5, maxLength: 12 });
  const noiseBytes = (pieces: readonly string[]): number =>
    pieces.reduce((sum, piece) => sum + Number(/^unframed:(\d+)$/.exec(piece)?.[1] ?? 0), 0);
  const frames = (pieces: readonly string[]): string[] =>
    pieces.filter((piece) => !piece.startsWith('unframed:'));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(frame, junk), { maxLength: 6 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (parts, cuts) => {
        const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
        const at = [
          0,
          ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b),
          bytes.length,
        ];
        const whole = framed(bytes);
        const pieces = framed(...at.slice(1).map((end, i) => bytes.subarray(at[i], end)));
        expect(frames(pieces)).toEqual(frames(whole));
        expect(noiseBytes(pieces)).toBe(noiseBytes(whole));
      },
    ),
    { numRuns: 300 },
  );
});

test('no input makes a codec throw, lose count of bytes, or take long', () => {
  const telling = fc.constantFrom(0, 1, 2, 3, 7, 0x25, 0x2a, 0x2b, 0x3b, 0x3d, 0x3f, 0x45, 0x30, 0x80, 0xff);
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(telling, { maxLength: 60 }).map((bytes) => Uint8Array.from(bytes)),
    fc.constantFrom(swiped.idTechEnhanced, swiped.bankCard, idTechFrame({ track2: ';4711?' })),
  );
  const report = fc
    .tuple(
      fc.constantFrom(337, 338, 521, 887, 64),
      fc.array(fc.tuple(fc.nat(520), telling), { maxLength: 12 }),
    )
    .map(([bytes, pokes]) => {
      const made = new Uint8Array(bytes);
      made.set(magTekReport({ track1: '%A?', track2: ';4711?' }).subarray(0, bytes));
      for (const [at, byte] of pokes) if (at < bytes) made[at] = byte;
      return made;
    });
  const kept = new IdTechFramer();
  const slices = new Slices('magnetic stripe');
  fc.assert(
    fc.property(fc.oneof(garbage, report), (bytes) => {
      const { out, read } = slices.measure(
        bytes,
        () => readAll(kept, bytes),
        () => readAll(new IdTechFramer(), bytes),
      );
      expect(read).toBeTypeOf('string');
      expect(out).toBeLessThanOrEqual(bytes.length);
      expect(out + bytes.filter((byte) => byte === 0).length).toBeGreaterThanOrEqual(bytes.length);
    }),
    { numRuns: fuzzInputs() },
  );
  slices.conclude();

  function readAll(framer: IdTechFramer, bytes: Uint8Array): { readonly out: number; readonly read: string } {
    let out = 0;
    for (const piece of framer.push(bytes)) {
      out += piece.kind === 'noise' ? piece.bytes : piece.bytes.length;
      if (piece.kind === 'frame') readIdTechFrame(piece.bytes);
    }
    out += framer.discard().reduce((sum, noise) => sum + noise.bytes, 0);
    readTracks(asText(bytes));
    return {
      out,
      read: shown(readMagTekReport(bytes)) + shown(readIdTechReport(bytes)) + shown(readTrackText(bytes)),
    };
  }
}, 600_000);
