import { z } from 'zod';
import { SAME_TRIGGER_MS } from '../drivers/double-read.ts';

/** More would make one of two customers with the same coupon: a hand is ready again after 400 ms. */
const sameTriggerMs = z.int().min(0).max(350);

/** Which sights of a code are one scan. */
export const DoubleReadsConfig = z.strictObject({
  sameTriggerMs: sameTriggerMs
    .default(SAME_TRIGGER_MS)
    .describe(
      'The same code from the same reader again after less than this, in ms, is the same pull of the trigger; 0 = each is a scan. A scanner that reads again later than 350 ms has a setting of its own against it',
    ),
  devices: z
    .array(
      z.strictObject({
        readers: z
          .array(z.string())
          .min(1)
          .max(8)
          .describe('Readers that are interfaces of one device and tell of the same codes'),
        sameTriggerMs: sameTriggerMs.optional().describe('The limit of this device; absent: the one above'),
      }),
    )
    .max(32)
    .default([])
    .describe('Devices that speak over several interfaces or need a limit of their own'),
});
export type DoubleReadsConfig = z.output<typeof DoubleReadsConfig>;

/** What names a reader, and where it stands in the configuration. */
interface NamedReader {
  readonly id: string;
  readonly path: readonly (string | number)[];
}

/** What is wrong with readers named outside of the list of readers: they do not exist, or are in two devices. */
export function readerProblems(config: {
  readonly readers: readonly { readonly id: string }[];
  readonly doubleReads: DoubleReadsConfig;
  readonly passThrough: { readonly outputs: readonly { readonly from?: readonly string[] | undefined }[] };
}): { readonly path: (string | number)[]; readonly message: string; readonly input: string }[] {
  const known = new Set(config.readers.map(({ id }) => id));
  const ofDevices = config.doubleReads.devices.flatMap(({ readers }, device) =>
    readers.map((id, i): NamedReader => ({ id, path: ['doubleReads', 'devices', device, 'readers', i] })),
  );
  const ofOutputs = config.passThrough.outputs.flatMap(({ from = [] }, output) =>
    from.map((id, i): NamedReader => ({ id, path: ['passThrough', 'outputs', output, 'from', i] })),
  );
  const twice = ofDevices.filter(({ id }, i) => ofDevices.findIndex((other) => other.id === id) < i);
  return [
    ...[...ofDevices, ...ofOutputs]
      .filter(({ id }) => !known.has(id))
      .map(({ id, path }) => ({ path: [...path], message: `there is no reader named ${id}`, input: id })),
    ...twice.map(({ id, path }) => ({ path: [...path], message: `${id} is in another device`, input: id })),
  ];
}
