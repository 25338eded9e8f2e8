// Goal: a scanner that types like a keyboard on the till: what it typed arrives as scans, with its layout and its time.
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { KeyboardWedgeConfig } from '../../../../drivers/protocol/keyboard-wedge/config.ts';
import { keyboardWedgeDriver } from '../../../../drivers/protocol/keyboard-wedge/driver.ts';
import { ReaderConfig } from '../../../../drivers/registry.ts';
import type { HidPorts } from '../../../../drivers/transport/hid-device.ts';
import { MemoryHidDevice } from '../../../../drivers/transport/memory-hid.ts';
import type { LayoutName } from '../../../../drivers/keyboard/layout.ts';
import { typed } from '../../../../simulator/readers/keyboard-typist.ts';
import { settle } from '../../../support/manual-clock.ts';
import { keyboardDescriptor, simpleDescriptor } from '../../hid/descriptors.ts';
import type { HidTill } from '../../hid-till.ts';
import { openHidTill, shownScans } from '../../hid-till.ts';
import { hex } from '../../hex.ts';

const GS = '\u001d';
const wedge = {
  kind: 'keyboard-wedge',
  id: 'counter',
  device: { vendorId: '0c2e', productId: '0b81' },
} as const;

function config(more: Record<string, unknown> = {}): KeyboardWedgeConfig {
  return KeyboardWedgeConfig.parse({ ...wedge, ...more });
}

/** Open, and past the time in which keys belong to a scan that had begun before. */
async function till(device: MemoryHidDevice, more: Record<string, unknown> = {}): Promise<HidTill> {
  const opened = await openHidTill(keyboardWedgeDriver(config(more), device.open));
  await opened.clock.advance(100);
  return opened;
}

function type(device: MemoryHidDevice, text: string, layout: LayoutName = 'us', more: object = {}): void {
  for (const report of typed(text, { layout, ...more })) device.send(report);
}

describe('scans', () => {
  test('carry symbology, data, layout and time', async () => {
    const device = new MemoryHidDevice({}, keyboardDescriptor);
    const { clock, scans, frames } = await till(device, { layout: 'de' });
    const receivedAt = clock.now();
    type(device, ']E04006381333931', 'de');
    expect(scans[0]).toMatchObject({
      readerId: 'counter',
      layout: 'de',
      receivedAt,
      receivedAtMonotonicMs: 100,
    });
    expect(shownScans(scans)).toEqual([['ean-13', ']E0', '4006381333931']]);
    expect(frames()).toBe(1);
  });

  test('without AIM identifier are what is configured, and all is data where there are none', async () => {
    const device = new MemoryHidDevice();
    const { scans } = await till(device, { symbology: 'code-128', aim: 'none' });
    type(device, ']E0123');
    expect(shownScans(scans)).toEqual([['code-128', undefined, ']E0123']]);
  });

  test('keep GS, however the scanner types it', async () => {
    const device = new MemoryHidDevice();
    const { scans } = await till(device, { gsKey: 'f8', gsSubstitute: '{GS}' });
    for (const controls of ['ctrl', 'alt', 'f8'] as const)
      type(device, `]C110ABC${GS}21X`, 'us', { controls });
    type(device, ']C110ABC{GS}21X');
    const scan = ['gs1-128', ']C1', `10ABC${GS}21X`];
    expect(shownScans(scans)).toEqual([scan, scan, scan, scan]);
  });

  test('lose prefix and suffix where they are found', async () => {
    const device = new MemoryHidDevice();
    const { scans } = await till(device, { prefix: '~P', suffix: '#é' });
    for (const text of ['~P]E04006381333931#é', '4006381333931', '~P12', '12#é', '~P#é']) type(device, text);
    expect(shownScans(scans).map((scan) => (Array.isArray(scan) ? String(scan[2]) : ''))).toEqual([
      '4006381333931',
      '4006381333931',
      '12',
      '12',
    ]);
  });

  test('are none for replies of the scanner, nor for an identifier alone', async () => {
    const device = new MemoryHidDevice();
    const { scans, frames } = await till(device);
    for (const text of [']Z6REVINF.', ']E0']) type(device, text);
    expect([scans.length, frames()]).toEqual([0, 2]);
  });

  test('read with the wrong layout are handed on as they were read', async () => {
    const device = new MemoryHidDevice();
    const { scans } = await till(device);
    type(device, 'https://id', 'de');
    expect(shownScans(scans)).toEqual([['unknown', undefined, 'https>&&id']]);
  });

  test('a magnetic stripe among them is text as any other', async () => {
    const device = new MemoryHidDevice();
    const { scans } = await till(device, { layout: 'de', symbology: 'magstripe' });
    type(device, ';9276001234567890=?', 'de');
    expect(shownScans(scans)).toEqual([['magstripe', undefined, ';9276001234567890=?']]);
  });
});

