// Goal: one pull of the trigger is one scan, and two customers with the same coupon stay two.
// Method: the pure state machine with given times; properties over any number of sights, over one interface and two.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { DoubleReads, SAME_TRIGGER_MS } from '../../drivers/double-read.ts';
import type { DoubleReadRules } from '../../drivers/double-read-gate.ts';
import { Scan } from '../../drivers/driver.ts';
import type { ScanFields } from '../../drivers/driver.ts';
import { ReaderConfig } from '../../drivers/registry.ts';
import { scannerDriver } from '../../drivers/protocol/scanner/driver.ts';
import { ReaderSupervisor } from '../../drivers/supervisor.ts';
import { MemoryDevice } from '../../drivers/transport/memory.ts';
import { ManualClock } from '../support/manual-clock.ts';

const COUPON = '2912345678901';

function sight(atMs: number, code = COUPON, readerId = 'counter', more: Partial<ScanFields> = {}): Scan {
  return new Scan({
    readerId,
    symbology: 'ean-13',
    payload: Buffer.from(code),
    receivedAtMonotonicMs: atMs,
    receivedAt: atMs,
    ...more,
  });
}

/** The times of those that are scans of their own. */
function scansAmong(reads: DoubleReads, sights: readonly Scan[]): number[] {
  return sights.filter((each) => !reads.isRepeat(each)).map((each) => each.receivedAtMonotonicMs);
}

const at = (...timesMs: readonly number[]): Scan[] => timesMs.map((ms) => sight(ms));

describe('the same code over one interface', () => {
  test('twice within one pull of the trigger is one scan', () => {
    expect(scansAmong(new DoubleReads(150), at(1_000, 1_030))).toEqual([1_000]);
  });

  test('from two customers 400 ms apart is two scans', () => {
    expect(scansAmong(new DoubleReads(SAME_TRIGGER_MS), at(1_000, 1_400))).toEqual([1_000, 1_400]);
  });

  test('that stays in view of a presentation scanner is one scan, however long it stays', () => {
    const minute = Array.from({ length: 1_000 }, (_, i) => 60 * i);
    expect(scansAmong(new DoubleReads(150), at(...minute))).toEqual([0]);
  });

  test('is a scan again as soon as the chain has ended', () => {
    expect(scansAmong(new DoubleReads(150), at(0, 100, 200, 349, 499, 600))).toEqual([0, 499]);
  });

  test('with the limit 0 is a scan each time', () => {
    expect(scansAmong(new DoubleReads(0), at(5, 5, 5))).toEqual([5, 5, 5]);
  });

  test('two codes in one picture are one scan each', () => {
    const reads = new DoubleReads(150);
    const sights = Array.from({ length: 20 }, (_, i) =>
      sight(40 * i, i % 2 === 0 ? COUPON : '4006381333931'),
    );
    expect(scansAmong(reads, sights)).toEqual([0, 40]);
  });

  test('another code, or the same digits in another symbology, is another scan', () => {
    const reads = new DoubleReads(150);
    expect(reads.isRepeat(sight(0))).toBe(false);
    expect(reads.isRepeat(sight(1, `${COUPON}0`))).toBe(false);
    expect(reads.isRepeat(sight(2, COUPON, 'counter', { symbology: 'code-128' }))).toBe(false);
    expect(reads.isRepeat(sight(3, COUPON, 'counter', { aim: ']E0' }))).toBe(false);
  });

  test('any number of sights at least the limit apart are as many scans', () => {
    const gaps = fc.array(fc.double({ min: 0, max: 5_000, noNaN: true }), { maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 350 }), gaps, (limitMs, more) => {
        // Counted in whole microseconds, so that sums are exact enough to be compared.
        let nowUs = 0;
        const times = more.map((gap) => (nowUs += limitMs * 1_000 + Math.ceil(gap * 1_000)) / 1_000);
        const distant = times.filter((time, i) => i === 0 || time - (times[i - 1] ?? 0) >= limitMs);
        expect(scansAmong(new DoubleReads(limitMs), at(...distant))).toEqual(distant);
      }),
    );
  });

  test('scans are at least the limit after the sight before them, and every other sight is a repeat', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 60 });
    fc.assert(
      fc.property(gaps, (each) => {
        let nowMs = 0;
        const times = each.map((gap) => (nowMs += gap));
        const expected = times.filter((time, i) => i === 0 || time - (times[i - 1] ?? 0) >= 150);
        expect(scansAmong(new DoubleReads(150), at(...times))).toEqual(expected);
      }),
    );
  });
});

