/** Milliseconds since the Unix epoch, UTC, from the wall clock. May jump; never used to measure a duration. */
export type Instant = number;

/** Time as everything here sees it. Passed in, so a test or a simulated world can own it. */
export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): Instant;
  /** Monotonic time, ms with fractions, from an arbitrary origin. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/** The machine's own clock. The only place that touches `Date` and the timers. */
export class SystemClock implements Clock {
  now(): Instant {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
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
