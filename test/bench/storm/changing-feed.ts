import type { Random } from '../../../foundation/random.ts';
import type { FeedHead, FeedPage, FeedPosition } from '../../../sync/contract/feed.ts';
import {
  bucketOf,
  combine,
  documentHash,
  EMPTY_BUCKET,
  hashToHex,
} from '../../../sync/contract/range-hash.ts';
import { keyOf, RANGE_BUCKETS } from '../../../sync/contract/range-hash.ts';
import type { BucketAnswer, BucketRequest, RangesAnswer } from '../../../sync/contract/ranges.ts';
import { replicaCollectionNames } from '../../../sync/contract/replica-documents.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';
import type { PopulationFeed } from '../population-feed.ts';

/** The collections that storms. */
const LARGE = ['customers', 'credentials'] as const;
type LargeCollection = (typeof LARGE)[number];

/** What was changed, by its place in the order of the keys. */
interface Change {
  readonly place: number;
  readonly document: object;
}

/**
 * The feed of a population in which things change: a position beyond the population's own documents counts the changes
 * since. All in memory, and made when asked for, so that what answers costs as little as may be beside what is measured.
 */
export class ChangingFeed {
  readonly #feed: PopulationFeed;
  readonly #random: Random;
  readonly #changes: Record<LargeCollection, Change[]> = { customers: [], credentials: [] };
  /** What differs from the population, by place. */
  readonly #latest: Record<LargeCollection, Map<number, object>> = {
    customers: new Map(),
    credentials: new Map(),
  };
  #rounds = 0;

  constructor(feed: PopulationFeed, random: Random) {
    this.#feed = feed;
    this.#random = random;
  }

  get heads(): FeedHead {
    const head = (collection: ReplicaCollection): FeedPosition => this.#position(this.#end(collection));
    return {
      heads: {
        credentials: head('credentials'),
        customers: head('customers'),
        offers: head('offers'),
        programme: head('programme'),
      },
    };
  }

  /** Changes documents drawn evenly, half of them customers, and adds them to the feed. */
  change(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const collection = LARGE[n % LARGE.length] ?? 'customers';
      this.#changes[collection].push(this.#alter(collection));
    }
  }

  /** Changes documents without a word in the feed: what only a comparison finds. */
  changeUnseen(count: number): void {
    for (let n = 0; n < count; n += 1) this.#alter(LARGE[n % LARGE.length] ?? 'customers');
  }

  async page(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage> {
    const from = after?.seq ?? 0;
    const total = this.#feed.total(collection);
    if (from < total) {
      const page = await this.#feed.pull(collection, after, limit);
      return { ...page, more: page.position.seq < this.#end(collection) };
    }
    const changes = isLarge(collection) ? this.#changes[collection] : [];
    const documents = changes
      .slice(from - total, from - total + limit)
      .map(({ document }) => ({ ...document, _deleted: false }));
    const seq = from + documents.length;
    return { documents, position: this.#position(seq), more: seq < this.#end(collection) };
  }

  /** Hashes of all that is there now; a till that is not at the end of the feed pulls first. */
  ranges(collection: ReplicaCollection, at: FeedPosition): RangesAnswer {
    if (at.seq < this.#end(collection)) return { kind: 'feed.ranges', behind: true };
    const buckets = Array.from({ length: RANGE_BUCKETS }, () => EMPTY_BUCKET);
    for (const document of this.#all(collection)) {
      const fields = { ...document };
      const bucket = bucketOf(keyOf(collection, fields));
      const change = { hash: documentHash(collection, fields), count: 1 };
      buckets[bucket] = combine(buckets[bucket] ?? EMPTY_BUCKET, change);
    }
    return {
      kind: 'feed.ranges',
      behind: false,
      buckets: buckets.map(({ hash, count }) => [hashToHex(hash), count]),
      changed: [],
    };
  }

  bucket({ collection, bucket, after, limit }: BucketRequest): BucketAnswer {
    const rest = this.#all(collection)
      .map((document) => ({ ...document, _deleted: false }))
      .filter((document) => {
        const key = keyOf(collection, document);
        return (after === null || key > after) && bucketOf(key) === bucket;
      });
    const documents = rest.slice(0, limit);
    const last = documents.at(-1);
    const next = last === undefined || rest.length <= limit ? null : keyOf(collection, last);
    return { kind: 'feed.bucket', documents, next, at: this.#position(this.#end(collection)) };
  }

  /** Documents of a collection as they are now, in the order of their keys. */
  #all(collection: ReplicaCollection): object[] {
    const latest = isLarge(collection) ? this.#latest[collection] : undefined;
    const total = this.#feed.total(collection);
    return Array.from(
      { length: total },
      (_, place) => latest?.get(place) ?? this.#feed.nth(collection, place),
    );
  }

  #alter(collection: LargeCollection): Change {
    this.#rounds += 1;
    const place = Math.floor(this.#random.next() * this.#feed.total(collection));
    const before = this.#latest[collection].get(place) ?? this.#feed.nth(collection, place);
    const changed =
      collection === 'customers'
        ? { points: this.#rounds }
        : { validUntil: Date.UTC(2040, 0, 1) + this.#rounds };
    const document = { ...before, ...changed };
    this.#latest[collection].set(place, document);
    return { place, document };
  }

  #end(collection: ReplicaCollection): number {
    return this.#feed.total(collection) + (isLarge(collection) ? this.#changes[collection].length : 0);
  }

  #position(seq: number): FeedPosition {
    return { epoch: 'bench', xid: '1', seq };
  }
}

function isLarge(collection: ReplicaCollection): collection is LargeCollection {
  return LARGE.some((each) => each === collection);
}

/** True when every collection was pulled to its end. */
export function allPulled(
  pulled: ReadonlyMap<ReplicaCollection, FeedPosition>,
  { heads }: FeedHead,
): boolean {
  return replicaCollectionNames.every((name) => (pulled.get(name)?.seq ?? -1) >= heads[name].seq);
}
