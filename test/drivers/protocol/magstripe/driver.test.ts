// Goal: a swipe is at most one scan, of the loyalty track first and all others after it; an encrypted card is none.
import { describe, expect, test } from 'vitest';
import { silentLog } from '../../../../foundation/log.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import type { OpenDriver, ReaderPorts, Scan } from '../../../../drivers/driver.ts';
import type { Noise } from '../../../../drivers/framing/frame.ts';
import { MagstripeConfig } from '../../../../drivers/protocol/magstripe/config.ts';
import { magstripeDriver } from '../../../../drivers/protocol/magstripe/driver.ts';
import { SerialScannerConfig } from '../../../../drivers/protocol/scanner/config.ts';
import { scannerDriver } from '../../../../drivers/protocol/scanner/driver.ts';
import { driverFor, ReaderConfig } from '../../../../drivers/registry.ts';
import { MemoryHidDevice } from '../../../../drivers/transport/memory-hid.ts';
import { MemoryDevice } from '../../../../drivers/transport/memory.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { asText, text } from '../../hex.ts';
import type { Stripe } from './swipes.ts';
import { idTechFrame, idTechReport, magTekReport, swiped } from './swipes.ts';

interface Seen {
  readonly clock: ManualClock;
  readonly scans: Scan[];
  readonly noise: Noise[];
  readonly lost: unknown[];
  readonly frames: () => number;
}

function seen(): Seen & { ports: ReaderPorts } {
  const clock = new ManualClock();
  const scans: Scan[] = [];
  const noise: Noise[] = [];
  const lost: unknown[] = [];
  let frames = 0;
  const ports: ReaderPorts = {
    readerId: 'counter',
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    signal: new AbortController().signal,
    onFrame: () => (frames += 1),
    onScan: (scan) => scans.push(scan),
    onNoise: (piece) => noise.push(piece),
    onLost: (error) => lost.push([error, noise.length]),
  };
  return { clock, scans, noise, lost, frames: () => frames, ports };
}

const MAGTEK = 0x0801;
const ID_TECH = 0x0acd;
const config = { kind: 'magstripe', id: 'counter', device: { vendorId: '0801', productId: '0002' } };

async function hid(
  options: Record<string, unknown> = {},
  vendorId = MAGTEK,
): Promise<Seen & { device: MemoryHidDevice; driver: OpenDriver }> {
  const { ports, ...rest } = seen();
  const device = new MemoryHidDevice({ vendorId, productId: 2 });
  const driver = await magstripeDriver(MagstripeConfig.parse({ ...config, ...options }), device.open)(ports);
  await rest.clock.advance(250);
  return { ...rest, device, driver };
}

async function serial(options: Record<string, unknown> = {}): Promise<Seen & { device: MemoryDevice }> {
  const { ports, ...rest } = seen();
  const device = new MemoryDevice();
  const parsed = SerialScannerConfig.parse({
    kind: 'serial',
    id: 'counter',
    path: 'memory',
    symbology: 'magstripe',
    ...options,
  });
  await scannerDriver(parsed, device.open)(ports);
  return { ...rest, device };
}

function shown(scans: readonly Scan[]): string[] {
  return scans.map((scan) => `${scan.symbology} ${asText(scan.payload)}`);
}

test('a loyalty card swiped is one scan of its track', async () => {
  const { device, scans, frames, clock } = await hid();
  await clock.advance(100);
  device.send(magTekReport({ track2: ';9276001234567?' }));
  expect(shown(scans)).toEqual(['magstripe ;9276001234567?']);
  expect(scans[0]).toMatchObject({
    readerId: 'counter',
    receivedAtMonotonicMs: 350,
    receivedAt: clock.now(),
  });
  expect(frames()).toBe(1);
});

test('a bank card is handed over whole, so that whoever refuses it sees it on every track', async () => {
  const { device, scans } = await hid();
  const [track1 = '', track2 = ''] = asText(swiped.bankCard).split(/(?<=\?)/);
  device.send(magTekReport({ track1, track2, track3: ';4711?' }));
  expect(shown(scans)).toEqual([`magstripe ${track2}${track1}+4711?`]);
});

test('the wanted track comes first', async () => {
  const { device, scans } = await hid({ track: 3 });
  device.send(magTekReport({ track1: '%A?', track2: ';1?', track3: ';4711?' }));
  expect(shown(scans)).toEqual(['magstripe +4711?;1?%A?']);
});

test('an unreadable swipe is a scan that says so and nothing else', async () => {
  const { device, scans } = await hid();
  device.send(magTekReport({ failed: [1, 2, 3] }));
  expect(shown(scans)).toEqual(['magstripe ;E?%E?+E?']);
});

