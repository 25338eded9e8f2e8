import { z } from 'zod';
import type { Driver } from './driver.ts';
import { HidPosConfig } from './protocol/hid-pos/config.ts';
import { IbmHandHeldConfig } from './protocol/ibm-hand-held/config.ts';
import { KeyboardWedgeConfig } from './protocol/keyboard-wedge/config.ts';
import { MagstripeConfig } from './protocol/magstripe/config.ts';
import { OpiConfig } from './protocol/opi/config.ts';
import { SerialScannerConfig, TcpScannerConfig } from './protocol/scanner/config.ts';
import { ZvtConfig } from './protocol/zvt/config.ts';

const kinds = [
  'serial',
  'tcp',
  'hid-pos',
  'ibm-hand-held',
  'keyboard-wedge',
  'zvt',
  'opi',
  'magstripe',
] as const;

/** One reader as a till's configuration names it; which other fields there are depends on `kind`. */
export const ReaderConfig = z.discriminatedUnion(
  'kind',
  [
    SerialScannerConfig,
    TcpScannerConfig,
    HidPosConfig,
    IbmHandHeldConfig,
    KeyboardWedgeConfig,
    ZvtConfig,
    OpiConfig,
    MagstripeConfig,
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? `DRV_UNKNOWN_KIND: expected kind to be one of ${kinds.join(', ')}`
        : undefined,
  },
);
export type ReaderConfig = z.output<typeof ReaderConfig>;

/** All readers of a till. */
export const ReaderConfigs = z
  .array(ReaderConfig)
  .max(32)
  .check((context) => {
    const seen = new Set<string>();
    for (const [index, reader] of context.value.entries()) {
      if (seen.has(reader.id)) {
        context.issues.push({
          code: 'custom',
          message: `there is another reader named ${reader.id}`,
          input: reader.id,
          path: [index, 'id'],
        });
      }
      seen.add(reader.id);
    }
  })
  .describe('The readers of this till');

/**
 * The driver for a configured reader. Its code, and the library it needs, is loaded when it is first opened, so a
 * library that cannot be loaded takes one reader out of service and not the till.
 */
export function driverFor(config: ReaderConfig): Driver {
  switch (config.kind) {
    case 'serial':
    case 'tcp':
      return async (ports) => {
        const { scannerDriver } = await import('./protocol/scanner/driver.ts');
        return scannerDriver(config)(ports);
      };
    case 'hid-pos':
      return async (ports) => {
        const { hidPosDriver } = await import('./protocol/hid-pos/driver.ts');
        return hidPosDriver(config)(ports);
      };
    case 'ibm-hand-held':
      return async (ports) => {
        const { ibmHandHeldDriver } = await import('./protocol/ibm-hand-held/driver.ts');
        return ibmHandHeldDriver(config)(ports);
      };
    case 'keyboard-wedge':
      return async (ports) => {
        const { keyboardWedgeDriver } = await import('./protocol/keyboard-wedge/driver.ts');
        return keyboardWedgeDriver(config)(ports);
      };
    case 'zvt':
      return async (ports) => {
        const { zvtDriver } = await import('./protocol/zvt/driver.ts');
        return zvtDriver(config)(ports);
      };
    case 'opi':
      return async (ports) => {
        const { opiDriver } = await import('./protocol/opi/driver.ts');
        return opiDriver(config)(ports);
      };
    case 'magstripe':
      return async (ports) => {
        const { magstripeDriver } = await import('./protocol/magstripe/driver.ts');
        return magstripeDriver(config)(ports);
      };
  }
}
