import type { Frame, Noise } from '../../../../drivers/framing/frame.ts';
import { keyboardLayouts } from '../../../../drivers/keyboard/keyboard-layouts.ts';
import type { LayoutName } from '../../../../drivers/keyboard/layout.ts';
import { bootKeyboardReport } from '../../../../drivers/protocol/keyboard-wedge/keyboard-report.ts';
import type { KeystrokeReading } from '../../../../drivers/protocol/keyboard-wedge/keystroke-decoder.ts';
import { KeystrokeDecoder } from '../../../../drivers/protocol/keyboard-wedge/keystroke-decoder.ts';

/** A decoder of boot reports as configured by default. */
export function decoder(
  layout: LayoutName,
  reading: Partial<Omit<KeystrokeReading, 'layout'>> = {},
): KeystrokeDecoder {
  return new KeystrokeDecoder({
    layout: keyboardLayouts[layout],
    formats: [bootKeyboardReport],
    terminators: ['enter', 'tab'],
    limitCharacters: 8192,
    capsLock: 'toggles',
    encoding: 'utf-8',
    ...reading,
  });
}

/** Everything a decoder makes of the reports. */
export function decoded(of: KeystrokeDecoder, reports: Iterable<Uint8Array>): (Frame | Noise)[] {
  return Array.from(reports, (report) => [...of.push(report)]).flat();
}

/** The frames among the pieces, as text. */
export function texts(pieces: readonly (Frame | Noise)[]): string[] {
  return pieces.flatMap((piece) =>
    piece.kind === 'frame' ? [Buffer.from(piece.bytes).toString('utf8')] : [],
  );
}
