import type { Clock } from '../../foundation/clock.ts';

/** So many at once, and so many a second on average. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Buckets kept. Who has not asked for the longest is forgotten, and begins with a full one should they come back. */
const BUCKETS_MAX = 50_000;

/** Limits how often each of many may do something. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #bucketsMax: number;
  /** In the order of their last question. */
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(rate: Rate, clock: Clock, bucketsMax = BUCKETS_MAX) {
    this.#rate = rate;
    this.#clock = clock;
    this.#bucketsMax = bucketsMax;
  }

  /** True when `who` may do it once more now. */
  take(who: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(who) ?? { tokens: this.#rate.burst, atMs: nowMs };
    bucket.tokens = this.#tokens(bucket, nowMs);
    bucket.atMs = nowMs;
    this.#buckets.delete(who);
    this.#buckets.set(who, bucket);
    if (this.#buckets.size > this.#bucketsMax) this.#forgetOldest();
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #tokens(bucket: { readonly tokens: number; readonly atMs: number }, nowMs: number): number {
    const refilled = bucket.tokens + ((nowMs - bucket.atMs) * this.#rate.perSecond) / 1_000;
    return Math.min(this.#rate.burst, refilled);
  }

  #forgetOldest(): void {
    const { value } = this.#buckets.keys().next();
    if (value !== undefined) this.#buckets.delete(value);
  }
}
