import type { Clock } from '../foundation/clock.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import { Opened } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import type { RetrySchedule } from '../foundation/retry-schedule.ts';
import type { Driver, ReaderStatus, Scan } from './driver.ts';
import { DoubleReadGate } from './double-read-gate.ts';
import type { DoubleReadRules } from './double-read-gate.ts';
import { SupervisedReader } from './supervised-reader.ts';
import type { ReadRequest } from './supervised-reader.ts';

export interface SupervisorOptions {
  readonly readers: readonly { readonly id: string; readonly driver: Driver }[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called as each scan arrives, in order for each reader. It must only enqueue; what it throws is logged, not spread. */
  readonly onScan: (scan: Scan) => void;
  /** Called on each change of a reader's state. It must only enqueue. */
  readonly onStatus?: (status: ReaderStatus) => void;
  /** Which sights of a code are one scan. Absent: each is a scan of its own. */
  readonly doubleReads?: DoubleReadRules;
  /** When to open a reader again that is absent or was lost. */
  readonly reopen?: RetrySchedule;
}

/** Short at first, because a cable is back within seconds; never longer than a cashier would wait. */
const REOPEN: RetrySchedule = { firstMs: 250, maxMs: 5000 };

/**
 * Owns a till's readers: opens each, opens it again for ever when it is absent or lost, and knows how each one is. A
 * reader that is broken never affects another.
 */
export class ReaderSupervisor implements Closable {
  readonly #readers: readonly SupervisedReader[];
  readonly #gate: DoubleReadGate;
  #closing: Promise<void> | undefined;

  private constructor(readers: readonly SupervisedReader[], gate: DoubleReadGate) {
    this.#readers = readers;
    this.#gate = gate;
  }

  /** Resolves when every reader is being opened, not when it is ready: a till serves without its scanner. */
  static async open(options: SupervisorOptions): Promise<ReaderSupervisor> {
    const gate = new DoubleReadGate(options.doubleReads, options.clock);
    const readers = options.readers.map(
      ({ id, driver }) =>
        new SupervisedReader({
          id,
          driver,
          clock: options.clock,
          random: options.random,
          log: options.log,
          reopen: options.reopen ?? REOPEN,
          isRepeat: (scan) => gate.isRepeat(scan),
          onScan: options.onScan,
          onStatus: options.onStatus ?? ((): void => {}),
        }),
    );
    for (const reader of readers) reader.start();
    return new ReaderSupervisor(readers, gate);
  }

  /** How every reader is now, in the order they were given. */
  statuses(): readonly ReaderStatus[] {
    return this.#readers.map((reader) => reader.status());
  }

  /** Has a reader read now, where it waits to be told; undefined when there is no such reader. */
  request(readerId: string): ReadRequest | undefined {
    return this.#readers.find((reader) => reader.status().readerId === readerId)?.request();
  }

  /** Devices came or went, or the machine slept: every reader that waits for its device looks again now. */
  devicesChanged(): void {
    for (const reader of this.#readers) reader.devicesChanged();
  }

  /** Lets go of every device. From the moment it is called no scan is handed on any more. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    this.#gate.close();
    const closing = this.#readers.map((reader) => reader.close());
    const all = new Opened();
    for (const one of closing) all.defer(() => one);
    await all.close();
  }
}
