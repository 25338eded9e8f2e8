// Real folders stand in for /dev; time is the test's.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../foundation/log.ts';
import { DeviceArrivals } from '../../drivers/device-arrivals.ts';
import { ManualClock } from '../support/manual-clock.ts';

async function watching(folder = mkdtempSync(join(tmpdir(), 'stammkunde-dev-'))) {
  const clock = new ManualClock();
  let told = 0;
  const arrivals = await DeviceArrivals.open({
    clock,
    log: silentLog,
    folder,
    onChange: () => void (told += 1),
  });
  onTestFinished(async () => {
    await arrivals.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    clock,
    folder,
    arrivals,
    told: () => told,
    /** Lets real notices of the file system arrive while the test's time moves, until something is told. */
    untilTold: async (times: number) => {
      while (told < times) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        await clock.advance(10);
      }
    },
  };
}

test('a reader that is plugged in is told of once, however many nodes it brings', async () => {
  const { folder, clock, untilTold, told } = await watching();
  for (const node of ['hidraw0', 'hidraw1', 'ttyACM0']) writeFileSync(join(folder, node), '');
  await untilTold(1);
  await clock.advance(4_000);
  expect(told()).toBe(1);
});

test('what is no reader is not told of', async () => {
  const { folder, clock, told } = await watching();
  for (const node of ['sda1', 'pts', 'hidrawX', 'null2']) writeFileSync(join(folder, node), '');
  for (let i = 0; i < 20; i += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await clock.advance(1_000);
  }
  expect(told()).toBe(0);
});

test('where the file system tells nothing, a look now and then finds it', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'stammkunde-dev-')), 'not-there-yet');
  const { clock, untilTold, told } = await watching(folder);
  await clock.advance(20_000);
  expect(told()).toBe(0);
  mkdirSync(folder);
  writeFileSync(join(folder, 'ttyUSB0'), '');
  await untilTold(1);
});

test('closed, it tells of nothing any more', async () => {
  const { folder, clock, arrivals, told } = await watching();
  writeFileSync(join(folder, 'ttyUSB0'), '');
  await arrivals.close();
  await clock.advance(20_000);
  expect(told()).toBe(0);
  expect(clock.pending).toBe(0);
});

test('a machine that slept looks again, though no name changed', async () => {
  const { clock, untilTold, told } = await watching();
  await clock.advance(1_000);
  clock.sleepFor(3_600_000);
  await untilTold(1);
  expect(told()).toBe(1);
});

test('so does one whose monotonic clock stood still meanwhile', async () => {
  const { clock, untilTold, told } = await watching();
  await clock.advance(1_000);
  clock.setWallClock(clock.now() + 3_600_000);
  await untilTold(1);
  expect(told()).toBe(1);
});
