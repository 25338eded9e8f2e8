// Goal: serial ports are told by what they are, from sysfs alone, laid out as Linux lays it out.
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DeviceMatch } from '../../../drivers/device-match.ts';
import { findSerial, listSerial } from '../../../drivers/transport/serial-devices.ts';
import { SysfsTree } from './sysfs-tree.ts';

const honeywell = {
  name: 'ttyACM0',
  driver: 'acm',
  usbPort: '1-2',
  interfaceNumber: 0,
  vendorId: '0c2e',
  productId: '090a',
  serial: '19152B0A4C',
  product: 'Xenon 1900',
} as const;
const ftdi = {
  name: 'ttyUSB0',
  driver: 'usb-serial',
  usbPort: '1-3.4',
  interfaceNumber: 0,
  vendorId: '0403',
  productId: '6001',
} as const;

let tree: SysfsTree;

beforeEach(async (context) => {
  if (process.platform === 'win32') context.skip('this platform has no sysfs');
  tree = await SysfsTree.make();
});

afterEach(() => tree.remove());

function match(options: Record<string, unknown>): DeviceMatch {
  return DeviceMatch.parse(options);
}

test('a USB port is listed with all it says of itself, a chip on the mainboard by its path', async () => {
  await tree.plug(honeywell);
  await tree.plug(ftdi);
  await tree.uart('ttyS0', 4);
  await tree.linkById('usb-Honeywell_Xenon_1900_19152B0A4C-if00', 'ttyACM0');
  const none = { serialNumber: undefined, product: undefined, byId: undefined };
  expect(await listSerial(tree)).toEqual([
    {
      path: join(tree.dev, 'ttyACM0'),
      byId: join(tree.dev, 'serial/by-id/usb-Honeywell_Xenon_1900_19152B0A4C-if00'),
      vendorId: 0x0c2e,
      productId: 0x090a,
      serialNumber: '19152B0A4C',
      interfaceNumber: 0,
      usbPort: '1-2',
      product: 'Xenon 1900',
    },
    {
      ...none,
      path: join(tree.dev, 'ttyS0'),
      vendorId: undefined,
      productId: undefined,
      interfaceNumber: undefined,
      usbPort: undefined,
    },
    {
      ...none,
      path: join(tree.dev, 'ttyUSB0'),
      vendorId: 0x0403,
      productId: 0x6001,
      interfaceNumber: 0,
      usbPort: '1-3.4',
    },
  ]);
});

test('consoles, and ports of chips that are not there, are not listed', async () => {
  await tree.uart('ttyS1', 0);
  expect(await listSerial(tree)).toEqual([]);
});

test('a machine without sysfs has nothing to tell, and no error', async () => {
  expect(await listSerial({ sysfs: join(tree.sysfs, 'none'), dev: join(tree.dev, 'none') })).toEqual([]);
});

test('this machine can be asked', async () => {
  for (const { path } of await listSerial()) expect(path).toMatch(/^\/dev\/tty/);
});

test('a device is found by vendor and product, wherever it is', async () => {
  await tree.plug({ ...honeywell, name: 'ttyACM3' });
  await tree.plug(ftdi);
  expect(await findSerial(match({ vendorId: '0C2E', productId: '090a' }), tree)).toBe(
    join(tree.dev, 'ttyACM3'),
  );
});

test('two equal ones are told apart by serial number, port or interface, and not by chance', async () => {
  const other = { ...honeywell, name: 'ttyACM1', usbPort: '1-4', serial: 'OTHER' };
  const second = { ...honeywell, name: 'ttyACM2', interfaceNumber: 2 };
  await tree.plug(honeywell);
  await tree.plug(other);
  await tree.plug(second);
  const ids = { vendorId: '0c2e', productId: '090a' };
  const ambiguous = await findSerial(match(ids), tree).catch((error: unknown) => error);
  expect(ambiguous).toMatchObject({ code: 'DRV_AMBIGUOUS' });
  expect(String(ambiguous)).toMatch(/ttyACM0.*19152B0A4C.*ttyACM1.*OTHER/);
  expect(await findSerial(match({ ...ids, serialNumber: 'OTHER' }), tree)).toMatch(/ttyACM1$/);
  expect(await findSerial(match({ ...ids, usbPort: '1-4' }), tree)).toMatch(/ttyACM1$/);
  expect(await findSerial(match({ ...ids, interface: 2 }), tree)).toMatch(/ttyACM2$/);
});

test('one that is not attached is absent', async () => {
  const absent = await findSerial(match({ vendorId: '0c2e', productId: '090a' }), tree).catch(
    (error: unknown) => error,
  );
  expect(absent).toMatchObject({ code: 'DRV_PORT_ABSENT' });
  expect(String(absent)).toContain('0c2e:090a');
});
