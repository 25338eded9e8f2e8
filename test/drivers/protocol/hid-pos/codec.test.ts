// Goal: what a HID POS scanner decoded comes out once and whole, whatever its layout; nothing else comes out as a scan.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProgrammerError } from '../../../../foundation/errors.ts';
import { readReportDescriptor } from '../../../../drivers/hid/report-descriptor.ts';
import { HidPosDecoder } from '../../../../drivers/protocol/hid-pos/codec.ts';
import type { HidPosDecoding, HidPosPiece } from '../../../../drivers/protocol/hid-pos/codec.ts';
import { knownLayouts, layoutOfVendor } from '../../../../drivers/protocol/hid-pos/known-layouts.ts';
import type { LayoutName } from '../../../../drivers/protocol/hid-pos/known-layouts.ts';
import { scanLayoutOf } from '../../../../drivers/protocol/hid-pos/layout.ts';
import type { ScanLayout } from '../../../../drivers/protocol/hid-pos/layout.ts';
import {
  honeywellDescriptor,
  keyboardDescriptor,
  newlandDescriptor,
  simpleDescriptor,
} from '../../hid/descriptors.ts';
import { asText, hex, text } from '../../hex.ts';
import { revisionReply, sent } from './reports.ts';
import { fuzzInputs, Slices } from '../../../support/slices.ts';

const descriptors: Readonly<Record<LayoutName, Uint8Array>> = {
  honeywell: honeywellDescriptor,
  newland: newlandDescriptor,
  simple: simpleDescriptor,
};

function described(bytes: Uint8Array): ScanLayout | undefined {
  const reading = readReportDescriptor(bytes);
  if (reading.kind !== 'read') throw new ProgrammerError(reading.why);
  return scanLayoutOf(reading.descriptor);
}

function layoutOf(name: LayoutName): ScanLayout {
  const layout = described(descriptors[name]);
  if (layout === undefined) throw new ProgrammerError('no layout');
  return layout;
}

function decoder(name: LayoutName, options: Partial<HidPosDecoding> = {}): HidPosDecoder {
  return new HidPosDecoder({
    layout: layoutOf(name),
    limitBytes: 8192,
    stripSuffix: true,
    aimInData: 'auto',
    staleUntilMonotonicMs: 0,
    ...options,
  });
}

function all(of: HidPosDecoder, reports: readonly Uint8Array[], everyMs = 1): HidPosPiece[] {
  return reports.flatMap((report, index) => of.push(report, 1000 + index * everyMs));
}

function shown(pieces: readonly HidPosPiece[]): unknown[] {
  return pieces.map((piece) => {
    switch (piece.kind) {
      case 'scan':
        return [piece.symbology, piece.aim, asText(piece.payload)];
      case 'reply':
        return 'reply';
      case 'noise':
        return `${piece.reason} ${piece.bytes}`;
    }
  });
}

describe('a layout', () => {
  test.each(['honeywell', 'newland', 'simple'] as const)(
    '%s: the table for systems without descriptors says what the descriptor says',
    (name) => {
      const { continued, ...rest } = layoutOf(name);
      const { continued: known, ...knownRest } = knownLayouts[name];
      expect(rest).toEqual(knownRest);
      expect(continued?.bitOffset).toBe(known?.bitOffset);
    },
  );

  test('with identifiers declared as one field of three bytes is the same', () => {
    const declared = asText(simpleDescriptor).replace(asText(hex('19 FB 29 FD')), asText(hex('09 FB')));
    expect(described(text(declared))?.aim).toEqual([8, 16, 24]);
  });

  test('without report ids begins at the first byte', () => {
    const without = asText(simpleDescriptor).replace(asText(hex('85 02')), '');
    expect(described(text(without))).toMatchObject({ reportId: undefined, data: { bitOffset: 24 } });
  });

  test('whose data shares its field with something before it begins after that', () => {
    const shared = '05 8C 09 02 A1 01 15 00 26 FF 00 75 08 95 21 09 FD 09 FE 81 02 C0';
    expect(described(hex(shared))?.data).toEqual({ bitOffset: 8, bytes: 32 });
  });

  test('is none for what is no scanner', () => {
    expect(described(keyboardDescriptor)).toBeUndefined();
  });

  test('is known of vendors whose scanners all use one, and of no others', () => {
    expect(layoutOfVendor(0x0c2e)).toBe(knownLayouts.honeywell);
    expect(layoutOfVendor(0x1eab)).toBe(knownLayouts.newland);
    expect(layoutOfVendor(0x05f9)).toBeUndefined();
  });
});

