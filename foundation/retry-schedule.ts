import type { Random } from './random.ts';

/** When to try again: exponential, capped, jittered, so a fleet that lost its server does not return in step. */
export interface RetrySchedule {
  /** Upper bound of the first wait, ms. */
  readonly firstMs: number;
  /** Upper bound of every wait, ms. */
  readonly maxMs: number;
}

/**
 * The wait before retry number `attempt` (0 = first), in ms: uniform between half and the whole of
 * min(maxMs, firstMs · 2^attempt).
 */
export function retryDelayMs(schedule: RetrySchedule, attempt: number, random: Random): number {
  const boundMs = Math.min(schedule.maxMs, schedule.firstMs * 2 ** Math.min(attempt, 30));
  return boundMs * (0.5 + random.next() / 2);
}
