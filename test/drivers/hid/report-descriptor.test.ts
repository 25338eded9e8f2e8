// Goal: whatever a device says of its reports, its fields are found where the HID 1.11 rules put them, or it is refused.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProgrammerError } from '../../../foundation/errors.ts';
import {
  bitsAt,
  elementValue,
  elementWithUsage,
  inputReportOf,
  readReportDescriptor,
  usageOfElement,
  usageOfValue,
} from '../../../drivers/hid/report-descriptor.ts';
import type { HidField, HidReport, ReportDescriptor } from '../../../drivers/hid/report-descriptor.ts';
import { hex } from '../hex.ts';
import {
  honeywellDescriptor,
  keyboardDescriptor,
  newlandDescriptor,
  simpleDescriptor,
} from './descriptors.ts';

function read(bytes: Uint8Array | string): ReportDescriptor {
  const reading = readReportDescriptor(typeof bytes === 'string' ? hex(bytes) : bytes);
  if (reading.kind !== 'read') throw new ProgrammerError(`not read: ${reading.why} at ${reading.atByte}`);
  return reading.descriptor;
}

function why(bytes: string): string {
  const reading = readReportDescriptor(hex(bytes));
  return reading.kind === 'malformed' ? reading.why : 'read';
}

function input(bytes: Uint8Array | string, id = 0): HidReport {
  const report = read(bytes).reports.find((each) => each.kind === 'input' && each.id === id);
  if (report === undefined) throw new ProgrammerError('there is no such input report');
  return report;
}

function field(bytes: Uint8Array | string, index = 0, id = 0): HidField {
  const found = input(bytes, id).fields[index];
  if (found === undefined) throw new ProgrammerError('there is no such field');
  return found;
}

test('a boot keyboard has eight modifier bits, a reserved byte and six key codes', () => {
  const { usesReportIds, reports } = read(keyboardDescriptor);
  expect(usesReportIds).toBe(false);
  expect(reports.map(({ kind, id, bytes }) => [kind, id, bytes])).toEqual([
    ['input', 0, 8],
    ['output', 0, 1],
  ]);
  const [modifiers, reserved, keys] = input(keyboardDescriptor).fields;
  expect(modifiers).toMatchObject({ bitOffset: 0, bitSize: 1, count: 8, variable: true, constant: false });
  expect(reserved).toMatchObject({ bitOffset: 8, constant: true });
  expect(keys).toMatchObject({ bitOffset: 16, bitSize: 8, count: 6, variable: false, logicalMaximum: 0x65 });
  expect(keys && usageOfValue(keys, 0x1d)).toEqual({ page: 7, id: 0x1d });
  expect(keys && usageOfValue(keys, 0x66)).toBeUndefined();
  expect(modifiers && elementWithUsage(modifiers, { page: 7, id: 0xe6 })).toBe(6);
  expect(modifiers?.collections).toEqual([{ type: 1, usage: { page: 1, id: 6 } }]);
});

test('a scanner’s report counts its id, and each report has its own fields', () => {
  const { usesReportIds, reports } = read(honeywellDescriptor);
  expect(usesReportIds).toBe(true);
  expect(reports.map(({ kind, id, bytes }) => [kind, id, bytes])).toEqual([
    ['input', 2, 64],
    ['output', 4, 2],
    ['feature', 0xfe, 2],
    ['output', 0xfd, 64],
  ]);
  expect(input(honeywellDescriptor, 2).fields.map(({ bitOffset }) => bitOffset / 8)).toEqual([
    1, 2, 5, 61, 63,
  ]);
  expect(field(honeywellDescriptor, 2, 2)).toMatchObject({ bufferedBytes: true, count: 56 });
  expect(field(honeywellDescriptor, 2, 2).collections.map(({ type }) => type)).toEqual([1, 2]);
  expect(input(newlandDescriptor, 2).bytes).toBe(64);
  expect(input(simpleDescriptor, 2).bytes).toBe(61);
});

test('the report that arrived is found by its id, or is the only one', () => {
  expect(inputReportOf(read(honeywellDescriptor), hex('02 00'))?.id).toBe(2);
  expect(inputReportOf(read(honeywellDescriptor), hex('04 00'))).toBeUndefined();
  expect(inputReportOf(read(keyboardDescriptor), hex('04 00'))?.id).toBe(0);
  expect(inputReportOf(read(honeywellDescriptor), hex(''))).toBeUndefined();
});

