// Goal: bytes of a scanner become scans, on a device in memory and a clock that moves only when told.
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { Scan } from '../../drivers/driver.ts';
import type { OpenDriver } from '../../drivers/driver.ts';
import type { Noise } from '../../drivers/framing/frame.ts';
import { SerialScannerConfig } from '../../drivers/protocol/scanner/config.ts';
import { scannerDriver } from '../../drivers/protocol/scanner/driver.ts';
import { MemoryDevice } from '../../drivers/transport/memory.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { captured } from './captured-frames.ts';
import { asText, hex, text } from './hex.ts';

interface Till {
  readonly clock: ManualClock;
  readonly device: MemoryDevice;
  readonly driver: OpenDriver;
  readonly scans: Scan[];
  readonly noise: Noise[];
  readonly frames: () => number;
}

async function till(config: Record<string, unknown> = {}): Promise<Till> {
  const clock = new ManualClock();
  const device = new MemoryDevice();
  const scans: Scan[] = [];
  const noise: Noise[] = [];
  let frames = 0;
  const parsed = SerialScannerConfig.parse({ kind: 'serial', id: 'counter', path: '/dev/none', ...config });
  const driver = await scannerDriver(
    parsed,
    device.open,
  )({
    readerId: 'counter',
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    signal: new AbortController().signal,
    onFrame: () => (frames += 1),
    onScan: (scan) => scans.push(scan),
    onNoise: (piece) => noise.push(piece),
    onLost: () => {},
  });
  return { clock, device, driver, scans, noise, frames: () => frames };
}

function shown(scans: readonly Scan[]): unknown[] {
  return scans.map((scan) => [scan.symbology, scan.aim, asText(scan.payload)]);
}

test('captured scans come out with symbology, identifier and data', async () => {
  const { device, scans } = await till();
  device.send(captured.ean13WithAimCr);
  device.send(captured.gs1128WithGsCrLf);
  expect(shown(scans)).toEqual([
    ['ean-13', ']E0', '4006381333931'],
    ['gs1-128', ']C1', '010400638133393110ABC\x1d21XYZ'],
  ]);
});

test('a frame without identifier has the configured symbology', async () => {
  const framing = { kind: 'delimited', terminators: [], stxEtx: true };
  const { device, scans } = await till({ framing, symbology: 'ean-13' });
  device.send(captured.ean13StxEtx);
  expect(shown(scans)).toEqual([['ean-13', undefined, '4006381333931']]);
});

test('where identifiers are off, a leading ] is data', async () => {
  const { device, scans } = await till({ aim: 'none' });
  device.send(text(']E0K\r'));
  expect(shown(scans)).toEqual([['unknown', undefined, ']E0K']]);
});

test('the reply to a command is a frame and no scan', async () => {
  const { device, scans, frames } = await till();
  device.send(text(']Z6REVINF\x06.\r]E04006381333931\r'));
  expect(scans).toHaveLength(1);
  expect(frames()).toBe(2);
});

test('a scan carries the time its last byte arrived', async () => {
  const { clock, device, scans } = await till();
  const start = clock.now();
  await clock.advance(100);
  device.send(text('4006'));
  await clock.advance(20);
  device.send(text('381333931\r'));
  expect(scans[0]?.receivedAtMonotonicMs).toBe(120);
  expect(scans[0]?.receivedAt).toBe(start + 120);
});

test('a scanner without terminator is read after a pause, with the time of the last byte', async () => {
  const { clock, device, scans } = await till({
    framing: { kind: 'delimited', terminators: [], idleGapMs: 50 },
  });
  const start = clock.now();
  device.send(text('4006381'));
  await clock.advance(49);
  device.send(text('333931'));
  await clock.advance(49);
  expect(scans).toEqual([]);
  await clock.advance(1);
  expect(shown(scans)).toEqual([['unknown', undefined, '4006381333931']]);
  expect(scans[0]?.receivedAtMonotonicMs).toBe(49);
  expect(scans[0]?.receivedAt).toBe(start + 49);
  expect(clock.pending).toBe(0);
});

test('half a scan is given up after the configured time', async () => {
  const { clock, device, scans, noise } = await till();
  device.send(text('4006'));
  await clock.advance(5000);
  expect(noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 4 }]);
  device.send(text('K-1\r'));
  expect(shown(scans)).toEqual([['unknown', undefined, 'K-1']]);
});

test('the substitute for the GS1 separator is put back in GS1 codes and nowhere else', async () => {
  const { device, scans } = await till({ gsSubstitute: '{GS}' });
  device.send(text(']C110ABC{GS}21XYZ{GS}\r'));
  device.send(text(']C010ABC{GS}21XYZ\r'));
  expect(shown(scans)).toEqual([
    ['gs1-128', ']C1', '10ABC\x1d21XYZ\x1d'],
    ['code-128', ']C0', '10ABC{GS}21XYZ'],
  ]);
});

test('a substitute that is a single high byte is matched as that byte', async () => {
  const { device, scans } = await till({ gsSubstitute: '\u00e8' });
  device.send(hex('5D 43 31 31 30 41 E8 32 31 42 0D'));
  expect(shown(scans)).toEqual([['gs1-128', ']C1', '10A\x1d21B']]);
});

test('an identifier with nothing after it is no scan', async () => {
  const { device, scans } = await till();
  device.send(text(']E0\r'));
  expect(scans).toEqual([]);
});

test('nothing is delivered after close, and closing twice is closing once', async () => {
  const { clock, device, driver, scans } = await till();
  device.send(text('4006'));
  await Promise.all([driver.close(), driver.close()]);
  device.send(text('381333931\r'));
  await settle();
  expect(scans).toEqual([]);
  expect(device.isOpen).toBe(false);
  expect(clock.pending).toBe(0);
});

test('a scan shows its payload to nobody who did not ask for it', () => {
  const scan = new Scan({
    readerId: 'counter',
    symbology: 'magstripe',
    payload: text('5499990001006781'),
    receivedAtMonotonicMs: 1,
    receivedAt: 2,
  });
  const copied = Object.fromEntries(Object.entries(scan));
  const everything = [
    JSON.stringify({ scan }),
    JSON.stringify(copied),
    inspect(scan, { depth: 9, showHidden: true }),
    inspect(copied, { depth: 9, showHidden: true }),
    String(scan),
    `${Object.keys(scan).join()}`,
  ].join('\n');
  expect(everything).not.toMatch(/5499|payload["':,]|53, ?52/);
  expect(asText(scan.payload)).toBe('5499990001006781');
});
