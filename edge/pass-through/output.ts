import { sleep } from '../../foundation/clock.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError, isFault, StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import type { RetrySchedule } from '../../foundation/retry-schedule.ts';
import type { Line, OpenLine } from './line.ts';

/** Scans that may wait for the POS; a hand cannot fill it within maxAgeMs, a reader that babbles can. */
const QUEUE_MAX = 64;
/** Short at first: a POS that restarts is back within seconds, and the cashier scans on. */
const REOPEN: RetrySchedule = { firstMs: 250, maxMs: 5_000 };

/** How an output is. */
export interface OutputStatus {
  readonly id: string;
  readonly kind: string;
  readonly status: 'opening' | 'ready' | 'waiting' | 'closed';
  /** Why it waits. */
  readonly code: ErrorCode | null;
  /** Programs that listen; 0 on a virtual serial port when the last scan was not read; null where it is not known. */
  readonly receivers: number | null;
  /** Scans handed to the operating system for the POS. */
  readonly passed: number;
  /** Scans that wait for the POS now. */
  readonly waiting: number;
  /** Scans the POS did not take in time, and scans that found too many waiting. */
  readonly dropped: { readonly stale: number; readonly full: number };
}

export interface OutputOptions {
  readonly id: string;
  readonly kind: string;
  readonly open: OpenLine;
  readonly maxAgeMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly reopen?: RetrySchedule;
}

type State =
  | { readonly kind: 'opening' }
  | { readonly kind: 'ready'; readonly line: Line }
  | { readonly kind: 'waiting'; readonly code: ErrorCode }
  | { readonly kind: 'closed' };

/**
 * One way to the POS, opened again for ever when it is absent or lost, and the scans that wait for it.
 *
 * ```
 *   scan ─▶ line, at once ─── or, when nobody takes it ──▶ queue ─┬─ somebody does ──▶ line, in order
 *                                                                 └─ maxAgeMs later ─▶ dropped, counted
 * ```
 *
 * A scan that comes late is worse than none: the cashier has scanned again by then. So nothing waits for longer than
 * `maxAgeMs`, nothing is kept over a restart, and nothing is ever sent twice. When the queue is full the newest is
 * refused: what waits has its place already.
 */
export class Output implements Closable {
  readonly #options: OutputOptions;
  readonly #stop = new AbortController();
  readonly #queue: { readonly bytes: Uint8Array; readonly atMs: number }[] = [];
  #state: State = { kind: 'opening' };
  #passed = 0;
  #stale = 0;
  #full = 0;
  #reportedCode: ErrorCode | undefined;
  #complained = false;
  #cancelExpiry: (() => void) | undefined;
  #loop: Promise<void> = Promise.resolve();

  private constructor(options: OutputOptions) {
    this.#options = options;
  }

  /** Begins to open it; a till serves without its POS. */
  static start(options: OutputOptions): Output {
    const output = new Output(options);
    output.#loop = output.#run();
    return output;
  }

