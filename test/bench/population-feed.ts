import type { Instant } from '../../foundation/clock.ts';
import { demoOffers, demoProgramme } from '../../simulator/demo-programme.ts';
import type { Population } from '../../simulator/population.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { FeedPage, FeedPosition } from '../../sync/contract/feed.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  ReplicaCollection,
} from '../../sync/contract/replica-documents.ts';

/** Whose document is the nth of a collection. */
interface Place {
  readonly key: string;
  readonly ordinal: number;
  /** Which of the customer's cards. */
  readonly nth: number;
}

/**
 * A population as a server's feed has it: page after page, in the order of the documents' ids, in which they load
 * fastest. Only ids and ordinals are held; the documents are made when they are asked for.
 */
export class PopulationFeed {
  readonly #population: Population;
  readonly #customers: readonly Place[];
  readonly #credentials: readonly Place[];
  readonly #now: Instant;

  constructor(population: Population, indexer: BlindIndexer, now: Instant) {
    this.#population = population;
    this.#now = now;
    const customers: Place[] = [];
    const credentials: Place[] = [];
    for (const { id, ordinal, cards } of population.members()) {
      customers.push({ key: id, ordinal, nth: 0 });
      for (const [nth, { kind, number }] of cards.entries()) {
        credentials.push({ key: indexer.index(kind, number), ordinal, nth });
      }
    }
    this.#customers = sorted(customers);
    this.#credentials = sorted(credentials);
  }

  /** What comes after a position, at most `limit` documents. */
  async pull(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage> {
    const from = after?.seq ?? 0;
    const { documents, total } = this.#documents(collection, from, limit);
    const seq = from + documents.length;
    return {
      documents: documents.map((document) => ({ ...document, _deleted: false })),
      position: { epoch: 'bench', xid: '1', seq },
      more: seq < total,
    };
  }

  /** How many documents a collection holds. */
  total(collection: ReplicaCollection): number {
    return this.#documents(collection, 0, 0).total;
  }

  /** A document by its place in the order of the keys. */
  nth(collection: ReplicaCollection, place: number): object {
    const [document] = this.#documents(collection, place, 1).documents;
    if (document === undefined) throw new RangeError(`${collection} holds no document ${place}`);
    return document;
  }

  #documents(
    collection: ReplicaCollection,
    from: number,
    limit: number,
  ): { readonly documents: readonly object[]; readonly total: number } {
    const page = <T extends object>(all: readonly Place[], make: (place: Place) => T) => ({
      documents: all.slice(from, from + limit).map(make),
      total: all.length,
    });
    switch (collection) {
      case 'customers':
        return page(this.#customers, ({ ordinal }) => this.#customer(ordinal));
      case 'credentials':
        return page(this.#credentials, (place) => this.#credential(place));
      case 'offers': {
        const offers = demoOffers(this.#now);
        return { documents: offers.slice(from, from + limit), total: offers.length };
      }
      case 'programme':
        return { documents: from === 0 ? [demoProgramme] : [], total: 1 };
    }
  }

  #customer(ordinal: number): CustomerDocument {
    const { id, status, tier, purposes, joinedAt } = this.#population.member(ordinal);
    const greeting = purposes.includes('greeting') ? `Gast ${ordinal % 1000}` : null;
    const points = (ordinal * 37) % 10_000;
    return { id, status, tier, points, pointsAt: joinedAt, purposes: [...purposes], greeting };
  }

  #credential({ key, ordinal, nth }: Place): CredentialDocument {
    const { id, cards } = this.#population.member(ordinal);
    const card = cards[nth];
    if (card === undefined) throw new Error('the same customer has other cards when made again');
    const { kind, status, validUntil } = card;
    return { index: key, kind, customerId: id, status, validUntil };
  }
}

/** Sorted by UTF-16 code units, which for ASCII is SQLite's order too. */
function sorted(places: Place[]): Place[] {
  return places.sort((a, b) => (a.key < b.key ? -1 : 1));
}
