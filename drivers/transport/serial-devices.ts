import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StammkundeError } from '../../foundation/errors.ts';
import type { DeviceMatch } from '../device-match.ts';
import { matchesDevice } from '../device-match.ts';

/** What an attached serial port says of itself. */
export interface SerialIdentity {
  /** Where it is now, such as `/dev/ttyACM0`. It moves when other devices are plugged in first: never kept. */
  readonly path: string;
  /** The link udev made for it, `/dev/serial/by-id/…`; undefined where there is no udev. */
  readonly byId: string | undefined;
  /** Undefined, like all that follows, for what is no USB device: a built-in RS-232 port. */
  readonly vendorId: number | undefined;
  readonly productId: number | undefined;
  readonly serialNumber: string | undefined;
  readonly interfaceNumber: number | undefined;
  /** USB port it hangs on, such as `1-2.3`. */
  readonly usbPort: string | undefined;
  readonly product: string | undefined;
}

export interface SerialDevicesOptions {
  /** Instead of `/sys`. */
  readonly sysfs?: string;
  /** Instead of `/dev`. */
  readonly dev?: string;
}

/**
 * The serial ports of this machine, as the kernel tells in sysfs: USB ones (CDC-ACM, FTDI, CP210x, …) and built-in ones
 * that have a chip behind them. Needs neither udev nor its database; empty where there is no sysfs.
 */
export async function listSerial(options: SerialDevicesOptions = {}): Promise<SerialIdentity[]> {
  const sysfs = options.sysfs ?? '/sys';
  const dev = options.dev ?? '/dev';
  const byId = await linksById(dev);
  const names = await entriesOf(join(sysfs, 'class', 'tty'));
  const identities = await Promise.all(names.map((name) => identityOf(name, sysfs, dev, byId)));
  return identities
    .filter((identity) => identity !== undefined)
    .toSorted((a, b) => a.path.localeCompare(b.path, 'en', { numeric: true }));
}

/**
 * Where the one device is that is meant, now.
 * @throws StammkundeError DRV_PORT_ABSENT when none is attached, DRV_AMBIGUOUS when several fit
 */
export async function findSerial(match: DeviceMatch, options: SerialDevicesOptions = {}): Promise<string> {
  const fitting = (await listSerial(options)).filter((identity) => matchesDevice(match, identity));
  const [only, ...others] = fitting;
  if (only === undefined)
    throw new StammkundeError('DRV_PORT_ABSENT', `no serial port of ${nameOf(match)} is attached`);
  if (others.length > 0) {
    throw new StammkundeError(
      'DRV_AMBIGUOUS',
      `${fitting.length} serial ports are of ${nameOf(match)}: ${fitting.map(shown).join(', ')}`,
    );
  }
  return only.path;
}

async function identityOf(
  name: string,
  sysfs: string,
  dev: string,
  byId: ReadonlyMap<string, string>,
): Promise<SerialIdentity | undefined> {
  const folder = await resolved(join(sysfs, 'class', 'tty', name, 'device'));
  // Consoles and pseudo-terminals have no device behind them.
  if (folder === undefined) return undefined;
  const path = join(dev, name);
  const found = usbInterfaceOf(folder);
  if (found === undefined) {
    if (!(await isRealUart(join(sysfs, 'class', 'tty', name)))) return undefined;
    return {
      path,
      byId: byId.get(name),
      vendorId: undefined,
      productId: undefined,
      serialNumber: undefined,
      interfaceNumber: undefined,
      usbPort: undefined,
      product: undefined,
    };
  }
  const device = dirname(found.folder);
  const [vendorId, productId, interfaceNumber, serialNumber, product] = await Promise.all([
    hexIn(join(device, 'idVendor')),
    hexIn(join(device, 'idProduct')),
    hexIn(join(found.folder, 'bInterfaceNumber')),
    textIn(join(device, 'serial')),
    textIn(join(device, 'product')),
  ]);
  return {
    path,
    byId: byId.get(name),
    vendorId,
    productId,
    serialNumber,
    interfaceNumber,
    usbPort: found.port,
    product,
  };
}

/** The nearest folder above that is a USB interface: `…/1-2/1-2.3/1-2.3:1.0[/ttyUSB0]`. */
function usbInterfaceOf(folder: string): { readonly folder: string; readonly port: string } | undefined {
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    const port = /^(\d+-\d+(?:\.\d+)*):\d+\.\d+$/.exec(basename(at))?.[1];
    if (port !== undefined) return { folder: at, port };
  }
  return undefined;
}

/** The 8250 driver makes ports for chips that are not there; their type is 0 (PORT_UNKNOWN). */
async function isRealUart(tty: string): Promise<boolean> {
  const type = await textIn(join(tty, 'type'));
  return type !== undefined && type !== '0';
}

/** Device names to the links that lead to them. */
async function linksById(dev: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(dev, 'serial', 'by-id');
  const links = new Map<string, string>();
  for (const name of await entriesOf(folder)) {
    const path = join(folder, name);
    try {
      links.set(basename(await readlink(path)), path);
    } catch {
      continue; // no link, or gone since
    }
  }
  return links;
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch {
    return [];
  }
}

async function resolved(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch {
    return undefined;
  }
}

async function textIn(path: string): Promise<string | undefined> {
  try {
    const text = (await readFile(path, 'utf8')).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined; // the device has none, or is gone
  }
}

async function hexIn(path: string): Promise<number | undefined> {
  const text = await textIn(path);
  return text !== undefined && /^[0-9a-f]{1,4}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
}

function nameOf({ vendorId, productId, serialNumber, interface: number, usbPort }: DeviceMatch): string {
  const further = [
    serialNumber === undefined ? '' : ` serial number ${serialNumber}`,
    number === undefined ? '' : ` interface ${number}`,
    usbPort === undefined ? '' : ` port ${usbPort}`,
  ].join('');
  return `${hex4(vendorId)}:${hex4(productId)}${further}`;
}

function shown({ path, serialNumber, interfaceNumber, usbPort }: SerialIdentity): string {
  return `${path} (serial number ${serialNumber ?? 'none'}, interface ${interfaceNumber ?? 'unknown'}, port ${usbPort ?? 'unknown'})`;
}

function hex4(id: number): string {
  return id.toString(16).padStart(4, '0');
}
