// Goal: node-hid itself finds, opens and reads scanners of every layout, through our transport and driver.
// Method: umockdev gives a child process /dev/hidraw nodes, their sysfs and their ioctls.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { MockHid } from '../../support/umockdev.ts';
import { umockdevMissing, underUmockdev } from '../../support/umockdev.ts';
import { honeywellDescriptor, newlandDescriptor, simpleDescriptor } from '../hid/descriptors.ts';
import { text } from '../hex.ts';
import { sent } from '../protocol/hid-pos/reports.ts';

const long = 'https://kunde.example/k/'.padEnd(100, '0123456789');

const attached: readonly MockHid[] = [
  {
    hidraw: 0,
    vendorId: 0x0c2e,
    productId: 0x0b87,
    serialNumber: 'H1',
    usbPort: '1-2',
    product: 'Voyager',
    descriptor: honeywellDescriptor,
    reports: sent.honeywell(text(long), { aim: ']Q1', codeId: 's' }),
  },
  {
    hidraw: 1,
    vendorId: 0x1eab,
    productId: 0x0003,
    serialNumber: 'N1',
    usbPort: '1-3',
    product: 'Newland',
    descriptor: newlandDescriptor,
    reports: sent.newland(text('4006381333931')),
  },
  {
    hidraw: 2,
    vendorId: 0x05e0,
    productId: 0x1701,
    serialNumber: 'S1',
    usbPort: '1-4.1',
    product: 'Simple',
    descriptor: simpleDescriptor,
    reports: sent.simple(text('4006381333931'), { aim: ']E0' }),
  },
];

test('scanners of every layout are listed, opened and read, and the program ends with one still open', async (context) => {
  const missing = await umockdevMissing();
  if (missing !== undefined) context.skip(missing);
  const program = fileURLToPath(new URL('hid-umockdev-child.ts', import.meta.url));
  const lines = (await underUmockdev(attached, program)).trimEnd().split('\n');
  const [listed, ...scans] = lines.map((line): unknown => JSON.parse(line));
  expect(listed).toHaveLength(attached.length);
  for (const { hidraw, vendorId, productId, serialNumber, usbPort, product } of attached) {
    expect(listed).toContainEqual({
      path: `/dev/hidraw${hidraw}`,
      vendorId,
      productId,
      serialNumber,
      usbPort,
      product,
      manufacturer: 'Maker',
      interfaceNumber: 0,
      usagePage: 0x8c,
      usage: 2,
    });
  }
  expect(scans).toHaveLength(3);
  expect(scans).toEqual(
    expect.arrayContaining([
      { symbology: 'qr', payload: long },
      { symbology: 'unknown', payload: '4006381333931' },
      { symbology: 'ean-13', payload: '4006381333931' },
    ]),
  );
});
