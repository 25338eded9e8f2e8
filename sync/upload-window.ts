import type { Random } from '../foundation/random.ts';
import type { RetrySchedule } from '../foundation/retry-schedule.ts';
import { retryDelayMs } from '../foundation/retry-schedule.ts';

export interface UploadLimits {
  /** Batches sent and not confirmed at one time; one only while the server does not answer. */
  readonly windowBatches: number;
  readonly batchEntries: number;
  /** Sum of the entries' bodies in a batch, in characters; a single longer entry travels alone. */
  readonly batchChars: number;
  /** How long a batch may stay without a receipt before everything after the confirmed position is sent again. */
  readonly resend: RetrySchedule;
  /** A batch the server reports missing is sent again once it has been under way for so long. */
  readonly holeGraceMs: number;
}

export const defaultUploadLimits: UploadLimits = {
  windowBatches: 4,
  batchEntries: 200,
  batchChars: 128 * 1024,
  resend: { firstMs: 10_000, maxMs: 300_000 },
  holeGraceMs: 1_000,
};

/** Entries on their way. */
interface Flight {
  readonly from: number;
  readonly to: number;
  readonly sentAtMs: number;
  dueAtMs: number;
  /** The server has later entries but not these. */
  missing: boolean;
}

export type Due =
  | { readonly kind: 'none' }
  | { readonly kind: 'again'; readonly from: number; readonly to: number };

/**
 * What to send next, and when to send it again. Knows sequence numbers and monotonic time only.
 *
 * ```
 *   1 … acked │ acked+1 … next-1 │ next … last
 *   confirmed │     in flight     │ not sent yet
 *             ◀── rewind ─────────┘   nothing heard for too long, or the connection broke
 * ```
 *
 * Sending begins with the last confirmed entry: it costs little, and its receipt shows whether the server still has
 * what it confirmed before.
 */
export class UploadWindow {
  readonly #limits: UploadLimits;
  readonly #random: Random;
  #acked: number;
  #next: number;
  #flights: Flight[] = [];
  #attempt = 0;

  constructor(confirmedSeq: number, limits: UploadLimits, random: Random) {
    this.#limits = limits;
    this.#random = random;
    this.#acked = confirmedSeq;
    this.#next = Math.max(1, confirmedSeq);
  }

  /** The server has everything up to here. */
  get acked(): number {
    return this.#acked;
  }

  /** How often everything was sent again since anything was heard. */
  get attempts(): number {
    return this.#attempt;
  }

  /** The first entry to send, or undefined while enough is under way. */
  get nextSeq(): number | undefined {
    const window = this.#attempt === 0 ? this.#limits.windowBatches : 1;
    return this.#flights.length < window ? this.#next : undefined;
  }

  /** When something may fall due, in monotonic ms. */
  get dueAtMs(): number | undefined {
    return this.#flights.length === 0
      ? undefined
      : Math.min(...this.#flights.map((flight) => flight.dueAtMs));
  }

  sent(from: number, to: number, nowMs: number): void {
    this.#flights.push({ from, to, sentAtMs: nowMs, dueAtMs: this.#due(nowMs), missing: false });
    this.#next = Math.max(this.#next, to + 1);
  }

  /** The server has everything up to `contiguous`, which is not less than it had. */
  ack(contiguous: number, nowMs: number): void {
    const open = this.#flights.filter((flight) => flight.to > contiguous);
    const answered = open.length < this.#flights.length || contiguous > this.#acked;
    this.#flights = open;
    this.#acked = contiguous;
    this.#next = Math.max(this.#next, contiguous + 1);
    if (!answered) return;
    this.#attempt = 0;
    for (const flight of open) flight.dueAtMs = Math.max(flight.dueAtMs, this.#due(nowMs));
  }

  /** The server lacks entries although it has later ones. */
  missing(from: number, to: number): void {
    let covered = false;
    for (const flight of this.#flights) {
      if (flight.to < from || flight.from > to) continue;
      covered = true;
      flight.missing = true;
      flight.dueAtMs = Math.min(flight.dueAtMs, flight.sentAtMs + this.#limits.holeGraceMs);
    }
    if (!covered && from < this.#next) this.rewind(this.#acked);
  }

  /** Everything after `contiguous` is to be sent again. */
  rewind(contiguous: number): void {
    this.#acked = contiguous;
    this.#flights = [];
    this.#next = Math.max(1, contiguous);
  }

  /**
   * What has fallen due: a batch the server reported missing, to be sent again; or, when nothing was heard for too
   * long, everything, from the confirmed position and more slowly.
   */
  takeDue(nowMs: number): Due {
    const due = this.#flights.filter((flight) => flight.dueAtMs <= nowMs);
    const missing = due.find((flight) => flight.missing);
    if (missing !== undefined) {
      this.#flights = this.#flights.filter((flight) => flight !== missing);
      return { kind: 'again', from: missing.from, to: missing.to };
    }
    if (due.length > 0) {
      this.#attempt += 1;
      this.rewind(this.#acked);
    }
    return { kind: 'none' };
  }

  #due(nowMs: number): number {
    return nowMs + retryDelayMs(this.#limits.resend, this.#attempt, this.#random);
  }
}
