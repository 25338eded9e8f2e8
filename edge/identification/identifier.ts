import type { Clock } from '../../foundation/clock.ts';
import { emptyBasket } from '../../sync/contract/basket.ts';
import type { Basket } from '../../sync/contract/basket.ts';
import type { BlindIndex, BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { Credential } from '../../sync/contract/credential.ts';
import { evaluateSale } from '../../sync/contract/earn.ts';
import type { OfferView } from '../../sync/contract/offer.ts';
import type { Identification } from '../api/events.ts';
import type { IdentifiedAs } from '../sale/identified.ts';
import type { RuleBook } from '../sale/rule-book.ts';
import { identificationView } from '../sale/sale-view.ts';
import { decide } from './decide.ts';
import { findCredential } from './find-credential.ts';
import type { ReplicaView } from './replica-view.ts';

/** The outcome of one identification, and how it came about. */
export interface IdentificationResult {
  readonly index: BlindIndex;
  readonly as: IdentifiedAs;
  /** The same as the local API tells it. */
  readonly identification: Identification;
  /** Those that fit first; none for a card that is blocked or expired. */
  readonly offers: readonly OfferView[];
  /** Of the amounts in the offers; null before the first programme. */
  readonly currency: string | null;
  /** Since the replica last held all the server had; null before the first complete pull. */
  readonly replicaAgeMs: number | null;
  readonly tookMs: number;
}

/** Finds out whose a credential is, from this machine alone: one keyed hash and two point reads. */
export class Identifier {
  readonly #indexer: BlindIndexer;
  readonly #replica: ReplicaView;
  readonly #rules: () => RuleBook;
  readonly #clock: Clock;

  constructor(ports: {
    readonly indexer: BlindIndexer;
    readonly replica: ReplicaView;
    /** The rules in force; asked anew each time. */
    readonly rules: () => RuleBook;
    readonly clock: Clock;
  }) {
    this.#indexer = ports.indexer;
    this.#replica = ports.replica;
    this.#rules = ports.rules;
    this.#clock = ports.clock;
  }

  /** @param basket what has been scanned already, when a sale is open */
  identify(credential: Credential, basket?: Basket): IdentificationResult {
    const startedMs = this.#clock.monotonicMs();
    const now = this.#clock.now();
    const rules = this.#rules();
    const { index, held } = findCredential(this.#replica, this.#indexer.formsOf(credential));
    const owner =
      held === undefined || held.customerId === null ? undefined : this.#replica.customer(held.customerId);
    const as = decide(held, owner, { now, stale: rules.stale });
    const { caughtUpAt } = this.#replica;
    return {
      index,
      as,
      identification: identificationView(as, rules.programme),
      offers: offersFor(as, basket, rules, now),
      currency: rules.programme?.currency ?? null,
      replicaAgeMs: caughtUpAt === null ? null : Math.max(0, now - caughtUpAt),
      tookMs: this.#clock.monotonicMs() - startedMs,
    };
  }
}

function offersFor(
  as: IdentifiedAs,
  basket: Basket | undefined,
  { programme, offers, stale }: RuleBook,
  at: number,
): readonly OfferView[] {
  if (programme === undefined || as.verdict === 'blocked' || as.verdict === 'expired') return [];
  return evaluateSale(programme, offers, {
    customer: as.verdict === 'known' ? as.customer : null,
    basket: basket ?? emptyBasket(programme.currency),
    at,
    stale,
  }).offers;
}
