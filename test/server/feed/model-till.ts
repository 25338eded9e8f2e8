import {
  bucketOf,
  combine,
  documentHash,
  EMPTY_BUCKET,
  hashOfHex,
  keyOf,
  RANGE_BUCKETS,
} from '../../../sync/contract/range-hash.ts';
import type { HashedDocument } from '../../../sync/contract/range-hash.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';
import type { Database } from '../../../server/database/database.ts';
import { answerFeedPage } from '../../../server/feed/feed-store.ts';
import { answerRanges } from '../../../server/feed/ranges.ts';
import { EVERYTHING } from '../../../server/feed/scope.ts';
import type { FeedScope } from '../../../server/feed/scope.ts';

/** A till that does nothing but replay one collection of the feed, and compares what it has. */
export class ModelTill {
  readonly documents = new Map<string, HashedDocument>();
  position: FeedPosition | null = null;
  readonly #database: Database;
  readonly #collection: ReplicaCollection;
  readonly #scope: FeedScope;

  constructor(database: Database, collection: ReplicaCollection, scope: FeedScope = EVERYTHING) {
    this.#database = database;
    this.#collection = collection;
    this.#scope = scope;
  }

  /** One page; true when there is more. */
  async pullPage(limit: number): Promise<boolean> {
    const question = {
      kind: 'feed.page',
      collection: this.#collection,
      after: this.position,
      limit,
    } as const;
    const { page } = await answerFeedPage(this.#database, question, this.#scope);
    for (const { _deleted, ...document } of page.documents) {
      const key = keyOf(this.#collection, document);
      if (_deleted) this.documents.delete(key);
      else this.documents.set(key, document);
    }
    this.position = page.position;
    return page.more;
  }

  async pullAll(limit = 100): Promise<void> {
    while (await this.pullPage(limit));
  }

  /** The buckets in which it differs from the server; undefined when too much changed since to say. */
  async differing(): Promise<readonly number[] | undefined> {
    if (this.position === null) throw new Error('nothing was pulled yet');
    const question = { kind: 'feed.ranges', collection: this.#collection, at: this.position } as const;
    const answer = await answerRanges(this.#database, question, this.#scope);
    if (answer.behind) return undefined;
    const changed = new Set(answer.changed);
    const own = Array.from({ length: RANGE_BUCKETS }, () => EMPTY_BUCKET);
    for (const [key, document] of this.documents) {
      if (changed.has(key)) continue;
      const bucket = bucketOf(key);
      own[bucket] = combine(own[bucket] ?? EMPTY_BUCKET, {
        hash: documentHash(this.#collection, document),
        count: 1,
      });
    }
    return own.flatMap(({ hash, count }, bucket) => {
      const [hex, expected] = answer.buckets[bucket] ?? ['0', 0];
      return hash === hashOfHex(hex) && count === expected ? [] : [bucket];
    });
  }
}
