import { constants } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttachedReader, Spoken } from './attached-reader.ts';
import { makerOf, spokenOverHid } from './attached-reader.ts';
import { listHid, SYSFS } from './transport/hid-list.ts';
import type { HidIdentity } from './transport/hid-device.ts';
import { listSerial } from './transport/serial-devices.ts';
import { usbNodeAt } from './transport/usb-node.ts';
import type { SerialIdentity } from './transport/serial-devices.ts';

/** What is attached to this machine and may be a reader, and what of it this account may not open. */
export interface Attached {
  readonly readers: readonly AttachedReader[];
  readonly denied: ReadonlySet<string>;
}

/**
 * Looks at everything that is attached: HID interfaces, serial ports, and USB devices of readers' makers that the
 * operating system made neither of.
 * @throws StammkundeError DRV_LIBRARY when the HID library cannot be loaded
 */
export async function listAttachedReaders(sysfs: string = SYSFS): Promise<Attached> {
  const [hid, serial, usb] = await Promise.all([listHid({ sysfs }), listSerial({ sysfs }), listUsb(sysfs)]);
  const found = [...byPath(hid).map(fromHid), ...serial.map(fromSerial)];
  const seen = new Set(found.map(({ usbPort }) => usbPort));
  const undriven = usb.filter(
    ({ vendorId, usbPort }) => makerOf(vendorId) !== undefined && !seen.has(usbPort),
  );
  const readers = await Promise.all([...found, ...undriven].map((reader) => withUsbNode(reader, sysfs)));
  return { readers, denied: await deniedOf(readers) };
}

async function withUsbNode(reader: AttachedReader, sysfs: string): Promise<AttachedReader> {
  if (reader.usbPort === undefined) return reader;
  try {
    return { ...reader, usbNode: await usbNodeAt(reader.usbPort, sysfs) };
  } catch {
    return reader; // gone since it was listed, or not told here
  }
}

/** One entry for each interface: of several top-level collections the one that tells most. */
function byPath(listed: readonly HidIdentity[]): readonly HidIdentity[] {
  const best = new Map<string, HidIdentity>();
  for (const each of listed) {
    const before = best.get(each.path);
    if (before === undefined || rank(spokenOverHid(each)) < rank(spokenOverHid(before)))
      best.set(each.path, each);
  }
  return [...best.values()];
}

function rank(spoken: Spoken): number {
  return ['reader', 'keyboard', 'vendor-mode', 'other'].indexOf(spoken.kind);
}

function fromHid(each: HidIdentity): AttachedReader {
  const { path, vendorId, productId, serialNumber, interfaceNumber, usbPort } = each;
  return {
    path,
    name: nameOf([each.manufacturer, each.product], vendorId),
    vendorId,
    productId,
    serialNumber,
    interfaceNumber,
    usbPort,
    speaks: spokenOverHid(each),
  };
}

function fromSerial(each: SerialIdentity): AttachedReader {
  const { path, byId: lastingPath, vendorId, productId, serialNumber, interfaceNumber, usbPort } = each;
  const name = vendorId === undefined ? 'Serial port' : nameOf([each.product], vendorId);
  const speaks: Spoken = { kind: 'reader', as: 'serial' };
  return { path, lastingPath, name, vendorId, productId, serialNumber, interfaceNumber, usbPort, speaks };
}

function nameOf(parts: readonly (string | undefined)[], vendorId: number | undefined): string {
  const told = parts.filter((part) => part !== undefined && part !== '').join(' ');
  return told === '' ? (makerOf(vendorId) ?? 'USB device') : told;
}

/** The USB devices themselves; hubs' and interfaces' folders hold a colon or no vendor. */
async function listUsb(sysfs: string): Promise<readonly AttachedReader[]> {
  const folder = join(sysfs, 'bus', 'usb', 'devices');
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch {
    return []; // no USB here, or no sysfs
  }
  const ports = names.filter((name) => /^\d+-[\d.]+$/.test(name));
  return Promise.all(
    ports.map(async (usbPort): Promise<AttachedReader> => {
      const read = async (file: string): Promise<string | undefined> => {
        try {
          return (await readFile(join(folder, usbPort, file), 'utf8')).trim();
        } catch {
          return undefined; // not told by this device
        }
      };
      const [vendor, product, serialNumber, maker, name] = await Promise.all(
        ['idVendor', 'idProduct', 'serial', 'manufacturer', 'product'].map(read),
      );
      const vendorId = hex(vendor);
      return {
        path: undefined,
        name: nameOf([maker, name], vendorId),
        vendorId,
        productId: hex(product),
        serialNumber,
        interfaceNumber: undefined,
        usbPort,
        speaks: { kind: 'vendor-mode' },
      };
    }),
  );
}

function hex(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9a-f]{1,4}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
}

async function deniedOf(readers: readonly AttachedReader[]): Promise<ReadonlySet<string>> {
  const denied = new Set<string>();
  await Promise.all(
    readers
      .flatMap(({ path, usbNode }) => [path, usbNode])
      .map(async (path) => {
        if (path === undefined) return;
        try {
          await access(path, constants.R_OK | constants.W_OK);
        } catch (error) {
          if (error instanceof Error && 'code' in error && error.code === 'EACCES') denied.add(path);
        }
      }),
  );
  return denied;
}