describe('ends', () => {
  test('a pause ends a scan of a scanner that types no terminator', async () => {
    const device = new MemoryHidDevice();
    const { clock, scans } = await till(device, { terminators: [], idleGapMs: 100 });
    type(device, '40063', 'us', { suffix: 'none' });
    await clock.advance(99);
    type(device, '81333931', 'us', { suffix: 'none' });
    await clock.advance(99);
    expect(scans).toHaveLength(0);
    await clock.advance(1);
    expect(shownScans(scans)).toEqual([['unknown', undefined, '4006381333931']]);
    expect(scans[0]?.receivedAtMonotonicMs).toBe(199);
  });

  test('a pause is none where the process stood still and reports were waiting', async () => {
    const device = new MemoryHidDevice();
    const { clock, scans } = await till(device, { terminators: [], idleGapMs: 100 });
    type(device, '40063', 'us', { suffix: 'none' });
    // The clock fires first what is due; the reports come before it gets another turn.
    clock.schedule(100, () => type(device, '81333931', 'us', { suffix: 'none' }));
    await clock.advance(250);
    expect(shownScans(scans)).toEqual([['unknown', undefined, '4006381333931']]);
  });

  test('what stays unfinished is counted and no part of the next scan', async () => {
    const device = new MemoryHidDevice();
    const { clock, scans, noise } = await till(device);
    type(device, '4711', 'us', { suffix: 'none' });
    await clock.advance(2000);
    expect(noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 4 }]);
    type(device, '4006381333931');
    expect(shownScans(scans)).toEqual([['unknown', undefined, '4006381333931']]);
  });

  test('CapsLock the scanner left on is off after the pause', async () => {
    const device = new MemoryHidDevice();
    const { clock, scans } = await till(device);
    device.send(hex('00 00 39 00 00 00 00 00'));
    type(device, 'a');
    await clock.advance(2000);
    type(device, 'a');
    expect(shownScans(scans)).toEqual([
      ['unknown', undefined, 'A'],
      ['unknown', undefined, 'a'],
    ]);
  });
});

describe('opening', () => {
  test('in the middle of a scan leaves that scan out, and takes the next', async () => {
    const device = new MemoryHidDevice();
    const { clock, scans, noise } = await openHidTill(keyboardWedgeDriver(config(), device.open));
    await clock.advance(99);
    type(device, '3931');
    expect(scans).toHaveLength(0);
    expect(noise.every(({ reason }) => reason === 'unframed')).toBe(true);
    await clock.advance(99);
    type(device, '3931');
    await clock.advance(100);
    type(device, '4006381333931');
    expect(shownScans(scans)).toEqual([['unknown', undefined, '4006381333931']]);
  });

  test('leaves out what is typed before the device is open', async () => {
    const device = new MemoryHidDevice();
    const early = keyboardWedgeDriver(config(), async (ports) => {
      for (const report of typed('3931', { layout: 'us' })) ports.onReport(report, ports.clock.monotonicMs());
      return device.open(ports);
    });
    const { scans, noise } = await openHidTill(early);
    expect(scans).toHaveLength(0);
    expect(noise).not.toHaveLength(0);
  });

  test('takes boot reports from a device whose descriptor tells of no keys, or nothing at all', async () => {
    for (const descriptor of [simpleDescriptor, hex('ff ff'), undefined]) {
      const device = new MemoryHidDevice({}, descriptor);
      const { scans } = await till(device);
      type(device, '42');
      expect(shownScans(scans)).toEqual([['unknown', undefined, '42']]);
    }
  });

  test('that fails leaves nothing behind', async () => {
    const device = new MemoryHidDevice();
    device.failNext('DRV_PORT_DENIED');
    await expect(openHidTill(keyboardWedgeDriver(config(), device.open))).rejects.toMatchObject({
      code: 'DRV_PORT_DENIED',
    });
    expect(device.isOpen).toBe(false);
  });

  test('of a device that is not attached says so, shared and exclusive', async () => {
    for (const exclusive of [false, true]) {
      const driver = keyboardWedgeDriver(
        config({ device: { vendorId: 'fff0', productId: 'fff1' }, exclusive }),
      );
      await expect(openHidTill(driver)).rejects.toMatchObject({ code: 'DRV_PORT_ABSENT' });
    }
  });
});

describe('an end in the middle of a scan', () => {
  test('by unplugging is told once, and half a code is no scan', async () => {
    const device = new MemoryHidDevice();
    const { clock, scans, lost } = await till(device, { idleGapMs: 50 });
    type(device, '40063', 'us', { suffix: 'none' });
    device.unplug();
    await clock.advance(5000);
    expect(scans).toHaveLength(0);
    expect(lost.map(({ code }) => code)).toEqual(['DRV_PORT_LOST']);
    expect(clock.pending).toBe(0);
  });

  test('by closing leaves no timer, and nothing is said afterwards, though the device goes on', async () => {
    const device = new MemoryHidDevice();
    const given: HidPorts[] = [];
    const opened = await openHidTill(
      keyboardWedgeDriver(config(), (ports) => {
        given.push(ports);
        return device.open(ports);
      }),
    );
    const { clock, driver, scans, noise } = opened;
    await clock.advance(100);
    type(device, '40063', 'us', { suffix: 'none' });
    expect(clock.pending).toBe(1);
    await driver.close();
    expect(clock.pending).toBe(0);
    for (const report of typed('81333931', { layout: 'us' })) given[0]?.onReport(report, clock.monotonicMs());
    await settle();
    expect([scans.length, noise.length, clock.pending, device.isOpen]).toEqual([0, 0, 0, false]);
  });
});

describe('the configuration', () => {
  test('needs no more than which device it is', () => {
    expect(ReaderConfig.parse(wedge)).toMatchObject({
      layout: 'us',
      exclusive: false,
      terminators: ['enter', 'tab'],
      unfinishedMs: 2000,
      aim: 'auto',
      symbology: 'unknown',
      capsLock: 'toggles',
      encoding: 'utf-8',
    } satisfies Partial<z.output<typeof ReaderConfig>>);
  });

  test.each([
    [{ layout: 'dvorak' }, 'layout'],
    [{ terminators: [] }, 'terminators'],
    [{ gsKey: 'f13' }, 'gsKey'],
    [{ baudRate: 9600 }, ''],
  ])('refuses %j', (more, path) => {
    const { error } = ReaderConfig.safeParse({ ...wedge, ...more });
    expect(error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });
});
