import type { Clock, Instant } from '../../foundation/clock.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { FeedUrgent } from '../../sync/contract/messages.ts';
import type { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';

/** A card with an owner that is not on this till, as the server told of it. */
export interface FoundCard {
  readonly credential: CredentialDocument;
  readonly customer: CustomerDocument;
  readonly toldAt: Instant;
}

/** What must hold at once. */
export type UrgentNews = Omit<FeedUrgent, 'position'>;

export interface FoundCardLimits {
  readonly cardsMax: number;
  /** How long a card is remembered, ms. */
  readonly keptMs: number;
}

const defaultLimits: FoundCardLimits = { cardsMax: 1_000, keptMs: 10 * 60_000 };

/**
 * Cards the server told of in the last minutes, so that the same card a moment later needs no second question. In memory
 * alone, and forgotten with the first urgent word about them.
 */
export class FoundCards {
  readonly #clock: Clock;
  readonly #limits: FoundCardLimits;
  readonly #byIndex = new Map<BlindIndex, { readonly found: FoundCard; readonly atMs: number }>();

  constructor(clock: Clock, limits: FoundCardLimits = defaultLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Cards remembered, those included whose time is over but which nothing has pushed out yet. */
  get size(): number {
    return this.#byIndex.size;
  }

  /** @param index the one it was asked for by; the oldest card goes when there are too many */
  keep(index: BlindIndex, found: FoundCard): void {
    this.#byIndex.delete(index);
    this.#byIndex.set(index, { found, atMs: this.#clock.monotonicMs() });
    if (this.#byIndex.size <= this.#limits.cardsMax) return;
    const oldest = this.#byIndex.keys().next();
    if (oldest.done !== true) this.#byIndex.delete(oldest.value);
  }

  /** @param index the one it was asked for by */
  find(index: BlindIndex): FoundCard | undefined {
    const held = this.#byIndex.get(index);
    if (held === undefined) return undefined;
    if (this.#clock.monotonicMs() - held.atMs < this.#limits.keptMs) return held.found;
    this.#byIndex.delete(index);
    return undefined;
  }

  /** Forgets what it speaks of: blocked cards, changed consents, customers who are gone. */
  heard({ credentials, customers, erased }: UrgentNews): void {
    if (this.#byIndex.size === 0) return;
    const indexes = new Set([...credentials.map(({ index }) => index), ...(erased?.credentials ?? [])]);
    const ids = new Set([...customers.map(({ id }) => id), ...(erased?.customers ?? [])]);
    for (const [index, { found }] of this.#byIndex) {
      const { credential, customer } = found;
      if (indexes.has(index) || indexes.has(credential.index) || ids.has(customer.id)) {
        this.#byIndex.delete(index);
      }
    }
  }

  /** Forgets everything, as after a time in which urgent news may have been missed. */
  clear(): void {
    this.#byIndex.clear();
  }
}
