import type { Clock } from '../foundation/clock.ts';
import { StammkundeError, asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import type { Subscription } from './bus.ts';
import { isBehind } from './contract/feed.ts';
import type { FeedHead, FeedPage, FeedPosition } from './contract/feed.ts';
import type { StoreId } from './contract/ids.ts';
import type { FeedUrgent } from './contract/messages.ts';
import type { BucketAnswer, RangesAnswer } from './contract/ranges.ts';
import { replicaCollectionNames } from './contract/replica-documents.ts';
import type { ReplicaCollection } from './contract/replica-documents.ts';
import type { Topics } from './contract/topics.ts';
import type { ObeyedVersions } from './obeyed-versions.ts';
import type { RequestClient } from './request.ts';
import type { StatementReader } from './statement-reader.ts';

/** Most documents the server is asked for at once. */
const REQUEST_LIMIT_MAX = 10_000;

/**
 * Where the replica's documents come from: pages on request, notices of a moved head, and what must hold at once. The
 * retry of a failed pull, with its jittered wait, belongs to whoever pulls.
 */
export class FeedClient implements Closable {
  readonly subscriptions: readonly Subscription[];
  readonly #requests: RequestClient;
  readonly #reader: StatementReader;
  readonly #versions: ObeyedVersions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #maxJitterMs: number;
  readonly #store: { readonly store?: StoreId };
  readonly #onBehind: (collection: ReplicaCollection) => void;
  readonly #onUrgent: (urgent: FeedUrgent) => void;
  readonly #onNewHistory: () => void;
  /** The last heads that were told of. Who has pulled how far is its own knowledge: there may be several who pull. */
  readonly #told = new Map<ReplicaCollection, FeedPosition>();
  readonly #pendingNotices = new Map<ReplicaCollection, () => void>();
  #head: FeedHead | undefined;
  #headVersion = 0;

  constructor(options: {
    readonly requests: RequestClient;
    readonly topics: Topics;
    readonly reader: StatementReader;
    readonly versions: ObeyedVersions;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    /** A notice reaches every till at once; each waits a random time up to this before it pulls. */
    readonly maxJitterMs: number;
    /** Where the till stands: decides what its replica holds. */
    readonly store?: StoreId;
    /** The head of a collection has moved: whoever pulls it may be behind. Must only take note. */
    readonly onBehind: (collection: ReplicaCollection) => void;
    /** Must hold before it returns; when it throws, the message counts as not obeyed. */
    readonly onUrgent: (urgent: FeedUrgent) => void;
    /** The server speaks of another history than before. Must only take note. */
    readonly onNewHistory?: () => void;
  }) {
    this.#requests = options.requests;
    this.#reader = options.reader;
    this.#versions = options.versions;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#maxJitterMs = options.maxJitterMs;
    this.#store = options.store === undefined ? {} : { store: options.store };
    this.#onBehind = options.onBehind;
    this.#onUrgent = options.onUrgent;
    this.#onNewHistory = options.onNewHistory ?? (() => {});
    this.subscriptions = [
      { filter: options.topics.feedHead, onMessage: (_topic, payload) => this.#onHead(payload) },
      { filter: options.topics.feedUrgent, onMessage: (_topic, payload) => this.#onUrgentPayload(payload) },
    ];
  }

  /**
   * What changed after a position: exactly `limit` documents, or fewer at the end of the feed and nowhere else. The
   * server's replies may be shorter; RxDB takes a short page for the end.
   * @param after null: from the beginning
   * @throws StammkundeError BUS_UNREACHABLE · BUS_TIMEOUT · REP_EPOCH_CHANGED when the server has another history ·
   *   WIRE_MALFORMED when a reply leads nowhere · the code the server refuses with
   */
  async pull(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage> {
    const documents: FeedPage['documents'] = [];
    let position = after;
    for (;;) {
      const wanted = Math.min(limit - documents.length, REQUEST_LIMIT_MAX);
      const { page } = await this.#requests.ask({
        kind: 'feed.page',
        collection,
        after: position,
        limit: wanted,
        ...this.#store,
      });
      if (position !== null && page.position.epoch !== position.epoch) {
        throw new StammkundeError('REP_EPOCH_CHANGED', `${collection} continues in another history`);
      }
      if (page.documents.length > wanted) {
        throw new StammkundeError('WIRE_MALFORMED', `a page of ${collection} is longer than was asked for`);
      }
      if (page.more && position !== null && !isBehind(position, page.position)) {
        throw new StammkundeError(
          'WIRE_MALFORMED',
          `a page of ${collection} promises more but leads nowhere`,
        );
      }
      for (const document of page.documents) documents.push(document);
      position = page.position;
      if (!page.more || documents.length >= limit) return { ...page, documents };
    }
  }

  /**
   * Hashes of what the server has of a collection, as of a position.
   * @throws as {@link pull}
   */
  ranges(collection: ReplicaCollection, at: FeedPosition): Promise<RangesAnswer> {
    return this.#requests.ask({ kind: 'feed.ranges', collection, at, ...this.#store });
  }

  /**
   * The documents of one bucket, by their keys.
   * @param after null: from the first key on
   * @throws as {@link pull}
   */
  bucket(
    collection: ReplicaCollection,
    bucket: number,
    after: string | null,
    limit: number,
  ): Promise<BucketAnswer> {
    return this.#requests.ask({ kind: 'feed.bucket', collection, bucket, after, limit, ...this.#store });
  }

  close(): Promise<void> {
    for (const cancel of this.#pendingNotices.values()) cancel();
    this.#pendingNotices.clear();
    return Promise.resolve();
  }

  #onHead(payload: Uint8Array): void {
    const statement = this.#reader.read('head', payload);
    // The same version comes again with every reconnect; only an older one is no news.
    if (statement === undefined || statement.version < this.#headVersion) return;
    this.#headVersion = statement.version;
    const before = this.#head?.heads.customers.epoch;
    this.#head = statement.body;
    if (before !== undefined && before !== statement.body.heads.customers.epoch) this.#onNewHistory();
    for (const collection of replicaCollectionNames) {
      if (isBehind(this.#told.get(collection), statement.body.heads[collection])) {
        this.#noticeLater(collection);
      }
    }
  }

  /** One notice at a time for a collection: while it waits, further changes ride along. */
  #noticeLater(collection: ReplicaCollection): void {
    if (this.#pendingNotices.has(collection)) return;
    const cancel = this.#clock.schedule(this.#random.next() * this.#maxJitterMs, () => {
      this.#pendingNotices.delete(collection);
      const head = this.#head?.heads[collection];
      try {
        this.#onBehind(collection);
        if (head !== undefined) this.#told.set(collection, head);
      } catch (error) {
        this.#log.error({ event: 'feed.notice-failed', collection, error: asError(error) });
      }
    });
    this.#pendingNotices.set(collection, cancel);
  }

  #onUrgentPayload(payload: Uint8Array): void {
    const statement = this.#reader.read('urgent', payload);
    if (statement === undefined) return;
    const last = this.#versions.last('urgent');
    if (statement.version === last) return;
    if (statement.version < last) {
      // It may undo what a newer one said, so it is not applied; the feed itself has the truth.
      this.#reader.reject('WIRE_EXPIRED', 'urgent', `version ${statement.version} came after ${last}`);
      for (const collection of ['credentials', 'customers'] as const) this.#noticeLater(collection);
      return;
    }
    try {
      this.#onUrgent(statement.body);
      this.#versions.obeyed('urgent', statement.version);
    } catch (error) {
      this.#log.error({ event: 'feed.urgent-failed', version: statement.version, error: asError(error) });
    }
  }
}
