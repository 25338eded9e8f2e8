import { z } from 'zod';
import { DeviceMatch } from '../device-match.ts';
import type { NodeHidOptions } from './hid.ts';
import type { OpenHid } from './hid-device.ts';

/** Where a HID reader is: attached to this machine, or passed on over the network by another. */
export const HidSource = z.union([
  DeviceMatch,
  z.strictObject({
    host: z.string().min(1).max(253).describe('Name or address of the machine that passes the device on'),
    port: z.int().min(1).max(65_535).describe('TCP port it is passed on at'),
  }),
]);
export type HidSource = z.output<typeof HidSource>;

/** Opens the HID device that is meant. The HID library is loaded only for an attached one. */
export async function openHidSource(source: HidSource, options: NodeHidOptions = {}): Promise<OpenHid> {
  if ('host' in source) return (await import('./hid-network.ts')).networkHid(source);
  return (await import('./hid.ts')).nodeHidDevice(source, options);
}
