// A tree of files stands in for sysfs, with what the kernel writes into it.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { listAttachedReaders } from '../../drivers/attached-readers.ts';

function sysfsWith(
  files: Readonly<Record<string, string>>,
  links: Readonly<Record<string, string>> = {},
): string {
  const root = mkdtempSync(join(tmpdir(), 'stammkunde-sysfs-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${content}\n`);
  }
  for (const [path, to] of Object.entries(links)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(join(root, to), join(root, path));
  }
  return root;
}

const port = (name: string, vendor: string, product: string): Readonly<Record<string, string>> => ({
  [`bus/usb/devices/${name}/idVendor`]: vendor,
  [`bus/usb/devices/${name}/idProduct`]: product,
  [`bus/usb/devices/${name}/product`]: `product at ${name}`,
});

test('a scanner in its maker’s own mode is found, though the operating system made no device of it', async () => {
  const sysfs = sysfsWith({
    ...port('1-4', '05e0', '1900'),
    ...port('1-5', '046d', 'c31c'),
    'bus/usb/devices/1-0:1.0/bInterfaceClass': '09',
  });
  const { readers } = await listAttachedReaders(sysfs);
  expect(readers).toEqual([
    expect.objectContaining({
      path: undefined,
      name: 'product at 1-4',
      vendorId: 0x05e0,
      productId: 0x1900,
      usbPort: '1-4',
      speaks: { kind: 'vendor-mode' },
    }),
  ]);
});

test('one that has a serial port is told of once, with its port', async () => {
  const usb = 'devices/pci0000:00/usb1/1-4';
  const sysfs = sysfsWith(
    {
      ...port('1-4', '05f9', '4204'),
      [`${usb}/idVendor`]: '05f9',
      [`${usb}/idProduct`]: '4204',
      [`${usb}/1-4:1.0/bInterfaceNumber`]: '00',
      [`${usb}/1-4:1.0/tty/ttyACM0/dev`]: '166:0',
    },
    {
      'class/tty/ttyACM0': `${usb}/1-4:1.0/tty/ttyACM0`,
      [`${usb}/1-4:1.0/tty/ttyACM0/device`]: `${usb}/1-4:1.0`,
    },
  );
  const { readers } = await listAttachedReaders(sysfs);
  expect(readers).toEqual([
    expect.objectContaining({
      path: '/dev/ttyACM0',
      vendorId: 0x05f9,
      usbPort: '1-4',
      speaks: { kind: 'reader', as: 'serial' },
    }),
  ]);
});

test('the USB device itself is told, for it is what exclusive reading opens', async () => {
  const sysfs = sysfsWith({
    ...port('1-4', '05e0', '1900'),
    'bus/usb/devices/1-4/busnum': '1',
    'bus/usb/devices/1-4/devnum': '17',
  });
  const { readers } = await listAttachedReaders(sysfs);
  expect(readers.map(({ usbNode }) => usbNode)).toEqual(['/dev/bus/usb/001/017']);
});

test('a machine without sysfs has none', async () => {
  expect(await listAttachedReaders('/nowhere/at/all')).toEqual({ readers: [], denied: new Set() });
});