describe('usages', () => {
  test('with fewer than elements, the last one goes for the rest', () => {
    const flags = field('05 8C 75 01 95 08 09 FE 09 FF 81 02');
    expect([0, 1, 7].map((index) => usageOfElement(flags, index)?.id)).toEqual([0xfe, 0xff, 0xff]);
    expect(usageOfElement(flags, 8)).toBeUndefined();
    expect(elementWithUsage(flags, { page: 0x8c, id: 0xff })).toBe(1);
  });

  test('more than elements are of no element', () => {
    const one = field('05 8C 75 08 95 01 09 FE 09 FF 81 02');
    expect(elementWithUsage(one, { page: 0x8c, id: 0xff })).toBe(-1);
    expect(usageOfElement(one, 0)?.id).toBe(0xfe);
    const range = field('05 8C 75 08 95 01 19 FB 29 FD 81 02');
    expect(elementWithUsage(range, { page: 0x8c, id: 0xfd })).toBe(-1);
  });

  test('of four bytes bring their own page', () => {
    const [first, second] = field('05 01 75 08 95 02 0B FE 00 8C 00 09 3B 81 02').usages;
    expect(first).toEqual({ page: 0x8c, first: 0xfe, last: 0xfe });
    expect(second).toEqual({ page: 1, first: 0x3b, last: 0x3b });
    expect(field('75 08 95 03 1B FB 00 8C 00 2B FD 00 8C 00 81 02').usages).toEqual([
      { page: 0x8c, first: 0xfb, last: 0xfd },
    ]);
  });

  test('of one or two bytes are of the page in force at the main item, not where they stand', () => {
    expect(field('05 01 09 30 05 8C 75 08 95 01 81 02').usages[0]?.page).toBe(0x8c);
  });

  test('of alternatives the first counts', () => {
    const delimited = field('05 8C 75 08 95 01 A9 01 09 FE 09 10 A9 00 81 02');
    expect(delimited.usages).toEqual([{ page: 0x8c, first: 0xfe, last: 0xfe }]);
  });

  test('are forgotten after each main item', () => {
    expect(field('05 8C 75 08 95 01 09 FE 81 02 81 02', 1).usages).toEqual([]);
    expect(usageOfElement(field('75 08 95 01 81 02'), 0)).toBeUndefined();
  });
});

test('Pop brings back all that Push kept', () => {
  const [first, second] = input(
    '05 8C 75 08 95 02 15 00 25 7F A4 05 01 75 10 95 01 15 80 B4 09 FE 81 02 81 02',
  ).fields;
  expect(first).toMatchObject({ bitSize: 8, count: 2, logicalMinimum: 0, logicalMaximum: 127 });
  expect(first?.usages).toEqual([{ page: 0x8c, first: 0xfe, last: 0xfe }]);
  expect(second).toMatchObject({ bitOffset: 16 });
});

test('a long item is stepped over, whatever is in it', () => {
  expect(field('FE 03 F0 81 02 A1 05 8C 75 08 95 01 09 FE 81 02').bitOffset).toBe(0);
  expect(input('FE 00 F0 75 08 95 01 81 02').fields).toHaveLength(1);
});

test('a maximum of FF is 255 where the minimum is not negative, and -1 where it is', () => {
  expect(field('15 00 25 FF 75 08 95 01 81 02').logicalMaximum).toBe(255);
  expect(field('15 80 25 FF 75 08 95 01 81 02').logicalMaximum).toBe(-1);
});

test('values lie at any bit, little endian, signed where the minimum is negative', () => {
  const odd = field('75 03 95 01 81 03 15 00 26 FF 03 75 0A 95 02 81 02', 1);
  // 3 bits of padding, then 0x2A5 and 0x1FF in 10 bits each
  const bits = 0b101n | (0x2a5n << 3n) | (0x1ffn << 13n);
  const report = Uint8Array.from([0, 8, 16].map((shift) => Number((bits >> BigInt(shift)) & 0xffn)));
  expect([0, 1, 2].map((index) => elementValue(report, odd, index))).toEqual([0x2a5, 0x1ff, undefined]);
  const signed = field('15 80 25 7F 75 08 95 01 81 02');
  expect(elementValue(hex('FE'), signed, 0)).toBe(-2);
  expect(elementValue(hex(''), signed, 0)).toBeUndefined();
  expect(bitsAt(hex('FF FF FF FF FF'), 4, 32)).toBe(0xffffffff);
  expect(bitsAt(hex('FF FF FF FF FF'), 0, 33)).toBeUndefined();
});

test.each([
  ['an item is cut short', '05'],
  ['an item is cut short', '26 FF'],
  ['an item is cut short', 'FE 05 F0 01'],
  ['Pop without Push', 'B4'],
  ['End Collection without Collection', 'C0'],
  ['a collection is not ended', 'A1 01'],
  ['a report id out of 1 to 255', '85 00'],
  ['an element of more than 256 bits', '76 01 01'],
  ['a report of more than 16384 bytes', '75 FF 97 00 00 02 00 81 02'],
  ['more elements than a report holds', '97 FF FF FF FF'],
  ['Usage Maximum without Usage Minimum', '29 05'],
  ['Usage Maximum below Usage Minimum', '19 05 29 04'],
  ['delimiters do not pair', 'A9 00'],
])('%s: refused', (reason, bytes) => {
  expect(why(bytes)).toBe(reason);
});

test('nesting and length are bounded as in the kernel', () => {
  expect(why('A1 01 '.repeat(65))).toBe('collections nested too deep');
  expect(why('A4 '.repeat(33))).toBe('Push nested too deep');
  expect(why('04 '.repeat(4097))).toBe('longer than 4096 bytes');
});

test('whatever the bytes, it ends, and no field lies beyond its report', () => {
  const items = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 5 }),
      fc.constantFrom(...['81 02', 'A1 01', 'C0', 'A4', 'B4', '75 08', '95 04', '85 01', '09 FE'].map(hex)),
    ),
    { maxLength: 80 },
  );
  let understood = 0;
  fc.assert(
    fc.property(items, (parts) => {
      const reading = readReportDescriptor(Buffer.concat(parts));
      if (reading.kind === 'malformed') return;
      understood += 1;
      for (const report of reading.descriptor.reports) {
        for (const { bitOffset, bitSize, count } of report.fields)
          expect(bitOffset + bitSize * count).toBeLessThanOrEqual(report.bytes * 8);
      }
    }),
    { numRuns: 3000, seed: 8 },
  );
  expect(understood).toBeGreaterThan(20);
});
