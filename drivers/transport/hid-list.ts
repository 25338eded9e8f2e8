import { readFile, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { HidAccess, HidBinding, ListedHid } from './hid-binding.ts';
import { nodeHidBinding } from './hid-binding.ts';
import type { HidIdentity } from './hid-device.ts';

/** Where Linux tells of devices. */
export const SYSFS = '/sys';

/**
 * The HID interfaces attached now; one with several top-level collections is listed once for each of them.
 * @throws StammkundeError DRV_LIBRARY
 */
export async function listHid(
  options: { readonly access?: HidAccess; readonly binding?: HidBinding; readonly sysfs?: string } = {},
): Promise<HidIdentity[]> {
  const binding = options.binding ?? (await nodeHidBinding(options.access ?? 'hidraw'));
  const listed = await binding.list();
  const sysfs = options.sysfs ?? SYSFS;
  return Promise.all(listed.flatMap((each) => (hasPath(each) ? [identityOf(each, sysfs)] : [])));
}

/**
 * The report descriptor of the interface at `path` as the kernel read it from the device; undefined where there is no
 * sysfs, or it tells nothing.
 */
export async function reportDescriptorAt(path: string, sysfs: string): Promise<Uint8Array | undefined> {
  const folder = folderOf(path, sysfs);
  if (folder === undefined) return undefined;
  try {
    const bytes = await readFile(join(folder, 'report_descriptor'));
    return bytes.length === 0 ? undefined : Uint8Array.from(bytes);
  } catch {
    return undefined; // not told, whatever the reason
  }
}

type WithPath = ListedHid & { readonly path: string };

function hasPath(each: ListedHid): each is WithPath {
  return each.path !== undefined && each.path !== '';
}

async function identityOf(each: WithPath, sysfs: string): Promise<HidIdentity> {
  return {
    path: each.path,
    vendorId: each.vendorId,
    productId: each.productId,
    serialNumber: given(each.serialNumber),
    interfaceNumber: each.interface >= 0 ? each.interface : undefined,
    usbPort: usbPortIn(each.path) ?? (await usbPortAt(each.path, sysfs)),
    usagePage: each.usagePage,
    usage: each.usage,
    product: given(each.product),
    manufacturer: given(each.manufacturer),
  };
}

/** Devices without a serial number are listed with an empty one. */
function given(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}

/** libusb's paths are the port itself: `1-2.3:1.0` is configuration 1, interface 0 on port 1-2.3. */
function usbPortIn(path: string): string | undefined {
  return /^(\d+-\d+(?:\.\d+)*):\d+\.\d+$/.exec(path)?.[1];
}

/** The USB interface is one of the folders a hidraw device lies in: …/usb1/1-2/1-2.3/1-2.3:1.0/0003:…/hidraw/hidraw3. */
async function usbPortAt(path: string, sysfs: string): Promise<string | undefined> {
  const folder = folderOf(path, sysfs);
  if (folder === undefined) return undefined;
  try {
    const parts = (await realpath(folder)).split('/').toReversed();
    for (const part of parts) {
      const port = usbPortIn(part);
      if (port !== undefined) return port;
    }
    return undefined;
  } catch {
    return undefined; // gone since it was listed
  }
}

function folderOf(path: string, sysfs: string): string | undefined {
  const name = basename(path);
  return /^hidraw\d+$/.test(name) ? join(sysfs, 'class', 'hidraw', name, 'device') : undefined;
}
