import { StammkundeError } from '../../../foundation/errors.ts';
import type { FeedPage, FeedPosition } from '../../../sync/contract/feed.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  ReplicaCollection,
  ReplicaDocuments,
} from '../../../sync/contract/replica-documents.ts';
import { replicaCollectionNames, replicaCollections } from '../../../sync/contract/replica-documents.ts';
import type { FeedSource, RangeSource } from '../../../edge/replica/feed-source.ts';
import {
  EMPTY_BUCKET,
  RANGE_BUCKETS,
  bucketOf,
  combine,
  documentHash,
  hashToHex,
} from '../../../sync/contract/range-hash.ts';
import { RANGE_CHANGED_MAX } from '../../../sync/contract/ranges.ts';
import type { BucketAnswer, RangesAnswer } from '../../../sync/contract/ranges.ts';

type Change = FeedPage['documents'][number];

interface Ask {
  readonly collection: ReplicaCollection;
  readonly after: FeedPosition | null;
  readonly limit: number;
}

/**
 * A server's feed in memory: each collection a log of changes in which a document stands once, at its last change.
 * Positions are (xid, 0) in an epoch, as the real server's are.
 */
export class FeedServer implements FeedSource, RangeSource {
  epoch = 'first';
  /** Every pull, in order. */
  readonly asked: Ask[] = [];
  /** Every comparison, and every bucket that was fetched, in order. */
  readonly compared: ReplicaCollection[] = [];
  readonly fetched: { readonly collection: ReplicaCollection; readonly bucket: number }[] = [];
  /** Called before each answer to a comparison; may throw or wait. */
  beforeRanges: (collection: ReplicaCollection) => void | Promise<void> = () => {};
  /** What is deleted up to this xid is forgotten: who asks from before it must load everything. */
  purgedUpTo = 0;
  /** Called before each answer; may throw or wait. */
  beforeAnswer: (ask: Ask) => void | Promise<void> = () => {};
  /** What each document goes through on its way out. */
  onTheWay: (change: Change) => Change = (change) => change;
  readonly #changes: Record<
    ReplicaCollection,
    Map<string, { readonly xid: number; readonly change: Change }>
  > = {
    credentials: new Map(),
    customers: new Map(),
    offers: new Map(),
    programme: new Map(),
  };
  #xid = 100;

  put<C extends ReplicaCollection>(collection: C, ...documents: readonly ReplicaDocuments[C][]): void {
    for (const document of documents) this.#change(collection, { ...document, _deleted: false });
  }

  remove(collection: ReplicaCollection, id: string): void {
    this.#change(collection, { [replicaCollections[collection].primaryKey]: id, _deleted: true });
  }

