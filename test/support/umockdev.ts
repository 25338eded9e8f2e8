import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A HID interface that a program started by {@link underUmockdev} finds attached. */
export interface MockHid {
  /** Its number: `/dev/hidraw<number>`. */
  readonly hidraw: number;
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string;
  /** Such as `1-2.3`. */
  readonly usbPort: string;
  readonly product: string;
  readonly descriptor: Uint8Array;
  /** Each is sent once the program has written {@link ASK}, so that no two run into one. */
  readonly reports: readonly Uint8Array[];
}

/** The output report a mocked device answers with its next input report. */
export const ASK = Uint8Array.of(0x04, 0x01);

/** Why there is no umockdev here; undefined when there is. */
export async function umockdevMissing(): Promise<string | undefined> {
  try {
    await run('umockdev-run', ['--version']);
    return undefined;
  } catch {
    return 'umockdev-run is not installed (Debian: apt-get install umockdev)';
  }
}

/**
 * Runs a TypeScript program for which the given devices are attached: sysfs, device nodes and what hidraw answers.
 * @returns what it printed
 * @throws when it does not end with exit code 0
 */
export async function underUmockdev(devices: readonly MockHid[], program: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'umockdev-'));
  try {
    const arguments_: string[] = [];
    for (const device of devices) {
      const file = (kind: string): string => join(folder, `hidraw${device.hidraw}.${kind}`);
      await writeFile(file('umockdev'), sysfsOf(device));
      await writeFile(file('ioctl'), ioctlsOf(device));
      await writeFile(file('script'), scriptOf(device), 'latin1');
      const node = `/dev/hidraw${device.hidraw}`;
      arguments_.push(
        '-d',
        file('umockdev'),
        '-i',
        `${node}=${file('ioctl')}`,
        '-s',
        `${node}=${file('script')}`,
      );
    }
    const { stdout } = await run('umockdev-run', [...arguments_, '--', process.execPath, program]);
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** umockdev's device format: a path, its udev properties (E), attributes as text (A) or hexadecimal (H), links (L). */
function sysfsOf(device: MockHid): string {
  const { hidraw, vendorId, productId, serialNumber, usbPort, product, descriptor } = device;
  const usb = `/devices/pci0000:00/0000:00:14.0/usb1/${usbPort}`;
  const name = `0003:${hexOf(vendorId)}:${hexOf(productId)}.${hexOf(hidraw + 1)}`.toUpperCase();
  const hid = `${usb}/${usbPort}:1.0/${name}`;
  return `P: ${usb}
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
A: idVendor=${hexOf(vendorId)}\\n
A: idProduct=${hexOf(productId)}\\n
A: serial=${serialNumber}\\n
A: product=${product}\\n
A: manufacturer=Maker\\n
A: bcdDevice=0100\\n

P: ${usb}/${usbPort}:1.0
E: SUBSYSTEM=usb
E: DEVTYPE=usb_interface
A: bInterfaceNumber=00\\n

P: ${hid}
E: SUBSYSTEM=hid
E: HID_ID=0003:0000${hexOf(vendorId).toUpperCase()}:0000${hexOf(productId).toUpperCase()}
E: HID_NAME=${product}
E: HID_UNIQ=${serialNumber}
H: report_descriptor=${Buffer.from(descriptor).toString('hex').toUpperCase()}

P: ${hid}/hidraw/hidraw${hidraw}
N: hidraw${hidraw}
E: SUBSYSTEM=hidraw
E: DEVNAME=/dev/hidraw${hidraw}
E: MAJOR=244
E: MINOR=${hidraw}
A: dev=244:${hidraw}\\n
L: device=../../../${name}

`;
}

/** What the ioctls hidapi asks on opening answer (linux/hidraw.h), as memory of a little-endian machine. */
function ioctlsOf({ hidraw, vendorId, productId, descriptor }: MockHid): string {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(descriptor.length);
  const whole = Buffer.alloc(4 + 4096);
  whole.set(size);
  whole.set(descriptor, 4);
  const info = Buffer.alloc(8);
  info.writeUInt32LE(3); // BUS_USB
  info.writeUInt16LE(vendorId, 4);
  info.writeUInt16LE(productId, 6);
  const line = (name: string, bytes: Buffer): string => `${name} 0 ${bytes.toString('hex').toUpperCase()}\n`;
  return (
    `@DEV /dev/hidraw${hidraw}\n` +
    line('HIDIOCGRDESCSIZE', size) +
    line('HIDIOCGRDESC', whole) +
    line('HIDIOCGRAWINFO', info)
  );
}

/** umockdev's script format: `w` waits for the program to write, `r` gives it something to read. */
function scriptOf({ reports }: MockHid): string {
  return reports.map((report) => `w 0 ${escaped(ASK)}\nr 0 ${escaped(report)}\n`).join('');
}

/** Bytes up to 32 are `^` and the byte + 64, `^` itself is "^`". */
function escaped(bytes: Uint8Array): string {
  return [...bytes]
    .map((byte) =>
      byte <= 32 ? `^${String.fromCharCode(byte + 64)}` : byte === 0x5e ? '^`' : String.fromCharCode(byte),
    )
    .join('');
}

function hexOf(value: number): string {
  return value.toString(16).padStart(4, '0');
}
