// Goal: frames of IBM hand-held mode become scans; anything that only resembles one does not.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readIbmReport } from '../../../../drivers/protocol/ibm-hand-held/codec.ts';
import { asText, hex } from '../../hex.ts';
import { captured } from './frames.ts';
import { fuzzInputs, Slices } from '../../../support/slices.ts';

function shown(report: Uint8Array): unknown {
  const reading = readIbmReport(report);
  switch (reading.kind) {
    case 'scan':
      return [reading.symbology, asText(reading.payload)];
    case 'status':
      return 'status';
    case 'noise':
      return `${reading.reason} ${reading.bytes}`;
  }
}

test.each(captured)(
  '%s %s is read from its frame, alone or in a padded report',
  (symbology, payload, frame) => {
    expect(shown(frame)).toEqual([symbology, payload]);
    const padded = new Uint8Array(64).fill(0xee);
    padded.set(frame);
    expect(shown(padded)).toEqual([symbology, payload]);
  },
);

test.each(captured)(
  '%s %s cut short at any byte is noise, and so is the rest',
  (_symbology, _payload, frame) => {
    for (let at = 1; at < frame.length; at += 1) {
      expect(shown(frame.subarray(0, at))).toBe(`unframed ${at}`);
      expect(shown(frame.subarray(at))).toBe(`unframed ${frame.length - at}`);
    }
  },
);

test.each([
  ['UPC-A', '11 10 03 00 00 01 02 03 04 05 06 07 08 09 00 05 0D', ['upc-a', '012345678905']],
  ['UPC-E', '0D 10 03 00 00 01 02 03 04 05 06 05 0A', ['upc-e', '01234565']],
  ['EAN-8', '0D 10 03 00 04 00 01 07 00 07 02 05 0C', ['ean-8', '40170725']],
  ['EAN-8 with a long type', '0F 10 03 00 34 30 31 37 30 37 32 35 00 0C 0B', ['ean-8', '40170725']],
  ['Code 128', '08 10 03 00 4B 00 18 0B', ['code-128', 'K']],
  ['a type nobody knows', '08 10 03 00 4B 00 77 0B', ['unknown', 'K']],
])('%s', (_title, frame, expected) => {
  expect(shown(hex(frame))).toEqual(expected);
});

test.each([
  ['a frame without data is a status', '04 10 03 00', 'status'],
  ['a type without data is a status', '07 10 03 00 00 18 0B', 'status'],
  ['another header is noise', '09 10 02 00 51 31 00 0A 0B', 'unframed 9'],
  [
    'a mixture of digits and bytes is noise',
    '12 10 03 00 33 05 07 04 06 06 01 04 00 04 02 06 04 16',
    'unframed 18',
  ],
  [
    'a number of another length is noise',
    '11 10 03 00 05 07 04 06 06 01 04 00 04 02 06 04 16',
    'unframed 17',
  ],
  ['letters in a number are noise', '12 10 03 00 41 35 37 34 36 36 31 34 30 34 32 36 34 16', 'unframed 18'],
  ['a frame longer than its report is noise', '40 10 03 00 51 31 00 0A 0B', 'unframed 9'],
  ['an empty report is no bytes of noise', '', 'unframed 0'],
])('%s', (_title, frame, expected) => {
  expect(shown(hex(frame))).toBe(expected);
});

test('whatever the bytes, nothing is thrown and nothing is made up', () => {
  const inputs = fuzzInputs();
  const framed = fc
    .tuple(fc.uint8Array({ maxLength: 40 }), fc.constantFrom('16', '0D', '00 18 0B', '00 0A 0B', '0B'))
    .map(([data, type]) => {
      const body = Buffer.concat([hex('10 03 00'), data, hex(type)]);
      return Uint8Array.of(body.length + 1, ...body);
    });
  let scans = 0;
  const slices = new Slices('IBM hand-held');
  fc.assert(
    fc.property(fc.oneof(framed, fc.uint8Array({ maxLength: 70 })), (report) => {
      const reading = slices.measure(report, () => readIbmReport(report));
      if (reading.kind !== 'scan') return;
      scans += 1;
      expect(reading.payload.length).toBeLessThan(report.length);
    }),
    { numRuns: inputs, seed: 6 },
  );
  expect(scans).toBeGreaterThan(inputs / 10);
  slices.conclude();
}, 900_000);
