import { z } from 'zod';
import { HidSource } from '../../transport/hid-source.ts';

export const IbmHandHeldConfig = z.strictObject({
  kind: z
    .literal('ibm-hand-held')
    .describe('A Zebra (Symbol) barcode scanner in IBM hand-held USB mode; experimental'),
  id: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a–z, 0–9 and -')
    .describe('Name of this reader, unique on the till'),
  device: HidSource.describe('Which attached device it is; mostly 05e0:1300'),
});
export type IbmHandHeldConfig = z.output<typeof IbmHandHeldConfig>;
