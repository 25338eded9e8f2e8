// Goal: a HID POS scanner on the till: its layout is found, it is told to send, its scans arrive with their time.
import { describe, expect, test } from 'vitest';
import { HidPosConfig } from '../../../../drivers/protocol/hid-pos/config.ts';
import { hidPosDriver } from '../../../../drivers/protocol/hid-pos/driver.ts';
import { ReaderSupervisor } from '../../../../drivers/supervisor.ts';
import { MemoryHidDevice } from '../../../../drivers/transport/memory-hid.ts';
import { silentLog } from '../../../../foundation/log.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import {
  honeywellDescriptor,
  keyboardDescriptor,
  newlandDescriptor,
  simpleDescriptor,
} from '../../hid/descriptors.ts';
import { asText, hex, text } from '../../hex.ts';
import type { HidTill } from '../../hid-till.ts';
import { openHidTill, shownScans } from '../../hid-till.ts';
import { revisionReply, sent } from './reports.ts';

const HONEYWELL = 0x0c2e;
const NEWLAND = 0x1eab;
const ZEBRA = 0x05e0;

function config(more: Record<string, unknown> = {}): HidPosConfig {
  return HidPosConfig.parse({
    kind: 'hid-pos',
    id: 'counter',
    device: { vendorId: '0c2e', productId: '0b87' },
    ...more,
  });
}

/** Open, and past the time in which reports are stale. */
async function till(device: MemoryHidDevice, more: Record<string, unknown> = {}): Promise<HidTill> {
  const opened = await openHidTill(hidPosDriver(config(more), device.open));
  await opened.clock.advance(250);
  return opened;
}

const ean = sent.honeywell(text('4006381333931'), { aim: ']E0', codeId: 'd' });
const long = sent.honeywell(text('a'.repeat(60)), { aim: ']Q1' });

describe('the layout', () => {
  test.each([
    ['as a Honeywell scanner describes it', honeywellDescriptor, ZEBRA, ean, 'ean-13'],
    [
      'as a Newland scanner describes it',
      newlandDescriptor,
      ZEBRA,
      sent.newland(text('4006381333931')),
      'unknown',
    ],
    [
      'as a simple scanner describes it',
      simpleDescriptor,
      ZEBRA,
      sent.simple(text('4006381333931'), { aim: ']E0' }),
      'ean-13',
    ],
    ['as known of Honeywell where nothing describes it', undefined, HONEYWELL, ean, 'ean-13'],
    [
      'as known of Newland where nothing describes it',
      undefined,
      NEWLAND,
      sent.newland(text('4006381333931')),
      'unknown',
    ],
    ['as known of the vendor where the description is damaged', hex('C0'), HONEYWELL, ean, 'ean-13'],
  ])('%s', async (_title, descriptor, vendorId, reports, symbology) => {
    const device = new MemoryHidDevice({ vendorId }, descriptor);
    const { scans } = await till(device);
    for (const report of reports) device.send(report);
    expect(scans.map((scan) => [scan.symbology, asText(scan.payload)])).toEqual([
      [symbology, '4006381333931'],
    ]);
  });

  test('can be insisted on', async () => {
    const device = new MemoryHidDevice({ vendorId: ZEBRA }, honeywellDescriptor);
    const { scans } = await till(device, { layout: 'newland', symbology: 'code-128' });
    for (const report of sent.newland(text('K-1'))) device.send(report);
    expect(shownScans(scans)).toEqual([['code-128', undefined, 'K-1']]);
  });

  test.each([
    ['that nobody knows is a fault with a code', undefined, 'DRV_HID_LAYOUT'],
    ['that is damaged, of an unknown vendor, too', hex('C0'), 'DRV_HID_LAYOUT'],
    ['of something else says so', keyboardDescriptor, 'DRV_HID_MODE'],
  ])('%s, and nothing stays open', async (_title, descriptor, code) => {
    const device = new MemoryHidDevice({ vendorId: ZEBRA }, descriptor);
    await expect(openHidTill(hidPosDriver(config(), device.open))).rejects.toMatchObject({ code });
    expect(device.isOpen).toBe(false);
  });
});

describe('a scanner is told to send', () => {
  test('when it is a Honeywell', async () => {
    const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
    await till(device);
    expect(device.features.map((report) => Buffer.from(report).toString('hex'))).toEqual(['fe01']);
    const undescribed = new MemoryHidDevice({ vendorId: 0x23d0 });
    await till(undescribed);
    expect(undescribed.features).toHaveLength(1);
  });

  test('never when it is another’s, or has no such report', async () => {
    const other = new MemoryHidDevice({ vendorId: ZEBRA }, honeywellDescriptor);
    await till(other);
    const without = new MemoryHidDevice({ vendorId: HONEYWELL }, newlandDescriptor);
    await till(without);
    expect([...other.features, ...without.features]).toEqual([]);
  });

  test('and read all the same when it refuses', async () => {
    const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
    device.refuse();
    const { scans } = await till(device);
    for (const report of ean) device.send(report);
    expect(scans).toHaveLength(1);
  });
});

