import { z } from 'zod';

/** What the scan command may ask of a running shop; one JSON line each. */
export const ControlOrder = z.discriminatedUnion('order', [
  z.strictObject({
    order: z.literal('send').describe('Let a scanner send these bytes'),
    reader: z.enum(['serial', 'tcp']),
    hex: z.string().regex(/^(?:[0-9a-f]{2}){1,65536}$/i, 'expected bytes in hexadecimal'),
  }),
  z.strictObject({
    order: z.literal('unplug').describe('Pull a scanner and put it back'),
    reader: z.enum(['serial', 'tcp']),
    seconds: z.number().min(0).max(3_600),
  }),
  z.strictObject({
    order: z.literal('network').describe('Break or mend the network between till and server'),
    state: z.enum(['up', 'cut', 'black-hole']),
  }),
]);
export type ControlOrder = z.infer<typeof ControlOrder>;

export const ControlMessage = z.strictObject({ token: z.string(), order: ControlOrder });

export const ControlAnswer = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(true) }),
  z.strictObject({ ok: z.literal(false), message: z.string() }),
]);
export type ControlAnswer = z.infer<typeof ControlAnswer>;

/** Where a running shop is, as it notes it in its data folder, readable by its owner alone. */
export const ShopAddress = z.strictObject({
  controlPort: z.int(),
  controlToken: z.string(),
  tillUrl: z.string(),
  tillTokenFile: z.string(),
});
export type ShopAddress = z.infer<typeof ShopAddress>;

/** Name of the file with the {@link ShopAddress}. */
export const ADDRESS_FILE = 'running-shop.json';
