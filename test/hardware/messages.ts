import { z } from 'zod';

/** What the guest tells the host, one JSON line each. */
export const FromGuest = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('scenario'), name: z.string() }),
  /** Something that was to hold; `why` is given where it did not. */
  z.strictObject({
    kind: z.literal('claim'),
    text: z.string(),
    ms: z.number(),
    why: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('figure'), text: z.string() }),
  /** Something that could not be tried here. */
  z.strictObject({ kind: z.literal('left-out'), text: z.string() }),
  /** A command for the machine the guest runs on (QMP). Answered once it has taken effect. */
  z.strictObject({
    kind: z.literal('machine'),
    id: z.int(),
    command: z.string(),
    with: z.record(z.string(), z.unknown()),
  }),
  /** What the device behind the USB serial adapter sends. */
  z.strictObject({ kind: z.literal('serial'), id: z.int(), hex: z.string() }),
  z.strictObject({ kind: z.literal('end') }),
]);
export type FromGuest = z.output<typeof FromGuest>;

/** What the host answers to `machine` and `serial`; `why` is given where it could not be done. */
export const FromHost = z.strictObject({ id: z.int(), why: z.string().optional() });
export type FromHost = z.output<typeof FromHost>;

/** Name of the line between the two, as the guest finds it below `/sys/class/virtio-ports`. */
export const LINE_NAME = 'stammkunde';
