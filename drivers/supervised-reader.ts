import type { Clock } from '../foundation/clock.ts';
import { withDeadline } from '../foundation/deadline.ts';
import type { ErrorCode } from '../foundation/error-codes.ts';
import { asError, isFault, StammkundeError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import type { RetrySchedule } from '../foundation/retry-schedule.ts';
import { retryDelayMs } from '../foundation/retry-schedule.ts';
import type { Driver, OpenDriver, ReaderCounters, ReaderPorts, ReaderStatus, Scan } from './driver.ts';
import type { Noise } from './framing/frame.ts';
import { ReaderSession } from './reader-session.ts';

export interface SupervisedReaderOptions {
  readonly id: string;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly reopen: RetrySchedule;
  /** Whether it is another sight of a code within one pull of the trigger. Absent: none is. */
  readonly isRepeat?: (scan: Scan) => boolean;
  readonly onScan: (scan: Scan) => void;
  readonly onStatus: (status: ReaderStatus) => void;
}

/** What came of asking a reader to read now. */
export type ReadRequest = 'asked' | 'not-ready' | 'reads-by-itself';

type State =
  | { readonly kind: 'opening'; readonly attempt: number }
  | { readonly kind: 'ready'; readonly since: number }
  | {
      readonly kind: 'waiting';
      readonly fault: StammkundeError;
      readonly attempt: number;
      readonly dueMonotonicMs: number;
    }
  | { readonly kind: 'closed' };

/** Drivers bound their own opening; this is for one that does not. */
const OPEN_DEADLINE_MS = 30_000;
const CLOSE_DEADLINE_MS = 5_000;
/** A reader that was usable this long had truly recovered: its next loss starts from the shortest wait. */
const STABLE_AFTER_MS = 10_000;

/**
 * One reader and the one loop that opens it.
 *
 * ```
 *   start → opening ──► ready ── lost ──► waiting (back-off) ──► opening …
 *              └── fails ───────────────►─┘
 *   close, from anywhere → closed
 * ```
 */
export class SupervisedReader implements Closable {
  readonly #options: SupervisedReaderOptions;
  readonly #stop = new AbortController();
  readonly #counters = { frames: 0, scans: 0, repeats: 0, noiseBytes: 0, overlong: 0, reopened: 0 };
  #state: State = { kind: 'opening', attempt: 0 };
  #loop: Promise<void> = Promise.resolve();
  #started = false;
  /** While it is ready. */
  #driver: OpenDriver | undefined;
  #wasReady = false;
  #reportedCode: ErrorCode | undefined;
  /** Ends the wait before the next attempt to open. */
  #endWait: (() => void) | undefined;
  /** Devices changed while it was being opened: that attempt may have looked too early. */
  #changedMeanwhile = false;

  constructor(options: SupervisedReaderOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#loop = this.#run();
  }

  status(): ReaderStatus {
    const base = { readerId: this.#options.id, counters: { ...this.#counters } satisfies ReaderCounters };
    const state = this.#state;
    switch (state.kind) {
      case 'waiting':
        return {
          ...base,
          kind: 'waiting',
          code: state.fault.code,
          message: state.fault.message,
          attempt: state.attempt,
          nextAttemptInMs: Math.max(0, state.dueMonotonicMs - this.#options.clock.monotonicMs()),
        };
      case 'opening':
      case 'ready':
      case 'closed':
        return { ...base, ...state };
    }
  }

  /** Has the device read now, where it waits to be told. */
  request(): ReadRequest {
    const driver = this.#driver;
    if (driver === undefined) return 'not-ready';
    if (driver.request === undefined) return 'reads-by-itself';
    driver.request();
    return 'asked';
  }

  /** Devices came or went: one that waits for its device looks again now. */
  devicesChanged(): void {
    this.#changedMeanwhile = true;
    this.#endWait?.();
  }

  /** Ends the loop wherever it stands and lets go of the device. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#endWait?.();
    await this.#loop;
    if (this.#state.kind !== 'closed') this.#become({ kind: 'closed' });
  }

  async #run(): Promise<void> {
    const { clock, random, reopen } = this.#options;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      this.#become({ kind: 'opening', attempt: failures });
      this.#changedMeanwhile = false;
      const outcome = await this.#session();
      if (this.#stop.signal.aborted) return;
      if (outcome.recovered) failures = 0;
      const delayMs = retryDelayMs(reopen, this.#changedMeanwhile ? 0 : failures, random);
      failures += 1;
      this.#report(outcome.fault);
      this.#become({
        kind: 'waiting',
        fault: outcome.fault,
        attempt: failures,
        dueMonotonicMs: clock.monotonicMs() + delayMs,
      });
      await this.#wait(delayMs);
    }
  }

  /** Resolves after `delayMs`, or when something ends the wait. */
  async #wait(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.schedule(delayMs, resolve);
    this.#endWait = resolve;
    await promise;
    this.#endWait = undefined;
    cancel();
  }

  /** From one opening to the loss of what was opened. Never throws. */
  async #session(): Promise<{ fault: StammkundeError; recovered: boolean }> {
    const { clock } = this.#options;
    const scansBefore = this.#counters.scans;
    const session = new ReaderSession(this.#stop.signal);
    let driver: OpenDriver;
    try {
      driver = await this.#openDriver(session);
    } catch (thrown) {
      session.end();
      return { fault: session.lostWith ?? asFault(thrown, this.#options.id), recovered: false };
    }
    const readySinceMs = clock.monotonicMs();
    if (!session.over) {
      if (this.#wasReady) this.#counters.reopened += 1;
      this.#wasReady = true;
      this.#reportedCode = undefined;
      this.#options.log.info({ event: 'reader.ready', readerId: this.#options.id });
      this.#become({ kind: 'ready', since: clock.now() });
    }
    if (!session.over) this.#driver = driver;
    await session.ended;
    this.#driver = undefined;
    await this.#closeDriver(driver);
    return {
      fault:
        session.lostWith ?? new StammkundeError('DRV_PORT_LOST', `reader ${this.#options.id} was closed`),
      recovered: clock.monotonicMs() - readySinceMs >= STABLE_AFTER_MS || this.#counters.scans > scansBefore,
    };
  }

  async #openDriver(session: ReaderSession): Promise<OpenDriver> {
    const { id, clock } = this.#options;
    const opening = this.#options.driver(this.#portsFor(session));
    const stopped = session.aborted();
    try {
      return await withDeadline(Promise.race([opening, stopped.rejects]), {
        clock,
        deadlineMs: OPEN_DEADLINE_MS,
        code: 'DRV_PORT_ABSENT',
        what: `opening reader ${id}`,
      });
    } catch (error) {
      session.cancel();
      // The driver was told by the signal. If it opens in spite of it, now or later, nobody else lets go of the device.
      await this.#settled(
        opening.then(
          (driver) => this.#closeDriver(driver),
          () => {},
        ),
      );
      throw error;
    } finally {
      stopped.dispose();
    }
  }

  /** Waits for `work` to end either way, within the closing deadline. */
  async #settled(work: Promise<unknown>): Promise<void> {
    try {
      await withDeadline(work, {
        clock: this.#options.clock,
        deadlineMs: CLOSE_DEADLINE_MS,
        code: 'DRV_PORT_LOST',
        what: `giving up reader ${this.#options.id}`,
      });
    } catch {
      // How it ended was reported by whoever asked for it.
    }
  }

  /** Never throws: a device that will not close cleanly is logged and left to the operating system. */
  async #closeDriver(driver: OpenDriver): Promise<void> {
    const { id, clock, log } = this.#options;
    try {
      await withDeadline(driver.close(), {
        clock,
        deadlineMs: CLOSE_DEADLINE_MS,
        code: 'DRV_PORT_LOST',
        what: `closing reader ${id}`,
      });
    } catch (error) {
      log.warn({ event: 'reader.close-failed', readerId: id, error: asError(error) });
    }
  }

  #portsFor(session: ReaderSession): ReaderPorts {
    const { id, clock, random, log } = this.#options;
    return {
      readerId: id,
      clock,
      random,
      log,
      signal: session.signal,
      onFrame: () => {
        if (!session.over) this.#counters.frames += 1;
      },
      onScan: (scan) => {
        if (session.over) return;
        if (this.#options.isRepeat?.(scan) === true) {
          this.#counters.repeats += 1;
          scan.wipe();
          return;
        }
        this.#counters.scans += 1;
        this.#guarded('onScan', () => this.#options.onScan(scan));
      },
      onNoise: (noise) => {
        if (!session.over) this.#noise(noise, session);
      },
      onLost: (fault) => session.lose(fault),
    };
  }

  #noise(noise: Noise, session: ReaderSession): void {
    this.#counters.noiseBytes += noise.bytes;
    const code = noise.reason === 'overlong' ? 'DRV_OVERLONG' : 'DRV_NOISE';
    if (noise.reason === 'overlong') this.#counters.overlong += 1;
    // Once for each opening: a wrong baud rate must not fill the log.
    const level = session.firstOf(code) ? 'warn' : 'debug';
    this.#options.log[level]({
      event: 'reader.noise',
      code,
      readerId: this.#options.id,
      reason: noise.reason,
      bytes: noise.bytes,
    });
  }

  /** Warns once for each kind of fault until the reader is back: an absent scanner is tried for days. */
  #report(fault: StammkundeError): void {
    const level = this.#reportedCode === fault.code ? 'debug' : 'warn';
    this.#reportedCode = fault.code;
    this.#options.log[level]({
      event: 'reader.waiting',
      code: fault.code,
      readerId: this.#options.id,
      error: fault,
    });
  }

  #become(state: State): void {
    this.#state = state;
    this.#guarded('onStatus', () => this.#options.onStatus(this.status()));
  }

  #guarded(callback: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.log.error({
        event: 'reader.callback-failed',
        readerId: this.#options.id,
        callback,
        error: asError(error),
      });
    }
  }
}

function asFault(thrown: unknown, readerId: string): StammkundeError {
  return isFault(thrown)
    ? thrown
    : new StammkundeError('DRV_PORT_ABSENT', `reader ${readerId} cannot be opened`, {
        cause: asError(thrown),
      });
}