test('reports of the first 250 ms are noise, later ones are scans', async () => {
  const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
  const { clock, scans, noise } = await openHidTill(hidPosDriver(config(), device.open));
  await clock.advance(249);
  for (const report of ean) device.send(report);
  expect([scans.length, noise]).toEqual([0, [{ kind: 'noise', reason: 'unframed', bytes: 13 }]]);
  await clock.advance(1);
  for (const report of ean) device.send(report);
  expect(scans).toHaveLength(1);
});

test('a report that arrives before the layout is known is noise', async () => {
  const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
  const { scans, noise } = await openHidTill(
    hidPosDriver(config(), async (ports) => {
      ports.onReport(ean[0] ?? new Uint8Array(), ports.clock.monotonicMs());
      return device.open(ports);
    }),
  );
  expect(scans).toEqual([]);
  expect(noise).toEqual([{ kind: 'noise', reason: 'unframed', bytes: 64 }]);
});

test('a scan carries the time its last report arrived', async () => {
  const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
  const { clock, scans } = await till(device);
  const start = clock.now();
  device.send(long[0] ?? new Uint8Array());
  await clock.advance(20);
  device.send(long[1] ?? new Uint8Array());
  expect(scans[0]?.receivedAtMonotonicMs).toBe(270);
  expect(scans[0]?.receivedAt).toBe(start + 20);
});

test('half a scan is given up after a second, and no timer stays behind', async () => {
  const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
  const { clock, noise } = await till(device);
  device.send(long[0] ?? new Uint8Array());
  await clock.advance(999);
  expect(noise).toEqual([]);
  await clock.advance(1);
  expect(noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 56 }]);
  expect(clock.pending).toBe(0);
});

test('replies to commands are counted as frames and are no scans', async () => {
  const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
  const { scans, frames } = await till(device);
  for (const report of revisionReply) device.send(report);
  expect([scans.length, frames()]).toEqual([0, 2]);
});

test('a reader closed from within a callback says nothing more', async () => {
  const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
  const clock = new ManualClock();
  const scans: string[] = [];
  const closing: Promise<void>[] = [];
  const driver = await hidPosDriver(
    config(),
    device.open,
  )({
    readerId: 'counter',
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    signal: new AbortController().signal,
    onFrame: () => {},
    onScan: (scan) => scans.push(asText(scan.payload)),
    onNoise: () => closing.push(driver.close()),
    onLost: () => {},
  });
  await clock.advance(250);
  device.send(long[0] ?? new Uint8Array());
  for (const report of ean) device.send(report); // noise and a scan in one
  await Promise.all(closing);
  expect([scans, closing.length, clock.pending]).toEqual([[], 1, 0]);
});

test('nothing is delivered after close, and closing twice is closing once', async () => {
  const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
  const { clock, driver, scans, noise } = await till(device);
  device.send(long[0] ?? new Uint8Array());
  await Promise.all([driver.close(), driver.close()]);
  device.send(long[1] ?? new Uint8Array());
  await settle();
  expect([scans, noise, device.isOpen, clock.pending]).toEqual([[], [], false, 0]);
});

test('half a scan at unplug never becomes part of one after it', async () => {
  const device = new MemoryHidDevice({ vendorId: HONEYWELL }, honeywellDescriptor);
  const clock = new ManualClock();
  const scans: string[] = [];
  const supervisor = await ReaderSupervisor.open({
    readers: [{ id: 'counter', driver: hidPosDriver(config(), device.open) }],
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    onScan: (scan) => scans.push(asText(scan.payload)),
  });
  await clock.advance(250);
  device.send(long[0] ?? new Uint8Array());
  device.unplug();
  device.plug();
  await clock.advance(500);
  expect(supervisor.statuses()[0]?.kind).toBe('ready');
  await clock.advance(250);
  device.send(long[1] ?? new Uint8Array());
  for (const report of ean) device.send(report);
  expect(scans).toEqual(['aaaa', '4006381333931']);
  await supervisor.close();
  expect([device.isOpen, clock.pending]).toEqual([false, 0]);
});

test('a device is configured by what it says of itself, in hexadecimal', () => {
  expect(config().device).toEqual({ vendorId: 0x0c2e, productId: 0x0b87 });
  expect(HidPosConfig.safeParse({ ...config(), device: { path: '/dev/hidraw0' } }).success).toBe(false);
});