describe('a scan', () => {
  test('of one report has its identifier, symbology and data', () => {
    expect(
      shown(all(decoder('honeywell'), sent.honeywell(text('4006381333931'), { aim: ']E0', codeId: 'd' }))),
    ).toEqual([['ean-13', ']E0', '4006381333931']]);
    expect(shown(all(decoder('simple'), sent.simple(text('4006381333931'), { aim: ']E0' })))).toEqual([
      ['ean-13', ']E0', '4006381333931'],
    ]);
    expect(shown(all(decoder('newland'), sent.newland(text('4006381333931'))))).toEqual([
      [undefined, undefined, '4006381333931'],
    ]);
  });

  test('keeps GS, NUL and high bytes where the reports count', () => {
    const data = hex('30 31 1D 00 FF C3 A9 00');
    const [scan] = all(decoder('honeywell'), sent.honeywell(data, { aim: ']d2' }));
    expect(scan?.kind === 'scan' && Buffer.from(scan.payload).equals(data)).toBe(true);
  });

  test('keeps a NUL inside also where reports do not count, and loses those it is filled up with', () => {
    const data = `${'a'.repeat(55)}\0b`;
    expect(shown(all(decoder('simple'), sent.simple(text(data), { aim: ']Q1' })))).toEqual([
      ['qr', ']Q1', data],
    ]);
  });

  test('loses the CR or LF the scanner was set up to add, unless it is to be kept', () => {
    const reports = sent.honeywell(text('K-4711\r\n'), { aim: ']C0' });
    expect(shown(all(decoder('honeywell'), reports))).toEqual([['code-128', ']C0', 'K-4711']]);
    expect(shown(all(decoder('honeywell', { stripSuffix: false }), reports))).toEqual([
      ['code-128', ']C0', 'K-4711\r\n'],
    ]);
  });

  test('of several reports is one scan, in every layout', () => {
    const long = 'https://kunde.example/k/'.padEnd(200, '0123456789');
    expect(shown(all(decoder('honeywell'), sent.honeywell(text(long), { aim: ']Q1' })))).toEqual([
      ['qr', ']Q1', long],
    ]);
    expect(shown(all(decoder('newland'), sent.newland(text(long))))).toEqual([[undefined, undefined, long]]);
    expect(shown(all(decoder('simple'), sent.simple(text(long), { aim: ']Q1' })))).toEqual([
      ['qr', ']Q1', long],
    ]);
  });

  test('that fills its reports to the last byte ends where it ends', () => {
    const full = 'x'.repeat(112);
    const reports = sent.honeywell(text(full), { aim: ']Q1' });
    expect(reports).toHaveLength(2);
    expect(all(decoder('honeywell'), [...reports, ...reports])).toHaveLength(2);
  });

  test('takes its symbology from Honeywell’s letter where the identifier says nothing', () => {
    expect(
      shown(all(decoder('honeywell'), sent.honeywell(text('9783161484100'), { aim: ']X0', codeId: 'd' }))),
    ).toEqual([['ean-13', ']X0', '9783161484100']]);
    expect(shown(all(decoder('honeywell'), sent.honeywell(text('K1'), { codeId: 's' })))).toEqual([
      ['qr', undefined, 'K1'],
    ]);
  });

  test('of a scanner that puts the identifier before the data is read so, or left as it is', () => {
    const reports = sent.newland(text(']E04006381333931'));
    expect(shown(all(decoder('newland'), reports))).toEqual([['ean-13', ']E0', '4006381333931']]);
    expect(shown(all(decoder('newland', { aimInData: 'none' }), reports))).toEqual([
      [undefined, undefined, ']E04006381333931'],
    ]);
  });

  test('whose data begins like an identifier keeps it where the identifier has its own place', () => {
    expect(shown(all(decoder('honeywell'), sent.honeywell(text(']E0K'), { aim: ']Q1' })))).toEqual([
      ['qr', ']Q1', ']E0K'],
    ]);
    expect(shown(all(decoder('honeywell'), sent.honeywell(text(']E0K'))))).toEqual([
      [undefined, undefined, ']E0K'],
    ]);
  });

  test('is the same when two of them come back to back', () => {
    const one = sent.honeywell(text('a'.repeat(60)), { aim: ']Q1' });
    const two = sent.honeywell(text('b'.repeat(60)), { aim: ']Q1' });
    expect(shown(all(decoder('honeywell'), [...one, ...two]))).toEqual([
      ['qr', ']Q1', 'a'.repeat(60)],
      ['qr', ']Q1', 'b'.repeat(60)],
    ]);
  });
});

