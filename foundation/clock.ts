/** Milliseconds since the Unix epoch, UTC, from the wall clock. May jump; never used to measure a duration. */
export type Instant = number;

/** Time as everything here sees it. Passed in, so a test or a simulated world can own it. */
export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): Instant;
  /** Monotonic time, ms with fractions, from an arbitrary origin. Goes on while the machine sleeps. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`, not counting what the machine slept; the returned function cancels it. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/** What a machine tells of time. */
export interface MachineTime {
  wallMs(): number;
  /** Since some moment, without what it slept: Node.js counts CLOCK_MONOTONIC, which stands still then on Linux. */
  awakeMs(): number;
  /** Since it was started, with what it slept; to hundredths of a second, and slower to ask. A browser does not know. */
  uptimeMs?(): number;
}

/** What every runtime tells of time, a browser too. */
export const anyMachineTime: MachineTime = { wallMs: () => Date.now(), awakeMs: () => performance.now() };

/** The wall clock moved this much against the time awake: the machine slept, or the clock was set. */
const JUMPED_MS = 1_000;

/**
 * The machine's own clock. The only place that touches `Date` and the timers.
 *
 * A till whose lid was closed for the night must not wake with yesterday's customer still waiting for their sale, so
 * what the machine slept counts. Which of the two a jump of the wall clock was is told by the machine's uptime; where that
 * is not known, as in a browser, no sleep is noticed.
 */
export class SystemClock implements Clock {
  readonly #machine: MachineTime;
  readonly #uptimeAheadMs: number;
  #wallAheadMs: number;
  #sleptMs = 0;

  /** @param machine what sleeps, for a till's daemon: `machineTime` */
  constructor(machine: MachineTime = anyMachineTime) {
    this.#machine = machine;
    const awakeMs = machine.awakeMs();
    this.#wallAheadMs = machine.wallMs() - awakeMs;
    this.#uptimeAheadMs = (machine.uptimeMs?.() ?? awakeMs) - awakeMs;
  }

  now(): Instant {
    return this.#machine.wallMs();
  }

  monotonicMs(): number {
    const awakeMs = this.#machine.awakeMs();
    const wallAheadMs = this.#machine.wallMs() - awakeMs;
    if (Math.abs(wallAheadMs - this.#wallAheadMs) > JUMPED_MS) {
      this.#wallAheadMs = wallAheadMs;
      const sleptMs = (this.#machine.uptimeMs?.() ?? awakeMs) - awakeMs - this.#uptimeAheadMs;
      // Less is the grain of the uptime; and time never goes back.
      if (sleptMs - this.#sleptMs > JUMPED_MS / 2) this.#sleptMs = sleptMs;
    }
    return awakeMs + this.#sleptMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  }
}

/**
 * Resolves after `delayMs`.
 * @throws the signal's reason when aborted before.
 */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      reject(abortReason(signal));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** The reason of an aborted signal as an Error, so that only Errors are ever thrown. */
export function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new DOMException('aborted', 'AbortError');
}
