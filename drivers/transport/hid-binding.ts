import type * as NodeHid from 'node-hid';
import { asError, StammkundeError } from '../../foundation/errors.ts';

/** An attached HID interface as the binding lists it: once for each top-level collection. */
export interface ListedHid {
  readonly vendorId: number;
  readonly productId: number;
  readonly path?: string | undefined;
  readonly serialNumber?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly product?: string | undefined;
  readonly interface: number;
  readonly usagePage?: number | undefined;
  readonly usage?: number | undefined;
}

/** An open interface as the binding has it. What it emits as `error` is a plain string; it never says `close`. */
export interface HidHandle {
  on(event: 'data', listener: (report: Uint8Array) => void): void;
  on(event: 'error', listener: (error: unknown) => void): void;
  write(report: Buffer): Promise<number>;
  sendFeatureReport(report: Buffer): Promise<number>;
  close(): Promise<void>;
}

/** What is used of node-hid, so that its faults can be had without a device. */
export interface HidBinding {
  list(): Promise<readonly ListedHid[]>;
  open(path: string): Promise<HidHandle>;
}

/**
 * `hidraw`: through the kernel's driver; whoever else has the device open gets the same reports, and a keyboard goes on
 * typing into the focused window. `libusb`: the kernel's driver is detached while it is open, so nobody else gets
 * anything; Linux only, elsewhere both are the system's own way.
 */
export type HidAccess = 'hidraw' | 'libusb';

/**
 * node-hid through one of its two native libraries. Both may be used in one process.
 * @throws StammkundeError DRV_LIBRARY when it cannot be loaded
 */
export async function nodeHidBinding(access: HidAccess): Promise<HidBinding> {
  const { HIDAsync, devicesAsync } = await load(access);
  return { list: () => devicesAsync(), open: (path) => HIDAsync.open(path) };
}

async function load(access: HidAccess): Promise<typeof NodeHid> {
  try {
    switch (access) {
      case 'hidraw': {
        const hid = await import('node-hid');
        hid.getHidapiVersion(); // the native library is loaded with the first call, and may be missing
        return hid;
      }
      case 'libusb':
        return (await import('./hid-libusb.ts')).libusbHid;
    }
  } catch (error) {
    throw new StammkundeError('DRV_LIBRARY', `node-hid cannot be loaded: ${asError(error).message}`, {
      cause: asError(error),
    });
  }
}
