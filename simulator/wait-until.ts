import type { Clock } from '../foundation/clock.ts';
import { abortReason, sleep } from '../foundation/clock.ts';

/** How long to wait for something, and what to say when it does not come. */
export interface Patience {
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** Between two looks, ms. */
  readonly everyMs: number;
  readonly what: string;
  readonly signal?: AbortSignal;
}

/**
 * Looks again and again until `probe` gives something, and gives that. A probe that throws has not come yet.
 * @throws Error naming what did not come, with the last failure as its cause · the signal's reason when aborted
 */
export async function waitUntil<T>(probe: () => Promise<T | undefined>, patience: Patience): Promise<T> {
  const { clock, deadlineMs, everyMs, what, signal } = patience;
  const startedMs = clock.monotonicMs();
  let lastFailure: unknown;
  for (;;) {
    if (signal?.aborted === true) throw abortReason(signal);
    try {
      const found = await probe();
      if (found !== undefined) return found;
      lastFailure = undefined;
    } catch (error) {
      lastFailure = error;
    }
    if (clock.monotonicMs() - startedMs >= deadlineMs) {
      throw new Error(
        `${what} did not come within ${deadlineMs / 1000} s`,
        lastFailure === undefined ? {} : { cause: lastFailure },
      );
    }
    await sleep(clock, everyMs, signal);
  }
}
