import { z } from 'zod';
import { HidSource } from '../../transport/hid-source.ts';
import { scannedSymbologies } from '../../symbology/symbology.ts';
import { layoutNames } from './known-layouts.ts';

export const HidPosConfig = z.strictObject({
  kind: z.literal('hid-pos').describe('A barcode scanner in USB HID POS mode'),
  id: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a–z, 0–9 and -')
    .describe('Name of this reader, unique on the till'),
  device: HidSource.describe('Which attached device it is'),
  layout: z
    .enum(['auto', ...layoutNames])
    .default('auto')
    .describe(
      'Where the data lies in its reports. auto: as the device describes it, else as known of its vendor; honeywell: count, AIM identifier, data; newland: count, data; simple: AIM identifier, data',
    ),
  aim: z
    .enum(['auto', 'none'])
    .default('auto')
    .describe(
      'Where the layout has no place for it: auto, an AIM identifier (]E0 …) before the data is read and stripped; none, all is data',
    ),
  symbology: z
    .enum(scannedSymbologies)
    .default('unknown')
    .describe('What a scan is taken for whose symbology the scanner does not tell'),
  suffix: z
    .enum(['strip', 'keep'])
    .default('strip')
    .describe('strip: a CR, LF or CR LF the scanner adds is taken off the end; keep: it is data'),
  limitBytes: z
    .int()
    .min(16)
    .max(65_536)
    .default(8192)
    .describe('Longest scan in bytes; anything longer is discarded and counted'),
});
export type HidPosConfig = z.output<typeof HidPosConfig>;