describe('an encrypted card is no scan, counted and forgotten', () => {
  test('of an ID TECH reader', async () => {
    const { device, scans, noise } = await hid({}, ID_TECH);
    device.send(Uint8Array.from([...swiped.idTechEnhanced, ...new Uint8Array(300)]));
    expect(scans).toEqual([]);
    expect(noise).toEqual([{ kind: 'noise', reason: 'encrypted', bytes: swiped.idTechEnhanced.length }]);
  });

  test('of a MagTek reader', async () => {
    const { device, scans, noise } = await hid();
    device.send(new Uint8Array(887));
    expect(scans).toEqual([]);
    expect(noise).toEqual([{ kind: 'noise', reason: 'encrypted', bytes: 887 }]);
  });
});

describe('an ID TECH reader', () => {
  test.each<[string, Uint8Array]>([
    ['binary output', Uint8Array.from([...idTechFrame({ track2: ';4711?' }), ...new Uint8Array(400)])],
    ['its own structure', idTechReport('%MUSTER?\r;4711?\r')],
    ['binary output within its own structure', idTechReport(asText(idTechFrame({ track2: ';4711?' })))],
    ['MagTek’s structure', magTekReport({ track2: ';4711?' })],
  ])('is understood in %s', async (_, report) => {
    const { device, scans, noise } = await hid({}, ID_TECH);
    device.send(report);
    expect(shown(scans)).toHaveLength(1);
    expect(shown(scans)[0]).toMatch(/^magstripe ;4711\?/);
    expect(noise).toEqual([]);
  });

  test('that sends a frame in reports of 64 bytes is one scan', async () => {
    const { device, scans } = await hid({}, ID_TECH);
    const frame = idTechFrame({ track1: `%${'A'.repeat(70)}?`, track2: ';4711?' });
    for (let at = 0; at < frame.length; at += 64) {
      const report = new Uint8Array(64);
      report.set(frame.subarray(at, at + 64));
      device.send(report);
    }
    expect(shown(scans)).toEqual([`magstripe ;4711?%${'A'.repeat(70)}?`]);
  });

  test('whose frame breaks off is noise after a second, and the next swipe is whole', async () => {
    const { device, scans, noise, clock } = await hid({}, ID_TECH);
    device.send(idTechFrame({ track2: ';4711?' }).subarray(0, 12));
    await clock.advance(1000);
    expect(noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 12 }]);
    device.send(idTechFrame({ track2: ';4712?' }));
    expect(shown(scans)).toEqual(['magstripe ;4712?']);
    expect(clock.pending).toBe(0);
  });

  test('pulled out in the middle of a frame: the half is noise before the loss is told', async () => {
    const { device, lost, noise, clock } = await hid({}, ID_TECH);
    device.send(idTechFrame({ track2: ';4711?' }).subarray(0, 12));
    device.unplug();
    expect(noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 12 }]);
    expect(lost).toMatchObject([[{ code: 'DRV_PORT_LOST' }, 1]]);
    expect(clock.pending).toBe(0);
  });
});

test('a card read on its way into an insert reader is not another one on its way out', async () => {
  const { device, scans } = await hid();
  device.send(magTekReport({ track2: ';4711?' }, 1));
  device.send(magTekReport({ track2: ';4711?' }, 0));
  expect(shown(scans)).toEqual(['magstripe ;4711?']);
  device.send(magTekReport({ failed: [2] }, 1));
  device.send(magTekReport({ track2: ';4712?' }, 0));
  expect(shown(scans).slice(1)).toEqual(['magstripe ;E?', 'magstripe ;4712?']);
});

test('a card swiped before the reader was opened is noise', async () => {
  const { ports, scans, noise, clock } = seen();
  const device = new MemoryHidDevice({ vendorId: MAGTEK });
  await magstripeDriver(MagstripeConfig.parse(config), device.open)(ports);
  await clock.advance(249);
  device.send(magTekReport({ track2: ';4711?' }));
  expect(scans).toEqual([]);
  expect(noise).toEqual([{ kind: 'noise', reason: 'unframed', bytes: 337 }]);
  await clock.advance(1);
  device.send(magTekReport({ track2: ';4711?' }));
  expect(scans).toHaveLength(1);
});

test('what the reader sent is overwritten once it is handed on', async () => {
  const { ports, scans, clock } = seen();
  let send: (report: Uint8Array) => void = () => {};
  await magstripeDriver(MagstripeConfig.parse(config), async (hidPorts) => {
    send = (report) => hidPorts.onReport(report, clock.monotonicMs());
    const device = new MemoryHidDevice({ vendorId: MAGTEK });
    return device.open(hidPorts);
  })(ports);
  await clock.advance(250);
  const report = magTekReport({ track2: ';5499990001006781?' });
  send(report);
  expect(shown(scans)).toEqual(['magstripe ;5499990001006781?']);
  expect(report).toEqual(new Uint8Array(337));
});

