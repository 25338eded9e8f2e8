// Goal: no report, however mad, makes the decoder throw, stall or hold more than its limit, and a well-typed scan after
// a pause is always read. STAMMKUNDE_FUZZ=1000000 in the environment makes it long.
import { expect, test } from 'vitest';
import { keyboardLayouts } from '../../../../drivers/keyboard/keyboard-layouts.ts';
import { layoutNames } from '../../../../drivers/keyboard/layout.ts';
import { readReportDescriptor } from '../../../../drivers/hid/report-descriptor.ts';
import type { KeyboardReportFormat } from '../../../../drivers/protocol/keyboard-wedge/keyboard-report.ts';
import {
  bootKeyboardReport,
  keyboardReports,
} from '../../../../drivers/protocol/keyboard-wedge/keyboard-report.ts';
import { KeystrokeDecoder } from '../../../../drivers/protocol/keyboard-wedge/keystroke-decoder.ts';
import type { KeystrokeReading } from '../../../../drivers/protocol/keyboard-wedge/keystroke-decoder.ts';
import type { Random } from '../../../../foundation/random.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import { typed } from '../../../../simulator/readers/keyboard-typist.ts';
import { keyboardDescriptor } from '../../hid/descriptors.ts';
import { texts } from './decoding.ts';
import { fuzzInputs, Slices } from '../../../support/slices.ts';

const INPUTS = fuzzInputs();
const LIMIT = 64;
const REPORTS_MAX = 12;

function whole(random: Random, below: number): number {
  return Math.floor(random.next() * below);
}

/** Mostly keyboards' own reports with keys that exist, sometimes anything. */
function report(random: Random): Uint8Array {
  const kind = whole(random, 10);
  if (kind === 0) return Uint8Array.from({ length: whole(random, 70) }, () => whole(random, 256));
  const modifiers = kind < 6 ? 0 : [0x02, 0x04, 0x40, 0x01, 0x05, 0x00, 0x08][whole(random, 7)];
  const keys = Array.from({ length: 1 + whole(random, 6) }, () =>
    kind === 1 ? whole(random, 256) : whole(random, 0x68),
  );
  return Uint8Array.of(modifiers ?? 0, 0, ...keys);
}

/** A keyboard's descriptor with some bytes changed. */
function formats(random: Random): readonly KeyboardReportFormat[] {
  const descriptor = keyboardDescriptor.slice();
  for (let i = whole(random, 4); i > 0; i -= 1)
    descriptor[whole(random, descriptor.length)] = whole(random, 256);
  const reading = readReportDescriptor(descriptor);
  return reading.kind === 'read' ? keyboardReports(reading.descriptor) : [];
}

test(`${INPUTS} generated inputs: nothing throws, nothing grows, and the next scan is read`, () => {
  const random = new SeededRandom(20261122);
  const slices = new Slices('keyboard wedge');
  let frames = 0;
  for (let input = 0; input < INPUTS; input += 1) {
    const layout = layoutNames[whole(random, layoutNames.length)] ?? 'us';
    const mad = input % 8 === 0 ? formats(random) : [];
    const decoding = {
      layout: keyboardLayouts[layout],
      formats: mad.length > 0 ? mad : [bootKeyboardReport],
      terminators: ['enter', 'tab'],
      limitCharacters: LIMIT,
      capsLock: 'toggles',
      encoding: input % 2 === 0 ? 'utf-8' : 'latin-1',
      gsKey: 0x41,
    } satisfies KeystrokeReading;
    const wedge = new KeystrokeDecoder(decoding);
    const reports = Array.from({ length: whole(random, REPORTS_MAX) }, () => report(random));
    for (const each of reports) {
      const pieces = slices.measure(
        each,
        () => wedge.push(each),
        () => new KeystrokeDecoder(decoding).push(each),
      );
      for (const piece of pieces) {
        if (piece.kind === 'frame') frames += 1;
        const size = piece.kind === 'frame' ? piece.bytes.length : piece.bytes;
        if (size < 1) throw new Error(`${piece.kind} of nothing`);
        if (piece.kind === 'frame' && size > LIMIT * 4) throw new Error(`a frame of ${size} bytes`);
      }
    }
    wedge.discard();
    wedge.rest();
    if (wedge.unfinished) throw new Error('something is left after it was discarded');
    if (mad.length > 0 || input % 4 !== 1) continue;
    const after = typed(']E04006381333931', { layout }).flatMap((each) => wedge.push(each));
    if (texts(after).join() !== ']E04006381333931') throw new Error(`input ${input} spoilt the next scan`);
  }
  expect(frames).toBeGreaterThan(0);
  slices.conclude();
}, 3_600_000);
