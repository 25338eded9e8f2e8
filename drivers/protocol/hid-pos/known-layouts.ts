import type { ScanLayout } from './layout.ts';

/** Names of the layouts a configuration can insist on. */
export const layoutNames = ['honeywell', 'newland', 'simple'] as const;
export type LayoutName = (typeof layoutNames)[number];

/**
 * Layouts met in the field, for systems that do not give away report descriptors (Windows, macOS).
 *
 * - `honeywell`: Honeywell, HHP, Access-IS and Youjie; 64 bytes `02 n ]cm data[56] code-id reserved flags` (Access-IS
 *   LSR118 manual; a capture in HenkVanAsselt/python_hon_usbhid).
 * - `newland`: Newland and ID TECH; `02 n data[56] reserved[4] symbology flags`, no AIM identifier (ID TECH FX100 manual).
 * - `simple`: `02 ]cm data[56] flags`, no byte count.
 */
export const knownLayouts: Readonly<Record<LayoutName, ScanLayout>> = {
  honeywell: {
    reportId: 2,
    byteCount: { bitOffset: 8, bitSize: 8 },
    aim: [16, 24, 32],
    data: { bitOffset: 40, bytes: 56 },
    codeId: 61 * 8,
    continued: { bitOffset: 63 * 8, bitSize: 1 },
  },
  newland: {
    reportId: 2,
    byteCount: { bitOffset: 8, bitSize: 8 },
    data: { bitOffset: 16, bytes: 56 },
    continued: { bitOffset: 63 * 8, bitSize: 1 },
  },
  simple: {
    reportId: 2,
    aim: [8, 16, 24],
    data: { bitOffset: 32, bytes: 56 },
    continued: { bitOffset: 60 * 8, bitSize: 1 },
  },
};

/** By vendor. Datalogic and Zebra are left out: their layouts differ by model, and only the descriptor tells. */
const byVendor: ReadonlyMap<number, LayoutName> = new Map<number, LayoutName>([
  [0x0c2e, 'honeywell'], // Honeywell, Metrologic
  [0x0536, 'honeywell'], // Hand Held Products
  [0x23d0, 'honeywell'],
  [0x0db5, 'honeywell'], // Access-IS
  [0x1eab, 'newland'], // Newland
]);

/** The layout a vendor's scanners are known to use; undefined when none is. */
export function layoutOfVendor(vendorId: number): ScanLayout | undefined {
  const name = byVendor.get(vendorId);
  return name === undefined ? undefined : knownLayouts[name];
}