  status(): OutputStatus {
    const { id, kind } = this.#options;
    const state = this.#state;
    return {
      id,
      kind,
      status: state.kind,
      code: state.kind === 'waiting' ? state.code : null,
      receivers: state.kind === 'ready' ? state.line.receivers : 0,
      passed: this.#passed,
      waiting: this.#queue.length,
      dropped: { stale: this.#stale, full: this.#full },
    };
  }

  /** Sends the bytes of one scan, now or as soon as somebody takes them. Returns whether it was now; never throws. */
  offer(bytes: Uint8Array): boolean {
    if (this.#state.kind === 'closed') return false;
    if (this.#queue.length === 0 && this.#send(bytes)) return true;
    if (this.#queue.length >= QUEUE_MAX) {
      this.#full += 1;
      this.#complain('full', 1);
      return false;
    }
    this.#queue.push({ bytes, atMs: this.#options.clock.monotonicMs() });
    this.#expireLater();
    return false;
  }

  /** Lets go of it; what still waits is not sent any more. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelExpiry?.();
    this.#queue.length = 0;
    await this.#loop;
    this.#state = { kind: 'closed' };
  }

  async #run(): Promise<void> {
    const { id, clock, random, log } = this.#options;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      this.#state = { kind: 'opening' };
      const { fault, wasReady } = await this.#session();
      if (this.#stop.signal.aborted) return;
      if (wasReady) failures = 0;
      this.#state = { kind: 'waiting', code: fault.code };
      log[this.#reportedCode === fault.code ? 'debug' : 'warn']({
        event: 'pass-through.waiting',
        output: id,
        code: fault.code,
        error: fault,
      });
      this.#reportedCode = fault.code;
      try {
        await sleep(clock, retryDelayMs(this.#options.reopen ?? REOPEN, failures, random), this.#stop.signal);
      } catch {
        return; // closed while waiting
      }
      failures += 1;
    }
  }

  /** From one opening to the loss of what was opened. Never throws. */
  async #session(): Promise<{ readonly fault: StammkundeError; readonly wasReady: boolean }> {
    const { id, clock, maxAgeMs, log } = this.#options;
    const over = Promise.withResolvers<StammkundeError>();
    const onStop = (): void => over.resolve(new StammkundeError('PASS_POS_ABSENT', 'closed'));
    this.#stop.signal.addEventListener('abort', onStop, { once: true });
    try {
      const line = await this.#options.open({
        clock,
        signal: this.#stop.signal,
        maxAgeMs,
        onReady: () => this.#flush(),
        onTakenBack: (scans) => this.#takenBack(scans),
        onLost: (error) => over.resolve(error),
      });
      try {
        this.#state = { kind: 'ready', line };
        this.#reportedCode = undefined;
        log.info({ event: 'pass-through.ready', output: id });
        this.#flush();
        return { fault: await over.promise, wasReady: true };
      } finally {
        this.#state = { kind: 'opening' };
        await line.close();
      }
    } catch (error) {
      return { fault: asFault(error, id), wasReady: false };
    } finally {
      this.#stop.signal.removeEventListener('abort', onStop);
    }
  }

  #send(bytes: Uint8Array): boolean {
    if (this.#state.kind !== 'ready' || this.#state.line.send(bytes) !== 'taken') return false;
    this.#passed += 1;
    return true;
  }

  /** What waits and is young enough, in order, for as long as it is taken. */
  #flush(): void {
    this.#expire();
    for (let next = this.#queue[0]; next !== undefined && this.#send(next.bytes); next = this.#queue[0]) {
      this.#queue.shift();
    }
  }

  #takenBack(scans: number): void {
    this.#passed -= scans;
    this.#drop(scans);
  }

  #expireLater(): void {
    const [oldest] = this.#queue;
    if (oldest === undefined) return;
    const { clock, maxAgeMs } = this.#options;
    this.#cancelExpiry ??= clock.schedule(Math.max(0, oldest.atMs + maxAgeMs - clock.monotonicMs()), () => {
      this.#cancelExpiry = undefined;
      this.#expire();
      this.#expireLater();
    });
  }

  #expire(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const young = this.#queue.findIndex(({ atMs }) => nowMs - atMs < this.#options.maxAgeMs);
    const stale = young < 0 ? this.#queue.length : young;
    if (stale === 0) return;
    this.#queue.splice(0, stale);
    this.#drop(stale);
  }

  #drop(scans: number): void {
    this.#stale += scans;
    this.#complain('stale', scans);
  }

  /** Warns of the first of a series: a POS that is switched off overnight must not fill the log. */
  #complain(reason: 'stale' | 'full', scans: number): void {
    this.#options.log[this.#complained ? 'debug' : 'warn']({
      event: 'pass-through.dropped',
      output: this.#options.id,
      reason,
      scans,
    });
    this.#complained = true;
  }
}

function asFault(error: unknown, id: string): StammkundeError {
  return isFault(error)
    ? error
    : new StammkundeError('PASS_POS_ABSENT', `output ${id} cannot be opened`, { cause: asError(error) });
}
