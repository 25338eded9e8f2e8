// Goal: a scanner in IBM hand-held mode on the till.
import { expect, test } from 'vitest';
import { IbmHandHeldConfig } from '../../../../drivers/protocol/ibm-hand-held/config.ts';
import { ibmHandHeldDriver } from '../../../../drivers/protocol/ibm-hand-held/driver.ts';
import { MemoryHidDevice } from '../../../../drivers/transport/memory-hid.ts';
import { hex } from '../../hex.ts';
import type { HidTill } from '../../hid-till.ts';
import { openHidTill, shownScans } from '../../hid-till.ts';
import { captured } from './frames.ts';

async function till(device: MemoryHidDevice): Promise<HidTill> {
  const config = IbmHandHeldConfig.parse({
    kind: 'ibm-hand-held',
    id: 'counter',
    device: { vendorId: '05e0', productId: '1300' },
  });
  return openHidTill(ibmHandHeldDriver(config, device.open));
}

const ean = hex('12 10 03 00 33 35 37 34 36 36 31 34 30 34 32 36 34 16');

test('captured frames become scans, with their time', async () => {
  const device = new MemoryHidDevice();
  const { clock, scans, frames } = await till(device);
  await clock.advance(300);
  for (const [, , frame] of captured) device.send(frame);
  expect(shownScans(scans)).toEqual(captured.map(([symbology, payload]) => [symbology, undefined, payload]));
  expect(frames()).toBe(captured.length);
  expect(scans[0]?.receivedAtMonotonicMs).toBe(300);
});

test('a report id before the frame is stepped over where the device uses ids', async () => {
  const device = new MemoryHidDevice({}, hex('06 00 FF 09 01 A1 01 85 11 75 08 95 3F 09 02 81 02 C0'));
  const { clock, scans } = await till(device);
  await clock.advance(250);
  device.send(Uint8Array.of(0x11, ...ean));
  expect(shownScans(scans)).toEqual([['ean-13', undefined, '3574661404264']]);
});

test('what was left over from before opening, and what is no frame, is noise', async () => {
  const device = new MemoryHidDevice();
  const { clock, scans, noise } = await till(device);
  await clock.advance(249);
  device.send(ean);
  await clock.advance(1);
  device.send(hex('01 02 03'));
  device.send(hex(''));
  expect(scans).toEqual([]);
  expect(noise.map(({ bytes }) => bytes)).toEqual([18, 3]);
});

test('nothing is delivered after close or loss, and loss is told', async () => {
  const device = new MemoryHidDevice();
  const { clock, driver, scans, lost } = await till(device);
  await clock.advance(250);
  device.unplug();
  device.send(ean);
  await driver.close();
  expect(scans).toEqual([]);
  expect(lost.map(({ code }) => code)).toEqual(['DRV_PORT_LOST']);
  expect(device.isOpen).toBe(false);
});

test('a report that is under way while the reader is closed is not delivered', async () => {
  const device = new MemoryHidDevice();
  let late: (report: Uint8Array) => void = () => {};
  const config = IbmHandHeldConfig.parse({
    kind: 'ibm-hand-held',
    id: 'counter',
    device: { vendorId: '05e0', productId: '1300' },
  });
  const opened = await openHidTill(
    ibmHandHeldDriver(config, (ports) => {
      late = (report) => ports.onReport(report, ports.clock.monotonicMs());
      return device.open(ports);
    }),
  );
  await opened.clock.advance(250);
  const closing = opened.driver.close();
  late(ean);
  await closing;
  expect([opened.scans, opened.noise]).toEqual([[], []]);
});
