import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import type { Driver, OpenDriver, Scan } from '../../drivers/driver.ts';
import type { StammkundeError } from '../../foundation/errors.ts';
import type { Noise } from '../../drivers/framing/frame.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { asText } from './hex.ts';

/** A driver that is open, and all it has said since. */
export interface HidTill {
  readonly clock: ManualClock;
  readonly driver: OpenDriver;
  readonly scans: Scan[];
  readonly noise: Noise[];
  readonly lost: StammkundeError[];
  readonly frames: () => number;
}

export async function openHidTill(
  driver: Driver,
  clock = new ManualClock(),
  signal = new AbortController().signal,
): Promise<HidTill> {
  const scans: Scan[] = [];
  const noise: Noise[] = [];
  const lost: StammkundeError[] = [];
  let frames = 0;
  const open = await driver({
    readerId: 'counter',
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    signal,
    onFrame: () => (frames += 1),
    onScan: (scan) => scans.push(scan),
    onNoise: (piece) => noise.push(piece),
    onLost: (error) => lost.push(error),
  });
  return { clock, driver: open, scans, noise, lost, frames: () => frames };
}

export function shownScans(scans: readonly Scan[]): unknown[] {
  return scans.map((scan) => [scan.symbology, scan.aim, asText(scan.payload)]);
}
