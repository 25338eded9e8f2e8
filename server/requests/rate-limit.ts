import type { Clock } from '../../foundation/clock.ts';

/** So many at once, and so many a second on average. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Buckets kept before those that are full again are forgotten. */
const BUCKETS_MAX = 50_000;

/** Limits how often each of many may do something. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** True when `who` may do it once more now. */
  take(who: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#buckets.size >= BUCKETS_MAX) this.#forgetFull(nowMs);
    const bucket = this.#buckets.get(who) ?? { tokens: this.#rate.burst, atMs: nowMs };
    bucket.tokens = this.#tokens(bucket, nowMs);
    bucket.atMs = nowMs;
    this.#buckets.set(who, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #tokens(bucket: { readonly tokens: number; readonly atMs: number }, nowMs: number): number {
    const refilled = bucket.tokens + ((nowMs - bucket.atMs) * this.#rate.perSecond) / 1_000;
    return Math.min(this.#rate.burst, refilled);
  }

  #forgetFull(nowMs: number): void {
    for (const [who, bucket] of this.#buckets) {
      if (this.#tokens(bucket, nowMs) >= this.#rate.burst) this.#buckets.delete(who);
    }
  }
}