  /** The documents a complete replica has. */
  live(collection: ReplicaCollection): readonly Change[] {
    return [...this.#changes[collection].values()]
      .filter(({ change }) => !change._deleted)
      .map(({ change: { _deleted, ...document } }) => document as Change);
  }

  /** Where the feed of a collection ends. */
  head(collection: ReplicaCollection): FeedPosition {
    const last = [...this.#changes[collection].values()].at(-1);
    return { epoch: this.epoch, xid: String(last?.xid ?? 0), seq: 0 };
  }

  /** The server is restored or replaced: the same documents, another history. */
  startEpoch(epoch: string): void {
    this.epoch = epoch;
    const all = replicaCollectionNames.map((name) => [name, [...this.#changes[name].values()]] as const);
    this.#xid = 100;
    for (const [name, changes] of all) {
      this.#changes[name].clear();
      for (const { change } of changes) this.#change(name, change);
    }
  }

  /** Pulls of a collection so far. */
  asks(collection: ReplicaCollection): readonly Ask[] {
    return this.asked.filter((ask) => ask.collection === collection);
  }

  async pull(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage> {
    const ask = { collection, after, limit };
    this.asked.push(ask);
    await this.beforeAnswer(ask);
    if (after !== null && after.epoch !== this.epoch) {
      throw new StammkundeError('REP_EPOCH_CHANGED', `${collection} continues in another history`);
    }
    const from = Number(after?.xid ?? 0);
    if (after !== null && from < this.purgedUpTo) {
      throw new StammkundeError(
        'REP_SNAPSHOT_REQUIRED',
        `what is gone from ${collection} is not known any more`,
      );
    }
    const later = [...this.#changes[collection].values()].filter(({ xid }) => xid > from);
    const page = later.slice(0, limit);
    const xid = String(page.at(-1)?.xid ?? from);
    return {
      documents: page.map(({ change }) => this.onTheWay(change)),
      position: { epoch: this.epoch, xid, seq: 0 },
      more: later.length > limit,
    };
  }

  /** Forgets what was deleted so far, as a server does after its horizon. */
  purge(): void {
    for (const name of replicaCollectionNames) {
      for (const [key, { change }] of this.#changes[name]) {
        if (change._deleted) this.#changes[name].delete(key);
      }
    }
    this.purgedUpTo = this.#xid;
  }

  async ranges(collection: ReplicaCollection, at: FeedPosition): Promise<RangesAnswer> {
    this.compared.push(collection);
    await this.beforeRanges(collection);
    if (at.epoch !== this.epoch) {
      throw new StammkundeError('REP_EPOCH_CHANGED', `${collection} continues in another history`);
    }
    const buckets = Array.from({ length: RANGE_BUCKETS }, () => EMPTY_BUCKET);
    const changed: string[] = [];
    for (const [key, { xid, change }] of this.#changes[collection]) {
      const bucket = bucketOf(key);
      if (xid > Number(at.xid)) changed.push(key);
      else if (!change._deleted) {
        const hash = documentHash(collection, change);
        buckets[bucket] = combine(buckets[bucket] ?? EMPTY_BUCKET, { hash, count: 1 });
      }
    }
    if (changed.length > RANGE_CHANGED_MAX) return { kind: 'feed.ranges', behind: true };
    return {
      kind: 'feed.ranges',
      behind: false,
      buckets: buckets.map(({ hash, count }): [string, number] => [hashToHex(hash), count]),
      changed,
    };
  }

  async bucket(
    collection: ReplicaCollection,
    bucket: number,
    after: string | null,
    limit: number,
  ): Promise<BucketAnswer> {
    if (after === null) this.fetched.push({ collection, bucket });
    const keys = [...this.#changes[collection]]
      .filter(([key, { change }]) => !change._deleted && bucketOf(key) === bucket && key > (after ?? ''))
      .map(([key]) => key)
      .toSorted((a, b) => (a < b ? -1 : 1));
    const page = keys.slice(0, limit);
    return {
      kind: 'feed.bucket',
      documents: page.flatMap((key) => this.#changes[collection].get(key)?.change ?? []).map(this.onTheWay),
      next: keys.length > limit ? (page.at(-1) ?? null) : null,
      at: this.head(collection),
    };
  }

  #change(collection: ReplicaCollection, change: Change): void {
    const key = String(change[replicaCollections[collection].primaryKey]);
    this.#xid += 1;
    this.#changes[collection].delete(key);
    this.#changes[collection].set(key, { xid: this.#xid, change });
  }
}

export function customerId(n: number): string {
  return `0199a000-0000-7000-8000-${String(n).padStart(12, '0')}`;
}

export function cardIndex(n: number): string {
  return Buffer.from(String(n).padStart(32, '0')).toString('base64url');
}

export function customer(n: number, more: Partial<CustomerDocument> = {}): CustomerDocument {
  return {
    id: customerId(n),
    status: 'active',
    tier: 'basic',
    points: n,
    pointsAt: 1_700_000_000_000 + n,
    purposes: ['personal_offers'],
    greeting: null,
    ...more,
  };
}

export function credential(n: number, more: Partial<CredentialDocument> = {}): CredentialDocument {
  return {
    index: cardIndex(n),
    kind: 'card',
    customerId: customerId(n),
    status: 'active',
    validUntil: null,
    ...more,
  };
}

export const offer: OfferDocument = {
  id: 'autumn',
  title: { de: 'Herbst', en: 'Autumn' },
  validFrom: 1_600_000_000_000,
  validUntil: 1_900_000_000_000,
  reward: { kind: 'points', points: 50 },
};

export const programme: ProgrammeDocument = {
  id: 'programme',
  version: 1,
  currency: 'EUR',
  earn: { points: 1, perMinor: 100, excludedCategories: [] },
  tiers: [{ id: 'basic', name: { de: 'Basis', en: 'Basic' }, earnPercent: 100 }],
  staleAfterMs: 3_600_000,
};

/** A server with so many customers, a card each, an offer and the programme. */
export function shopServer(customers: number): FeedServer {
  const server = new FeedServer();
  for (let n = 0; n < customers; n += 1) {
    server.put('customers', customer(n));
    server.put('credentials', credential(n));
  }
  server.put('offers', offer);
  server.put('programme', programme);
  return server;
}
