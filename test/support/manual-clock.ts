import type { Clock, Instant } from '../../foundation/clock.ts';

/** A clock that stands still until told to move; wall clock and monotonic time can be moved apart. */
export class ManualClock implements Clock {
  #now: Instant;
  #monotonicMs = 0;
  #nextId = 0;
  readonly #timers = new Map<number, { readonly dueMs: number; readonly callback: () => void }>();

  constructor(now: Instant = Date.UTC(2026, 10, 22, 12)) {
    this.#now = now;
  }

  /** Whole milliseconds, as a machine's wall clock gives them. */
  now(): Instant {
    return Math.trunc(this.#now);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const id = this.#nextId++;
    this.#timers.set(id, { dueMs: this.#monotonicMs + Math.max(0, delayMs), callback });
    return () => void this.#timers.delete(id);
  }

  /** Waits that have been asked for and are not over. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Sets the wall clock alone, as a technician or a dead battery does. */
  setWallClock(now: Instant): void {
    this.#now = now;
  }

  /** The machine sleeps for `ms`: time goes on, timers do not. */
  sleepFor(ms: number): void {
    this.#move(this.#monotonicMs + ms);
    for (const [id, timer] of this.#timers) this.#timers.set(id, { ...timer, dueMs: timer.dueMs + ms });
  }

  /** Moves time by `ms`, firing what falls due in order and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].sort(([a, x], [b, y]) => x.dueMs - y.dueMs || a - b)[0];
      if (next === undefined || next[1].dueMs > untilMs) break;
      this.#timers.delete(next[0]);
      this.#move(next[1].dueMs);
      next[1].callback();
      await settle();
    }
    this.#move(untilMs);
    await settle();
  }

  #move(toMs: number): void {
    this.#now += toMs - this.#monotonicMs;
    this.#monotonicMs = toMs;
  }
}

/** Lets everything run that waits only for promises and immediates. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
