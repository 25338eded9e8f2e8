import { z } from 'zod';
import { HidSource } from '../../transport/hid-source.ts';

/** Which track of a stripe carries the loyalty number. */
export const WantedTrackConfig = z
  .literal([1, 2, 3, 'auto'])
  .default('auto')
  .describe(
    'Which track of a magnetic stripe carries the loyalty number. auto: track 2, else 1, else 3. The others are read too, so that a bank card is refused whichever track it is told by',
  );

export const MagstripeConfig = z.strictObject({
  kind: z.literal('magstripe').describe('A magnetic stripe reader on USB in HID mode (MagTek, ID TECH)'),
  id: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a–z, 0–9 and -')
    .describe('Name of this reader, unique on the till'),
  device: HidSource.describe('Which attached device it is'),
  format: z
    .enum(['auto', 'magtek', 'id-tech'])
    .default('auto')
    .describe('How its reports are laid out. auto: as known of its vendor, else by their length'),
  track: WantedTrackConfig,
});
export type MagstripeConfig = z.output<typeof MagstripeConfig>;
