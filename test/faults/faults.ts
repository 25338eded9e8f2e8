import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import { ProgrammerError } from '../../foundation/errors.ts';
import type { Random } from '../../foundation/random.ts';
import type { Weather } from './chaos-proxy.ts';
import { FILLER } from './fault-shop.ts';
import type { FaultShop, FaultTill } from './fault-shop.ts';
import type { Installed } from './requirements.ts';

/** What can happen to a shop. */
export const faultKinds = [
  'kill-till',
  'kill-worker',
  'kill-all-workers',
  'kill-broker',
  'kill-database',
  'kill-till-and-worker',
  'kill-broker-and-database',
  'freeze-till',
  'freeze-worker',
  'net-cut',
  'net-half-open',
  'net-slow',
  'net-lossy',
  'disk-full',
  'disk-full-and-kill',
  'clock-1970',
  'clock-year-ahead',
  'clock-hour-back',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** What a fault is about: two that have nothing in common may happen at once. */
const ABOUT: Readonly<Record<FaultKind, readonly ('till' | 'worker' | 'broker' | 'database' | 'net')[]>> = {
  'kill-till': ['till'],
  'kill-worker': ['worker'],
  'kill-all-workers': ['worker'],
  'kill-broker': ['broker'],
  'kill-database': ['database'],
  'kill-till-and-worker': ['till', 'worker'],
  'kill-broker-and-database': ['broker', 'database'],
  'freeze-till': ['till'],
  'freeze-worker': ['worker'],
  'net-cut': ['net'],
  'net-half-open': ['net'],
  'net-slow': ['net'],
  'net-lossy': ['net'],
  'disk-full': ['till'],
  'disk-full-and-kill': ['till'],
  'clock-1970': ['till'],
  'clock-year-ahead': ['till'],
  'clock-hour-back': ['till'],
};

/** Those that may happen while another does. */
export function besides(kind: FaultKind, kinds: readonly FaultKind[]): readonly FaultKind[] {
  return kinds.filter((other) => !ABOUT[other].some((thing) => ABOUT[kind].includes(thing)));
}

const CLOCKS: Partial<Record<FaultKind, string>> = {
  'clock-1970': '@1970-01-01 00:00:10',
  'clock-year-ahead': '+1y',
  'clock-hour-back': '-1h',
};
const WEATHERS: Partial<Record<FaultKind, Weather>> = {
  'net-cut': 'cut',
  'net-half-open': 'half-open',
  'net-slow': 'slow',
  'net-lossy': 'lossy',
};

/** Those this machine cannot make, with why. */
export function leftOut(installed: Installed): ReadonlyMap<FaultKind, string> {
  const out = new Map<FaultKind, string>();
  for (const kind of faultKinds) {
    if (kind in CLOCKS && installed.faketime === undefined)
      out.set(kind, 'no libfaketime installed (apt-get install faketime)');
    if (kind.startsWith('disk-') && !installed.canMount)
      out.set(kind, 'no file system can be mounted: not root');
  }
  return out;
}

export interface FaultPorts {
  readonly installed: Installed;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Lets one fault happen at a random moment, lasts a random while, and mends it. Killed programs come back by
 * themselves, perhaps later than this returns.
 */
export async function makeFault(kind: FaultKind, shop: FaultShop, ports: FaultPorts): Promise<void> {
  const { clock, random } = ports;
  const till = pick(shop.tills, random);
  const worker = pick(shop.workers, random);
  const before = random.next() * 300;
  const lasting = 200 + random.next() * 600;
  switch (kind) {
    case 'kill-till':
      await till.process.ready();
      await sleep(clock, before);
      return till.process.kill();
    case 'kill-worker':
      await worker.process.ready();
      await sleep(clock, before);
      return worker.process.kill();
    case 'kill-all-workers':
      await Promise.all(shop.workers.map(({ process }) => process.ready()));
      await sleep(clock, before);
      await Promise.all(shop.workers.map(({ process }) => process.kill()));
      return;
    case 'kill-broker':
      await sleep(clock, before);
      await shop.broker.stop();
      await sleep(clock, lasting);
      return shop.broker.start();
    case 'kill-database':
      await sleep(clock, before);
      await shop.postgres.kill();
      await sleep(clock, lasting);
      return shop.postgres.start();
    case 'kill-till-and-worker':
      await Promise.all([till.process.ready(), worker.process.ready()]);
      await sleep(clock, before);
      await Promise.all([till.process.kill(), worker.process.kill()]);
      return;
    case 'kill-broker-and-database':
      await sleep(clock, before);
      await Promise.all([shop.broker.stop(), shop.postgres.kill()]);
      await sleep(clock, lasting);
      await Promise.all([shop.broker.start(), shop.postgres.start()]);
      return;
    case 'freeze-till':
    case 'freeze-worker':
      await sleep(clock, before);
      return (kind === 'freeze-till' ? till : worker).process.freeze(lasting);
    case 'net-cut':
    case 'net-half-open':
    case 'net-slow':
    case 'net-lossy':
      await sleep(clock, before);
      till.way.set(WEATHERS[kind] ?? 'fair');
      await sleep(clock, lasting);
      till.way.set('fair');
      return;
    case 'disk-full':
    case 'disk-full-and-kill': {
      const full = tinyTill(shop);
      await full.process.ready();
      await sleep(clock, before);
      fillDisk(full);
      await sleep(clock, lasting);
      if (kind === 'disk-full-and-kill') {
        await full.process.kill();
        await sleep(clock, lasting);
      }
      rmSync(fillerOf(full), { force: true });
      return;
    }
    case 'clock-1970':
    case 'clock-year-ahead':
    case 'clock-hour-back': {
      await till.process.ready();
      till.process.env = {
        LD_PRELOAD: ports.installed.faketime ?? '',
        FAKETIME: CLOCKS[kind] ?? '',
        DONT_FAKE_MONOTONIC: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      };
      await till.process.kill();
      await sleep(clock, 500);
      await till.process.ready();
      await sleep(clock, lasting);
      till.process.env = {};
      return till.process.kill();
    }
  }
}

function pick<T>(list: readonly T[], random: Random): T {
  const picked = list[Math.floor(random.next() * list.length)];
  if (picked === undefined) throw new ProgrammerError('nothing to pick from');
  return picked;
}

function tinyTill(shop: FaultShop): FaultTill {
  const till = shop.tills.find(({ hasTinyDisk }) => hasTinyDisk);
  if (till === undefined) throw new ProgrammerError('no till has a disk of its own');
  return till;
}

function fillerOf(till: FaultTill): string {
  return join(till.dataFolder, FILLER);
}

/** To the last block. Memory behind it is a matter of some 48 MB. */
function fillDisk(till: FaultTill): void {
  const { bavail, bsize } = statfsSync(till.dataFolder);
  for (let blocks = bavail; blocks > 0; blocks = Math.floor(blocks / 2)) {
    try {
      writeFileSync(fillerOf(till), Buffer.alloc(blocks * bsize), { flag: 'a' });
    } catch {
      // What fits of it was written; the rest comes in smaller pieces.
    }
  }
}
