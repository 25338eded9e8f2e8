import type { Clock, Instant } from '../../foundation/clock.ts';
import { emptyBasket } from '../../sync/contract/basket.ts';
import type { Basket } from '../../sync/contract/basket.ts';
import type { BlindIndex, BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { Credential } from '../../sync/contract/credential.ts';
import { evaluateSale } from '../../sync/contract/earn.ts';
import type { OfferView } from '../../sync/contract/offer.ts';
import type { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';
import { ageOf } from '../age.ts';
import type { Identification } from '../api/events.ts';
import type { IdentifiedAs } from '../sale/identified.ts';
import { isTooOld } from '../sale/rule-book.ts';
import type { RuleBook } from '../sale/rule-book.ts';
import { identificationView } from '../sale/sale-view.ts';
import { decide } from './decide.ts';
import { holdsEverything, isFinal } from './finality.ts';
import { findCredential } from './find-credential.ts';
import type { FoundCards } from './found-cards.ts';
import type { LookupOutcome } from './online-lookup.ts';
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
  /** Since the replica last held all the server had; null before it ever did, and after the clock was set back. */
  readonly replicaAgeMs: number | null;
  readonly tookMs: number;
  /** Known from a replica that may have missed a block: it earns, and no more before the server has answered. */
  readonly unproven?: true;
  /** There when only the server can tell: the number's blind indexes, oldest first, to ask it with. */
  readonly ask?: readonly BlindIndex[];
}

/**
 * Finds out whose a credential is, from this machine alone: one keyed hash and two point reads.
 *
 * What a replica holds that never caught up is told at once, and asked for as well.
 *
 *   replica ──not held──▶ told in the last minutes ──no──▶ whole and fresh? ─yes─▶ unknown
 *                                                               └─no─▶ unreached, and may be asked for
 */
export class Identifier {
  readonly #indexer: BlindIndexer;
  readonly #replica: ReplicaView;
  readonly #rules: () => RuleBook;
  readonly #clock: Clock;
  readonly #found: FoundCards | undefined;

  constructor(ports: {
    readonly indexer: BlindIndexer;
    readonly replica: ReplicaView;
    /** The rules in force; asked anew each time. */
    readonly rules: () => RuleBook;
    readonly clock: Clock;
    /** What the server told of cards that are not here; absent where it is never asked. */
    readonly found?: FoundCards;
  }) {
    this.#indexer = ports.indexer;
    this.#replica = ports.replica;
    this.#rules = ports.rules;
    this.#clock = ports.clock;
    this.#found = ports.found;
  }

  /** @param basket what has been scanned already, when a sale is open */
  identify(credential: Credential, basket?: Basket): IdentificationResult {
    const startedMs = this.#clock.monotonicMs();
    const now = this.#clock.now();
    const rules = this.#rules();
    const forms = this.#indexer.formsOf(credential);
    const { index, held } = findCredential(this.#replica, forms);
    const owner =
      held === undefined || held.customerId === null ? undefined : this.#replica.customer(held.customerId);
    const as = decide(held, owner, { now, stale: rules.stale });
    const isUnproven = as.verdict === 'known' && this.#replica.caughtUpAt === null;
    if (as.verdict !== 'unknown' && !isUnproven) {
      return this.#result(startedMs, index, as, basket, rules, now);
    }
    const found = this.#found?.find(forms[0] ?? '');
    if (found !== undefined) {
      const told = this.#asTold(found.credential, found.customer, found.toldAt, rules, now);
      return this.#result(startedMs, heldIndex(found.credential, forms), told, basket, rules, now);
    }
    if (isUnproven) {
      return { ...this.#result(startedMs, index, as, basket, rules, now), unproven: true, ask: forms };
    }
    const replica = {
      caughtUpAt: this.#replica.caughtUpAt,
      holdsEverything: holdsEverything(rules.programme),
    };
    if (isFinal(replica, now)) return this.#result(startedMs, index, as, basket, rules, now);
    const unreached = this.#result(startedMs, index, { verdict: 'unreached' }, basket, rules, now);
    return { ...unreached, ask: forms };
  }

  /**
   * What the server's answer makes of it. Somebody found is remembered for a while.
   * @param forms as in {@link IdentificationResult.ask}
   */
  settle(forms: readonly BlindIndex[], outcome: LookupOutcome, basket?: Basket): IdentificationResult {
    const startedMs = this.#clock.monotonicMs();
    const now = this.#clock.now();
    const rules = this.#rules();
    const [oldest = ''] = forms;
    if (outcome.kind === 'unanswered') {
      return this.#result(startedMs, oldest, { verdict: 'unreached' }, basket, rules, now);
    }
    const { credential, customer, toldAt } = outcome;
    const as = this.#asTold(credential, customer, toldAt, rules, now);
    if (as.verdict === 'known' && credential !== null && customer !== null) {
      this.#found?.keep(oldest, { credential, customer, toldAt });
    }
    return this.#result(startedMs, heldIndex(credential, forms), as, basket, rules, now);
  }

  #asTold(
    credential: CredentialDocument | null,
    customer: CustomerDocument | null,
    toldAt: Instant,
    rules: RuleBook,
    now: Instant,
  ): IdentifiedAs {
    const stale = isTooOld(toldAt, rules, now);
    const as = decide(credential ?? undefined, customer ?? undefined, { now, stale });
    return as.verdict === 'known' ? { ...as, toldAt } : as;
  }

  #result(
    startedMs: number,
    index: BlindIndex,
    as: IdentifiedAs,
    basket: Basket | undefined,
    rules: RuleBook,
    now: Instant,
  ): IdentificationResult {
    const { caughtUpAt } = this.#replica;
    return {
      index,
      as,
      identification: identificationView(as, rules.programme),
      offers: offersFor(as, basket, rules, now),
      currency: rules.programme?.currency ?? null,
      replicaAgeMs: ageOf(caughtUpAt, now),
      tookMs: this.#clock.monotonicMs() - startedMs,
    };
  }
}

/** The index the server holds the card under, when this till can make it too; else the oldest. */
function heldIndex(credential: CredentialDocument | null, forms: readonly BlindIndex[]): BlindIndex {
  return forms.find((form) => form === credential?.index) ?? forms[0] ?? '';
}

function offersFor(
  as: IdentifiedAs,
  basket: Basket | undefined,
  rules: RuleBook,
  at: number,
): readonly OfferView[] {
  const { programme, offers } = rules;
  if (programme === undefined || as.verdict === 'blocked' || as.verdict === 'expired') return [];
  const toldAt = as.verdict === 'known' ? as.toldAt : undefined;
  const stale = toldAt === undefined ? rules.stale : isTooOld(toldAt, rules, at);
  return evaluateSale(programme, offers, {
    customer: as.verdict === 'known' ? as.customer : null,
    basket: basket ?? emptyBasket(programme.currency),
    at,
    stale,
  }).offers;
}
