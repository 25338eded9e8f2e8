import type { Clock } from '../../foundation/clock.ts';

/** How far the wall clock may be from what the server told, plus the time since. */
const DRIFT_MAX_MS = 60_000;
/** Reliable time is written down no more often than this. */
const KEEP_EVERY_MS = 60_000;

export type ClockQuality = 'good' | 'bad';

/** Where the last reliable time is kept across restarts. */
export interface TimeKeeper {
  readonly trustedAt: number;
  trust(at: number): void;
}

/**
 * Whether this machine's wall clock can be relied on. It cannot when it stands before the last time the server told,
 * or when it moved more than a minute away from what the monotonic clock counts since: since the server last told, or,
 * while it has not, since the start. A minute is granted in both, for clocks are never quite alike; codes are remembered
 * longer than that. A till without a network whose clock was set forward while it was off is not found out.
 */
export class TrustedTime {
  readonly #clock: Clock;
  readonly #keeper: TimeKeeper;
  #anchor: { readonly at: number; readonly monotonicMs: number };
  #keptMonotonicMs = -Infinity;

  constructor(clock: Clock, keeper: TimeKeeper) {
    this.#clock = clock;
    this.#keeper = keeper;
    this.#anchor = { at: clock.now(), monotonicMs: clock.monotonicMs() };
  }

  /** The server told its time in an answer to a question just asked, so it is neither old nor someone else's. */
  told(at: number): void {
    const monotonicMs = this.#clock.monotonicMs();
    this.#anchor = { at, monotonicMs };
    if (monotonicMs - this.#keptMonotonicMs < KEEP_EVERY_MS && at >= this.#keeper.trustedAt) return;
    this.#keptMonotonicMs = monotonicMs;
    this.#keeper.trust(at);
  }

  /** To be called from time to time: what a good clock shows is kept, so that turning it back later is noticed. */
  tick(): void {
    const now = this.#clock.now();
    if (this.quality === 'good' && now >= this.#keeper.trustedAt + KEEP_EVERY_MS) this.#keeper.trust(now);
  }

  get quality(): ClockQuality {
    const now = this.#clock.now();
    if (now < this.#keeper.trustedAt - DRIFT_MAX_MS) return 'bad';
    const expected = this.#anchor.at + (this.#clock.monotonicMs() - this.#anchor.monotonicMs);
    return Math.abs(now - expected) > DRIFT_MAX_MS ? 'bad' : 'good';
  }
}
