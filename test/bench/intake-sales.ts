import { SeededRandom, uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { Instant } from '../../foundation/clock.ts';
import { cardNumber } from '../../simulator/card-numbers.ts';
import { demoArticles, demoOffers, demoProgramme } from '../../simulator/demo-programme.ts';
import type { Basket } from '../../sync/contract/basket.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { evaluateSale } from '../../sync/contract/earn.ts';
import { genesisHash, sealEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';
import type { SaleCompleted } from '../../sync/contract/transaction.ts';

/** Of ten sales: with the card of a customer, with a card nobody has yet; the others without any. */
const KNOWN = 6;
const UNKNOWN = 1;
const LINES = 5;
const STORE = 'store-1';

/** Who buys: customers are numbered from nothing, each has one card. */
export interface Shoppers {
  readonly customers: number;
  readonly indexer: BlindIndexer;
  /** When programme and offers were made, and every sale is. */
  readonly at: Instant;
}

/** The id of the nth customer. */
export function customerId(nth: number, at: Instant): string {
  return uuidV7(at, new SeededRandom(nth + 1));
}

/** The house card of the nth customer; those past the last are nobody's. */
export function cardOf(nth: number): string {
  return cardNumber('house', nth + 1).number;
}

/** A till's journal that grows by sales of {@link LINES} lines, sealed as a till seals them. */
export class SellingTill {
  readonly owner: JournalOwner;
  readonly #shoppers: Shoppers;
  readonly #random: Random;
  readonly #offers: ReturnType<typeof demoOffers>;
  #last: Pick<JournalEntry, 'seq' | 'hash'>;

  constructor(till: string, shoppers: Shoppers, random: Random) {
    this.owner = { till, incarnation: uuidV7(shoppers.at, random) };
    this.#shoppers = shoppers;
    this.#random = random;
    this.#offers = demoOffers(shoppers.at);
    this.#last = { seq: 0, hash: genesisHash(this.owner) };
  }

  /** The next entry. */
  sell(): JournalEntry {
    const { at } = this.#shoppers;
    const basket = this.#basket();
    const customer = this.#customer();
    // A member of the first tier, or a card nobody has, as the till would see them.
    const known = customer === null || customer.customerId === null ? null : { tier: 'basic', purposes: [] };
    const nobody = { programmeVersion: demoProgramme.version, base: 0, bonuses: [] };
    const earned =
      customer === null
        ? nobody
        : evaluateSale(demoProgramme, this.#offers, { customer: known, basket, at, stale: false }).earned;
    const saleId = uuidV7(at, this.#random);
    const entry = sealEntry(this.#last, uuidV7(at, this.#random), {
      kind: 'sale.completed',
      saleId,
      storeId: STORE,
      at,
      basket,
      customer,
      earned,
    });
    this.#last = entry;
    return entry;
  }

  #customer(): SaleCompleted['customer'] {
    const { customers, indexer, at } = this.#shoppers;
    const drawn = this.#random.next() * 10;
    if (drawn >= KNOWN + UNKNOWN) return null;
    const isKnown = drawn < KNOWN;
    const nth = Math.floor(this.#random.next() * customers) + (isKnown ? 0 : customers);
    return {
      index: indexer.index('card', cardOf(nth)),
      kind: 'card',
      trust: 'L1',
      customerId: isKnown ? customerId(nth, at) : null,
    };
  }

  #basket(): Basket {
    const lines = Array.from({ length: LINES }, (_, i) => {
      const article = demoArticles[Math.floor(this.#random.next() * demoArticles.length)] ?? demoArticles[0];
      const pieces = 1 + Math.floor(this.#random.next() * 3);
      return {
        id: String(i + 1),
        article: article.gtin,
        category: article.category,
        quantityMilli: pieces * 1_000,
        totalMinor: pieces * article.priceMinor,
      };
    });
    const totalMinor = lines.reduce((sum, line) => sum + line.totalMinor, 0);
    return { currency: demoProgramme.currency, lines, totalMinor };
  }
}
