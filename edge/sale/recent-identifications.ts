import type { Clock } from '../../foundation/clock.ts';
import type { Identified } from './identified.ts';

/** Identifications kept so that the POS can attach one to another sale than the till would. */
const REMEMBERED_MAX = 100;

/**
 * Identifications of the last moments: all of them for a while, so that they can be attached by id, and the one that
 * came while no sale was open, which waits for the next sale. Both end by monotonic time; none is ever stored.
 */
export class RecentIdentifications {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #rememberMs: number;
  readonly #byId = new Map<string, { readonly identified: Identified; readonly atMs: number }>();
  #waiting: { readonly identified: Identified; readonly atMs: number } | undefined;

  constructor(clock: Clock, waitMs: number, rememberMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#rememberMs = rememberMs;
  }

  remember(identified: Identified): void {
    if (this.#byId.size >= REMEMBERED_MAX) {
      const oldest = this.#byId.keys().next();
      if (oldest.done === false) this.#byId.delete(oldest.value);
    }
    this.#byId.set(identified.identificationId, { identified, atMs: this.#clock.monotonicMs() });
  }

  byId(identificationId: string): Identified | undefined {
    const found = this.#byId.get(identificationId);
    return found !== undefined && this.#isWithin(found.atMs, this.#rememberMs) ? found.identified : undefined;
  }

  /** More is known of one from now on, in place and for as long as before. */
  change(identificationId: string, change: Partial<Pick<Identified, 'as' | 'index' | 'trust'>>): void {
    const found = this.#byId.get(identificationId);
    if (found === undefined) return;
    const identified = { ...found.identified, ...change };
    this.#byId.set(identificationId, { ...found, identified });
    if (this.#waiting?.identified === found.identified) this.#waiting = { ...this.#waiting, identified };
  }

  /** Lets an identification wait for the next sale; it takes the place of one that waited before. */
  wait(identified: Identified): void {
    this.#waiting = { identified, atMs: this.#clock.monotonicMs() };
  }

  /** The one that waits and has not waited too long. */
  get waiting(): Identified | undefined {
    const waiting = this.#waiting;
    return waiting !== undefined && this.#isWithin(waiting.atMs, this.#waitMs)
      ? waiting.identified
      : undefined;
  }

  /** How long that one has waited, ms. */
  get waitedMs(): number {
    return this.#waiting === undefined ? 0 : this.#clock.monotonicMs() - this.#waiting.atMs;
  }

  stopWaiting(): void {
    this.#waiting = undefined;
  }

  #isWithin(atMs: number, limitMs: number): boolean {
    return this.#clock.monotonicMs() - atMs <= limitMs;
  }
}