describe('no scan is', () => {
  test('what a Honeywell scanner answers to a command, and its acknowledgement', () => {
    const pieces = shown(all(decoder('honeywell'), revisionReply));
    expect(pieces).toEqual(['reply', 'reply']);
  });

  test('a report without data', () => {
    expect(shown(all(decoder('honeywell'), sent.honeywell(text(''), { aim: ']E0' })))).toEqual(['reply']);
    expect(shown(all(decoder('newland'), sent.newland(text('\r'))))).toEqual(['reply']);
  });

  test('a report of another kind', () => {
    expect(all(decoder('honeywell'), [hex('04 01'), hex('05 5D 45 30')])).toEqual([]);
  });

  test('a report that ends before what it claims, or claims more than fits', () => {
    const [report] = sent.honeywell(text('4006381333931'), { aim: ']E0' });
    if (report === undefined) throw new ProgrammerError('no report');
    expect(shown(all(decoder('honeywell'), [report.subarray(0, 20)]))).toEqual(['unframed 20']);
    expect(shown(all(decoder('honeywell'), [report.with(1, 57)]))).toEqual(['unframed 64']);
    expect(shown(all(decoder('honeywell'), [new Uint8Array()]))).toEqual([]);
  });
});

describe('a scan of several reports', () => {
  const long = sent.honeywell(text('a'.repeat(60)), { aim: ']Q1' });
  const [head = new Uint8Array(), tail = new Uint8Array()] = long;

  test('whose rest does not come is noise, and not the head of the next', () => {
    const of = decoder('honeywell');
    of.push(head, 1000);
    expect(shown(of.push(tail, 2001))).toEqual(['unfinished 56', ['qr', ']Q1', 'aaaa']]);
    of.push(head, 3000);
    expect(shown(of.push(tail, 4000))).toEqual([['qr', ']Q1', 'a'.repeat(60)]]);
    of.push(head, 5000);
    expect(shown(of.discard())).toEqual(['unfinished 56']);
    expect(of.unfinished).toBe(false);
    expect(of.discard()).toEqual([]);
  });

  test('in which another identifier turns up is noise, and the other is whole', () => {
    const other = sent.honeywell(text('4006381333931'), { aim: ']E0' });
    expect(shown(all(decoder('honeywell'), [head, ...other]))).toEqual([
      'unfinished 56',
      ['ean-13', ']E0', '4006381333931'],
    ]);
  });

  test('with a malformed report in it is noise', () => {
    expect(shown(all(decoder('honeywell'), [head, tail.subarray(0, 3)]))).toEqual([
      'unfinished 56',
      'unframed 3',
    ]);
  });

  test('over the limit is noise once, with its excess, and the next one is read', () => {
    const reports = sent.honeywell(text('x'.repeat(300)), { aim: ']Q1' });
    expect(shown(all(decoder('honeywell', { limitBytes: 100 }), [...reports, ...long]))).toEqual([
      'overlong 112',
      'excess 56',
      'excess 56',
      'excess 56',
      'excess 20',
      ['qr', ']Q1', 'a'.repeat(60)],
    ]);
  });

  test('that never ends takes no more room than the limit, also with reports that are empty', () => {
    const of = decoder('honeywell', { limitBytes: 100 });
    const empty = head.with(1, 0);
    const pieces = all(
      of,
      Array.from({ length: 5000 }, () => empty),
    );
    expect(pieces).toEqual([]);
    expect(shown(all(of, [tail]))).toEqual([['qr', ']Q1', 'aaaa']]);
  });
});

