import type { Instant } from '../foundation/clock.ts';

/** How far ahead of the clock a moment may lie that has passed: clocks are set by as much all the time, ms. */
const AHEAD_MAX_MS = 60_000;

/**
 * How long ago something was, ms, never negative; null when it cannot be told: it never was, or it lies ahead, so that
 * the clock was set back since. How long ago it really was is then known to nobody, and nothing may rely on its being new.
 */
export function ageOf(at: Instant | null, now: Instant): number | null {
  return at === null || at - now > AHEAD_MAX_MS ? null : Math.max(0, now - at);
}

/** Whether something was no longer ago than `withinMs`, for certain. */
export function isWithin(at: Instant | null, now: Instant, withinMs: number): boolean {
  const ageMs = ageOf(at, now);
  return ageMs !== null && ageMs <= withinMs;
}
