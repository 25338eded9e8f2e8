import { z } from 'zod';

const Hex16 = z
  .string()
  .regex(/^[0-9a-f]{4}$/i, 'expected four hexadecimal digits, such as 0c2e')
  .transform((hex) => Number.parseInt(hex, 16));

/**
 * Which attached USB device a reader is: by what it says of itself, never by a path that moves when it is plugged in
 * again. Serial number and port are needed only where two equal devices are attached.
 */
export const DeviceMatch = z.strictObject({
  vendorId: Hex16.describe('USB vendor id, four hexadecimal digits'),
  productId: Hex16.describe('USB product id, four hexadecimal digits'),
  serialNumber: z
    .string()
    .min(1)
    .max(126)
    .optional()
    .describe('Serial number the device reports, where two equal ones are attached'),
  interface: z.int().min(0).max(255).optional().describe('USB interface number, for devices with several'),
  usbPort: z
    .string()
    .regex(/^[0-9]+-[0-9]+(?:\.[0-9]+)*$/, 'expected a USB port such as 1-2.3')
    .optional()
    .describe('USB port it hangs on, for two equal devices without serial numbers (Linux)'),
});
export type DeviceMatch = z.output<typeof DeviceMatch>;

/** What can be told of an attached device before it is opened. */
export interface AttachedDevice {
  readonly vendorId: number | undefined;
  readonly productId: number | undefined;
  readonly serialNumber: string | undefined;
  readonly interfaceNumber: number | undefined;
  readonly usbPort: string | undefined;
}

/** Whether an attached device is the one meant: all that is given agrees. */
export function matchesDevice(match: DeviceMatch, device: AttachedDevice): boolean {
  return (
    match.vendorId === device.vendorId &&
    match.productId === device.productId &&
    (match.serialNumber === undefined || match.serialNumber === device.serialNumber) &&
    (match.interface === undefined || match.interface === device.interfaceNumber) &&
    (match.usbPort === undefined || match.usbPort === device.usbPort)
  );
}