describe('what was left over from before opening', () => {
  const long = sent.honeywell(text('a'.repeat(120)), { aim: ']Q1' });
  const [first = new Uint8Array(), second = new Uint8Array(), third = new Uint8Array()] = long;

  test('is noise', () => {
    const of = decoder('honeywell', { staleUntilMonotonicMs: 1250 });
    const report = sent.honeywell(text('4006381333931'), { aim: ']E0' })[0] ?? new Uint8Array();
    expect(shown(of.push(report, 1249))).toEqual(['unframed 13']);
    expect(shown(of.push(report, 1250))).toEqual([['ean-13', ']E0', '4006381333931']]);
  });

  test('takes with it the rest of a scan that was begun', () => {
    const of = decoder('honeywell', { staleUntilMonotonicMs: 1250 });
    expect(shown(of.push(first, 1249))).toEqual(['unframed 56']);
    expect(shown(of.push(second, 1251))).toEqual(['excess 56']);
    expect(shown(of.push(third, 1252))).toEqual(['excess 8']);
    expect(shown(long.flatMap((report) => of.push(report, 1253)))).toEqual([['qr', ']Q1', 'a'.repeat(120)]]);
  });
});

describe('whatever arrives', () => {
  const data = fc.uint8Array({ minLength: 1, maxLength: 400 }).map((bytes) => {
    // no suffix to strip, no reply
    bytes[bytes.length - 1] = 0x41;
    return bytes;
  });

  test('every scan comes out as it was sent', () => {
    fc.assert(
      fc.property(fc.array(data, { maxLength: 6 }), (scans) => {
        const reports = scans.flatMap((bytes) => sent.honeywell(bytes, { aim: ']Q1' }));
        const pieces = all(decoder('honeywell'), reports);
        expect(pieces.map((piece) => piece.kind === 'scan' && asText(piece.payload))).toEqual(
          scans.map(asText),
        );
      }),
      { numRuns: 200, seed: 3 },
    );
  });

  test('noise before and between scans changes no scan', () => {
    const junk = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.concat([Buffer.of(2), bytes]));
    fc.assert(
      fc.property(fc.array(fc.tuple(junk, data), { maxLength: 5 }), (pairs) => {
        const reports = pairs.flatMap(([bytes, scan]) => [bytes, ...sent.honeywell(scan, { aim: ']Q1' })]);
        const scans = all(decoder('honeywell'), reports).flatMap((piece) =>
          piece.kind === 'scan' ? [asText(piece.payload)] : [],
        );
        expect(scans).toEqual(pairs.map(([, scan]) => asText(scan)));
      }),
      { numRuns: 200, seed: 4 },
    );
  });

  test('nothing is thrown, and no more is kept than the limit', () => {
    const inputs = fuzzInputs();
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 70 }),
      fc
        .tuple(fc.nat(60), fc.uint8Array({ minLength: 62, maxLength: 62 }))
        .map(([count, rest]) => Uint8Array.of(2, count, ...rest)),
    );
    const decoders = (): readonly HidPosDecoder[] =>
      (['honeywell', 'newland', 'simple'] as const).map((name) => decoder(name, { limitBytes: 300 }));
    const kept = decoders();
    const push = (of: readonly HidPosDecoder[], report: Uint8Array, atMs: number): HidPosPiece[] =>
      of.flatMap((each) => each.push(report, atMs));
    let atMs = 0;
    let scans = 0;
    const slices = new Slices('HID POS');
    fc.assert(
      fc.property(hostile, fc.nat(1500), (report, laterMs) => {
        atMs += laterMs;
        const pieces = slices.measure(
          report,
          () => push(kept, report, atMs),
          () => push(decoders(), report, atMs),
        );
        for (const piece of pieces) {
          if (piece.kind !== 'scan') continue;
          scans += 1;
          expect(piece.payload.length).toBeLessThanOrEqual(300);
        }
      }),
      { numRuns: inputs, seed: 5 },
    );
    expect(scans).toBeGreaterThan(inputs / 100);
    slices.conclude();
  }, 900_000);
});
