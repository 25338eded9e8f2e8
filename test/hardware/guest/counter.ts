import { readdirSync } from 'node:fs';
import type { Clock } from '../../../foundation/clock.ts';
import { SystemClock } from '../../../foundation/clock.ts';
import type { ErrorCode } from '../../../foundation/error-codes.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { createLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { DeviceArrivals } from '../../../drivers/device-arrivals.ts';
import type { ReaderStatus, Scan } from '../../../drivers/driver.ts';
import { driverFor, ReaderConfigs } from '../../../drivers/registry.ts';
import { ReaderSupervisor } from '../../../drivers/supervisor.ts';
import { eventually } from './stage.ts';

/** How far the slow poll of device arrivals is away; waits this long never end here, so that it finds nothing. */
const SLOW_POLL_MS = 5000;
/** So long that only news of a device can have opened a reader again. */
const NEVER = { firstMs: 600_000, maxMs: 600_000 };

const STEADY_MS = 400;

/** A till's readers as the daemon has them: the configuration as written, the supervisor, the news of devices. */
export class Counter {
  readonly clock = new SystemClock();
  readonly log = createLog({ name: 'counter', level: 'warn' });
  readonly scans: Scan[] = [];
  readonly statuses: ReaderStatus[] = [];
  readonly #opened = new Opened();
  #supervisor: ReaderSupervisor | undefined;
  #taken = 0;

  /**
   * @param readers as in a till's configuration
   * @param options.onlyNews readers are opened again by the file system's news of /dev, and by nothing else
   */
  static async open(
    readers: readonly Readonly<Record<string, unknown>>[],
    options: { readonly onlyNews?: boolean } = {},
  ): Promise<Counter> {
    const counter = new Counter();
    const { clock, log } = counter;
    const supervisor = await ReaderSupervisor.open({
      readers: ReaderConfigs.parse(readers).map((config) => ({ id: config.id, driver: driverFor(config) })),
      clock,
      random: new SystemRandom(),
      log,
      onScan: (scan) => counter.scans.push(scan),
      onStatus: (status) => counter.statuses.push(status),
      ...(options.onlyNews === true ? { reopen: NEVER } : {}),
    });
    counter.#supervisor = counter.#opened.add(supervisor);
    counter.#opened.add(
      await DeviceArrivals.open({
        clock: options.onlyNews === true ? withoutSlowPoll(clock) : clock,
        log,
        onChange: () => supervisor.devicesChanged(),
      }),
    );
    return counter;
  }

  status(readerId: string): ReaderStatus {
    const status = this.#supervisor?.statuses().find((each) => each.readerId === readerId);
    if (status === undefined) throw new Error(`there is no reader ${readerId}`);
    return status;
  }

  ready(readerId: string, deadlineMs = 10_000): Promise<true> {
    return eventually(
      () => `${readerId} to be ready; it is ${JSON.stringify(this.status(readerId))}`,
      () => (this.status(readerId).kind === 'ready' ? true : undefined),
      deadlineMs,
    );
  }

  /**
   * Waits until it has been ready for so long that nothing that arrives is taken for left over from before.
   * @param openedAfter wall clock; only an opening after it counts
   */
  steady(readerId: string, deadlineMs = 15_000, openedAfter = 0): Promise<true> {
    return eventually(
      () => `${readerId} to stay ready; it is ${JSON.stringify(this.status(readerId))}`,
      () => {
        const status = this.status(readerId);
        if (status.kind !== 'ready' || status.since < openedAfter) return undefined;
        return this.clock.now() - status.since > STEADY_MS ? true : undefined;
      },
      deadlineMs,
    );
  }

  /** Waits until it waits for its device with this code. */
  waiting(readerId: string, code: ErrorCode, deadlineMs = 10_000): Promise<string> {
    return eventually(
      () => `${readerId} to be waiting with ${code}; it is ${JSON.stringify(this.status(readerId))}`,
      () => {
        const status = this.status(readerId);
        return status.kind === 'waiting' && status.code === code ? status.message : undefined;
      },
      deadlineMs,
    );
  }

  /** Waits until it was, after `since` statuses, lost with DRV_PORT_LOST, even if it is back by now. */
  lost(readerId: string, since: number, deadlineMs = 10_000): Promise<true> {
    return eventually(
      () => `${readerId} to be lost; it is ${JSON.stringify(this.status(readerId))}`,
      () =>
        this.statuses
          .slice(since)
          .some(
            (each) => each.readerId === readerId && each.kind === 'waiting' && each.code === 'DRV_PORT_LOST',
          )
          ? true
          : undefined,
      deadlineMs,
    );
  }

  /** The next scan, of whichever reader, is this: `reader AIM payload`. */
  async scanned(expected: string, deadlineMs = 5000): Promise<void> {
    const scan = await eventually(
      () => `the scan ${expected}; the readers are ${JSON.stringify(this.#supervisor?.statuses())}`,
      () => this.scans[this.#taken],
      deadlineMs,
    );
    this.#taken += 1;
    const got = `${scan.readerId} ${scan.aim ?? '-'} ${Buffer.from(scan.payload).toString('utf8')}`;
    if (got !== expected) throw new Error(`expected ${expected}, got ${got}`);
  }

  /** Nothing came that was not asked for. */
  noMore(): void {
    const more = this.scans.slice(this.#taken);
    if (more.length > 0) throw new Error(`${more.length} more scans came: ${more.map(String).join(', ')}`);
  }

  close(): Promise<void> {
    return this.#opened.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Files, sockets and devices this process has open. */
export function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

function withoutSlowPoll(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    schedule: (delayMs, callback) =>
      delayMs >= SLOW_POLL_MS ? (): void => {} : clock.schedule(delayMs, callback),
  };
}