test('nothing is delivered after close', async () => {
  const { device, driver, scans, clock } = await hid();
  await Promise.all([driver.close(), driver.close()]);
  device.send(magTekReport({ track2: ';4711?' }));
  expect(scans).toEqual([]);
  expect(device.isOpen).toBe(false);
  expect(clock.pending).toBe(0);
});

test('the kind magstripe is a reader of the till', () => {
  const parsed = ReaderConfig.parse(config);
  expect(parsed).toMatchObject({ track: 'auto', format: 'auto', device: { vendorId: MAGTEK, productId: 2 } });
  expect(driverFor(parsed)).toBeTypeOf('function');
  expect(ReaderConfig.safeParse({ ...config, track: 4 }).success).toBe(false);
});

describe('a stripe reader on a serial port', () => {
  test.each<[string, Stripe, string]>([
    ['track 2 alone', { track2: ';9276001234567?' }, ';9276001234567?\r'],
    ['tracks in one line', { track1: '%A?', track2: ';1?', track3: '+2?' }, '%A?;1?+2?\r'],
    ['tracks in a line each', { track1: '%A?', track2: ';1?', track3: ';2?' }, '%A?\r;1?\r;2?\r'],
    ['tracks with check characters', { track1: '%A?', track2: ';1?' }, '%A?X\r\n;1?4\r\n'],
    ['STX and ETX around', { track2: ';4711?' }, '\u0002;4711?\u0003'],
    ['no terminator at all', { track2: ';4711?' }, ';4711?'],
    ['an error', { track2: ';4711?', failed: [1] }, '%E?;4711?\r'],
    ['nothing but errors', { failed: [1, 2] }, '%E?\r;E?\r'],
  ])('gives the same as a HID reader: %s', async (_, stripe, line) => {
    const usb = await hid();
    usb.device.send(magTekReport(stripe));
    for (const framing of [{ kind: 'delimited' }, { kind: 'line', terminator: 'cr' }]) {
      const rs232 = await serial({ framing });
      for (const byte of text(line)) {
        rs232.device.send(Uint8Array.of(byte));
        await rs232.clock.advance(1);
      }
      expect(rs232.scans).toEqual([]);
      await rs232.clock.advance(50);
      expect(shown(rs232.scans)).toEqual(shown(usb.scans));
      expect(rs232.frames()).toBe(1);
      expect(rs232.noise).toEqual([]);
    }
  });

  test('hands the POS what it sent, as it sent it', async () => {
    const { device, scans, clock } = await serial();
    device.send(text('%A?X\r;1?4\r'));
    await clock.advance(50);
    expect(asText(scans[0]?.frame ?? new Uint8Array())).toBe('%A?X\r;1?4');
  });

  test('keeps two swipes apart that follow each other', async () => {
    const { device, scans, clock } = await serial();
    device.send(text(';1?\r'));
    await clock.advance(51);
    device.send(text(';2?\r'));
    await clock.advance(51);
    expect(shown(scans)).toEqual(['magstripe ;1?', 'magstripe ;2?']);
  });

  test.each([
    ['binary', asText(swiped.idTechEnhanced)],
    ['masked tracks', '%*4266********9999^BUSH JR/GEORGE W.MR^*****?*;4266********9999=*****?*\r'],
    ['a keyboard reader’s hex around masked tracks', '02A001801F372300839B%*6011********6668^D^**?*10C1A6\r'],
  ])('never makes a scan of an encrypted card: %s', async (_, line) => {
    const { device, scans, noise, clock } = await serial();
    device.send(text(line));
    await clock.advance(50);
    expect(scans).toEqual([]);
    expect(noise).toMatchObject([{ reason: 'encrypted' }]);
  });

  test('hands on a number without sentinels as it is', async () => {
    const { device, scans, clock } = await serial();
    device.send(text('4711\r\n'));
    await clock.advance(50);
    expect(shown(scans)).toEqual(['magstripe 4711']);
  });

  test('that also reads barcodes gives them as barcodes, each line one', async () => {
    const { device, scans, clock } = await serial();
    device.send(text(']E04006381333931\r]C0K-1\r'));
    await clock.advance(50);
    expect(shown(scans)).toEqual(['ean-13 4006381333931', 'code-128 K-1']);
  });

  test('pulled out in the middle of a swipe: the half is noise and no card', async () => {
    const { device, scans, noise, clock } = await serial();
    device.send(text('%MUSTER?;47'));
    device.unplug();
    await clock.advance(5000);
    expect(scans).toEqual([]);
    expect(noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 11 }]);
  });
});
