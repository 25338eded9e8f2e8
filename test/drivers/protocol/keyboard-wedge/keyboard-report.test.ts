import { describe, expect, test } from 'vitest';
import { readReportDescriptor } from '../../../../drivers/hid/report-descriptor.ts';
import type { KeyboardReportFormat } from '../../../../drivers/protocol/keyboard-wedge/keyboard-report.ts';
import {
  bootKeyboardReport,
  keyboardReports,
  readKeyboardReport,
} from '../../../../drivers/protocol/keyboard-wedge/keyboard-report.ts';
import { typed } from '../../../../simulator/readers/keyboard-typist.ts';
import { hex } from '../../hex.ts';
import { decoded, decoder, texts } from './decoding.ts';

/** The descriptor of HID 1.11, appendix E.6: a boot keyboard. */
const BOOT = hex(`
  05 01 09 06 a1 01 05 07 19 e0 29 e7 15 00 25 01 75 01 95 08 81 02 95 01 75 08 81 01
  95 05 75 01 05 08 19 01 29 05 91 02 95 01 75 03 91 01 95 06 75 08 15 00 25 65 05 07 19 00 29 65 81 00 c0`);

/** Report 1: modifiers and six keys; report 2: consumer control; report 3: 0xe8 bits, one for each key. */
const NUMBERED = hex(`
  05 01 09 06 a1 01 85 01 05 07 19 e0 29 e7 15 00 25 01 75 01 95 08 81 02 95 06 75 08 15 00 26 ff 00 19 00 29 ff 81 00 c0
  05 0c 09 01 a1 01 85 02 19 00 2a 3c 02 15 00 26 3c 02 95 01 75 10 81 00 c0
  05 01 09 06 a1 01 85 03 05 07 19 00 29 e7 15 00 25 01 75 01 95 e8 81 02 c0`);

function formatsOf(descriptor: Uint8Array): readonly KeyboardReportFormat[] {
  const reading = readReportDescriptor(descriptor);
  return reading.kind === 'read' ? keyboardReports(reading.descriptor) : [];
}

/** A report of one bit for each key, id 3. */
function bits(...usages: number[]): Uint8Array {
  const report = new Uint8Array(30);
  report[0] = 3;
  for (const usage of usages) report[1 + (usage >> 3)] = (report[1 + (usage >> 3)] ?? 0) | (1 << (usage & 7));
  return report;
}

describe('the descriptor of a boot keyboard', () => {
  test('tells what the boot protocol lays down', () => {
    const [format, ...others] = formatsOf(BOOT);
    expect(others).toEqual([]);
    expect(
      format?.fields.map(({ kind, bitOffset, bitSize, count }) => [kind, bitOffset, bitSize, count]),
    ).toEqual(
      bootKeyboardReport.fields.map(({ kind, bitOffset, bitSize, count }) => [
        kind,
        bitOffset,
        bitSize,
        count,
      ]),
    );
  });

  test('and its reports are read alike', () => {
    const formats = formatsOf(BOOT);
    const reports = typed(']E04006381333931', { layout: 'de' });
    expect(texts(decoded(decoder('de', { formats }), reports))).toEqual([']E04006381333931']);
  });
});

describe('numbered reports', () => {
  const formats = formatsOf(NUMBERED);

  test('are told apart, and those without keys are none of ours', () => {
    expect(formats.map(({ reportId }) => reportId)).toEqual([1, 3]);
    const reports = typed('Stamm-12', { layout: 'ch-de' }).map((report) =>
      Uint8Array.of(1, report[0] ?? 0, ...report.subarray(2)),
    );
    const between = reports.flatMap((report) => [report, hex('02 e9 00')]);
    const pieces = decoded(decoder('ch-de', { formats }), between);
    expect(texts(pieces)).toEqual(['Stamm-12']);
    expect(pieces.filter(({ kind }) => kind === 'noise')).toHaveLength(reports.length);
  });

  test('of one bit for each key are read, modifiers among them', () => {
    const reports = [bits(0xe1, 0x04), bits(), bits(0x05), bits(0x05, 0x06), bits(0xe6, 0x26), bits(0x28)];
    expect(texts(decoded(decoder('de', { formats }), reports))).toEqual(['Abc]']);
  });

  test('keep keys that are down in one apart from those in another', () => {
    const reports = [
      hex('01 00 04 00 00 00 00 00'),
      bits(0x05),
      hex('01 00 04 00 00 00 00 00'),
      bits(0x05, 0x28),
    ];
    expect(texts(decoded(decoder('us', { formats }), reports))).toEqual(['ab']);
  });
});

test('a device without keys has no reports of keys', () => {
  expect(formatsOf(hex('05 0c 09 01 a1 01 19 00 2a 3c 02 15 00 26 3c 02 95 01 75 10 81 00 c0'))).toEqual([]);
});

test('a field of more keys than there are is not believed', () => {
  const many = hex('05 01 09 06 a1 01 05 07 19 00 29 e7 15 00 25 01 75 01 96 00 40 81 02 c0');
  expect(formatsOf(many)).toEqual([]);
});

test('a key in two slots is down once', () => {
  expect(readKeyboardReport(bootKeyboardReport, hex('02 00 04 04 00 05 00 00'))).toEqual({
    modifiers: 2,
    keys: [4, 5],
  });
});
