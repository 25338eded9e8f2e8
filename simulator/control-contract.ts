import { z } from 'zod';
import { appCodeForms } from '../sync/contract/app-code/forms.ts';
import { showings } from './readers/counter.ts';

const Hex = z.string().regex(/^(?:[0-9a-f]{2}){1,65536}$/i, 'expected bytes in hexadecimal');

/** One step of a recorded trace: bytes of a line, or one HID report. */
export const TraceStep = z.strictObject({
  afterMs: z.number().min(0).max(60_000).describe('Pause before it'),
  as: z.enum(showings),
  hex: Hex,
});
export type TraceStep = z.infer<typeof TraceStep>;
/** Steps of one trace. */
export const TRACE_STEPS_MAX = 500;

/** What the scan command may ask of a running shop; one JSON line each. */
export const ControlOrder = z.discriminatedUnion('order', [
  z.strictObject({
    order: z.literal('send').describe('Let a scanner send these bytes'),
    reader: z.enum(['serial', 'tcp']),
    hex: Hex,
  }),
  z.strictObject({
    order: z.literal('show').describe('Hold a code before a reader'),
    as: z.enum(showings),
    aim: z.string().regex(/^(?:\][A-Za-z][0-9A-Za-z])?$/),
    text: z.string().min(1).max(512),
  }),
  z.strictObject({
    order: z.literal('app-code').describe('Hold a customer’s phone before the serial scanner'),
    form: z.enum(appCodeForms),
    phone: z.int().min(0).max(10_000).describe('Which of the customers who have one'),
  }),
  z.strictObject({
    order: z.literal('replay').describe('Let devices send what was recorded'),
    steps: z.array(TraceStep).min(1).max(TRACE_STEPS_MAX),
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