describe('the same code over two interfaces of one device', () => {
  test('is one scan, whichever comes first and though only one names the symbology', () => {
    const reads = new DoubleReads(150);
    expect(reads.isRepeat(sight(0, COUPON, 'hid', { aim: ']E0' }))).toBe(false);
    expect(reads.isRepeat(sight(120, COUPON, 'serial', { symbology: 'unknown' }))).toBe(true);
    expect(reads.isRepeat(sight(500, COUPON, 'serial', { symbology: 'unknown' }))).toBe(false);
    expect(reads.isRepeat(sight(501, COUPON, 'hid', { aim: ']E0' }))).toBe(true);
  });

  test('the next customer is told though the slow interface still speaks of the one before', () => {
    const reads = new DoubleReads(300);
    const sights = [
      sight(0, COUPON, 'serial'),
      sight(250, COUPON, 'wedge'),
      sight(400, COUPON, 'serial'),
      sight(650, COUPON, 'wedge'),
    ];
    expect(scansAmong(reads, sights)).toEqual([0, 400]);
  });

  test('an interface that missed a trigger does not swallow the next one', () => {
    const reads = new DoubleReads(300);
    const sights = [sight(0, COUPON, 'serial'), sight(310, COUPON, 'serial'), sight(560, COUPON, 'wedge')];
    expect(scansAmong(reads, sights)).toEqual([0, 310]);
  });

  test('any number of triggers at least the limit apart are as many scans', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 149 }),
        fc.array(fc.integer({ min: 150, max: 700 }), { maxLength: 40 }),
        (delayMs, gaps) => {
          let nowMs = 0;
          const triggers = gaps.map((gap) => (nowMs += gap));
          const sights = triggers
            .flatMap((ms) => [sight(ms, COUPON, 'hid'), sight(ms + delayMs, COUPON, 'serial')])
            .toSorted((a, b) => a.receivedAtMonotonicMs - b.receivedAtMonotonicMs);
          expect(scansAmong(new DoubleReads(150), sights)).toHaveLength(triggers.length);
        },
      ),
    );
  });
});

describe('what is remembered', () => {
  test('is nothing of a scan that was wiped: the next payment card is refused again, not hidden', () => {
    const reads = new DoubleReads(150);
    const card = sight(0, '4111111111111111');
    expect(reads.isRepeat(card)).toBe(false);
    card.wipe();
    expect(card.payload.every((byte) => byte === 0)).toBe(true);
    expect(reads.isRepeat(sight(10, '4111111111111111'))).toBe(false);
    expect(reads.isRepeat(sight(20, '\0'.repeat(16)))).toBe(false);
  });

  test('is bounded, whatever babbles', () => {
    const reads = new DoubleReads(350);
    for (let i = 0; i < 1_000; i += 1) reads.isRepeat(sight(0, `K-${i}`));
    expect(reads.remembered).toBe(16);
  });
});

describe('in the supervisor', () => {
  async function supervised(
    doubleReads: DoubleReadRules,
    ids: readonly string[] = ['counter'],
  ): Promise<{ clock: ManualClock; devices: MemoryDevice[]; scans: Scan[]; readers: ReaderSupervisor }> {
    const clock = new ManualClock();
    const scans: Scan[] = [];
    const devices = ids.map(() => new MemoryDevice());
    const readers = await ReaderSupervisor.open({
      readers: ids.map((id, i) => {
        const config = ReaderConfig.parse({ kind: 'tcp', id, host: 'x', port: 1 });
        if (config.kind !== 'tcp') throw new Error('it is');
        return { id, driver: scannerDriver(config, devices[i]?.open) };
      }),
      clock,
      random: new SeededRandom(1),
      log: silentLog,
      doubleReads,
      onScan: (scan) => scans.push(scan),
    });
    await clock.advance(0);
    return { clock, devices, scans, readers };
  }

  test('a repeat is counted, is no scan, and is forgotten when the trigger is over', async () => {
    const { clock, devices, scans, readers } = await supervised({ sameTriggerMs: 150, devices: [] });
    const [device] = devices;
    device?.send(Buffer.from(`]E0${COUPON}\r`));
    await clock.advance(30);
    device?.send(Buffer.from(`]E0${COUPON}\r`));
    await clock.advance(400);
    expect(clock.pending).toBe(0);
    device?.send(Buffer.from(`]E0${COUPON}\r`));
    expect(scans).toHaveLength(2);
    expect(readers.statuses()[0]?.counters).toMatchObject({ frames: 3, scans: 2, repeats: 1 });
    await readers.close();
    expect(clock.pending).toBe(0);
  });

  test('readers are devices of their own unless they are said to be one', async () => {
    const apart = await supervised({ sameTriggerMs: 150, devices: [] }, ['hid', 'serial']);
    for (const device of apart.devices) device.send(Buffer.from(`${COUPON}\r`));
    expect(apart.scans).toHaveLength(2);
    await apart.readers.close();

    const one = await supervised({ sameTriggerMs: 150, devices: [{ readers: ['hid', 'serial'] }] }, [
      'hid',
      'serial',
    ]);
    for (const device of one.devices) device.send(Buffer.from(`${COUPON}\r`));
    expect(one.scans.map(({ readerId }) => readerId)).toEqual(['hid']);
    await one.readers.close();
  });

  test('a device may have a limit of its own', async () => {
    const { clock, devices, scans, readers } = await supervised({
      sameTriggerMs: 150,
      devices: [{ readers: ['counter'], sameTriggerMs: 20 }],
    });
    for (let i = 0; i < 3; i += 1) {
      devices[0]?.send(Buffer.from(`${COUPON}\r`));
      await clock.advance(30);
    }
    expect(scans).toHaveLength(3);
    await readers.close();
  });
});

test('a scan’s frame is what the reader sent, and never shows in JSON or a log', () => {
  const frame = Buffer.from(']C1011234^]x');
  const scan = sight(0, '011234\x1dx', 'counter', { aim: ']C1', frame });
  expect(Buffer.from(scan.frame).toString()).toBe(']C1011234^]x');
  expect(JSON.stringify(scan)).not.toContain('1234');
  expect(Object.keys(scan)).not.toContain('frame');
  expect(Buffer.from(sight(0, 'K-1', 'counter', { aim: ']C0' }).frame).toString()).toBe(']C0K-1');
  scan.wipe();
  expect(frame.every((byte) => byte === 0)).toBe(true);
});
