import { createRxDatabase } from 'rxdb';
import type { RxCollection, RxDatabase, RxDocumentData } from 'rxdb';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import type { RxReplicationState } from 'rxdb/plugins/replication';
import { Subject } from 'rxjs';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import type { FeedPage, FeedPosition } from '../../sync/contract/feed.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  ReplicaCollection,
  ReplicaDocuments,
} from '../../sync/contract/replica-documents.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import type { ReplicaNote } from './collections.ts';
import { replicaSchemas } from './collections.ts';
import { pulledDocuments } from './pulled-documents.ts';
import { getRxStorageSqlite, sqliteStoreOf } from './storage/storage.ts';

/** Where a replica's documents come from. */
export interface FeedSource {
  /**
   * What changed after a position: a full page of `limit` documents, or fewer at the end of the feed.
   * @throws StammkundeError BUS_TIMEOUT when the server does not answer · REP_EPOCH_CHANGED when it has another history
   */
  pull(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage>;
}

export interface ReplicaPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The replica met an unexpected error and must be closed and opened again. */
  onPoisoned(error: Error): void;
  /** The server has another history: this replica can follow no further. */
  onEpochChanged(): void;
  /** A collection holds all the server had at `position`. */
  onCaughtUp(collection: ReplicaCollection, position: FeedPosition): void;
}

/** Documents asked for at once while the replica is empty: most a second. */
const LOADING_PAGE = 5_000;
/** Documents asked for at once afterwards: writing them holds up a scan for a few milliseconds at most. */
const SERVING_PAGE = 200;
/** RxDB may never finish closing a database whose storage failed; the file is then closed under it. */
const CLOSE_DEADLINE_MS = 2_000;
/** Between failed pulls; a notice from the server cuts the wait short. */
const PULL_RETRY = { firstMs: 500, maxMs: 30_000 } as const;

type Collections = { [C in ReplicaCollection]: RxCollection<ReplicaDocuments[C]> } & {
  note: RxCollection<ReplicaNote>;
};

/**
 * One encrypted file with what the server let this till know: credentials, customers, offers, the programme. It only
 * ever pulls. It can be lost at any time and is then loaded again.
 */
export class Replica implements Closable {
  readonly #database: RxDatabase<Collections>;
  readonly #ports: ReplicaPorts;
  readonly #opened: Opened;
  readonly #caughtUpAt = new Map<ReplicaCollection, Instant>();
  readonly #resync = new Map<ReplicaCollection, Subject<'RESYNC'>>();
  readonly #replications = new Map<ReplicaCollection, { readonly batchSize: number; end(): Promise<void> }>();
  readonly #closing = new AbortController();
  #wake = new AbortController();
  #note: ReplicaNote;
  #programme: ProgrammeDocument | undefined;
  #offers: readonly OfferDocument[] = [];

  private constructor(
    database: RxDatabase<Collections>,
    opened: Opened,
    note: ReplicaNote,
    ports: ReplicaPorts,
  ) {
    this.#database = database;
    this.#opened = opened;
    this.#note = note;
    this.#ports = ports;
  }

  /**
   * @param key 32 bytes
   * @throws StammkundeError REP_WRONG_KEY · REP_CORRUPT · DATA_IN_USE · DATA_DISK_FULL
   */
  static async open(
    options: { readonly file: string; readonly key: Uint8Array },
    ports: ReplicaPorts,
  ): Promise<Replica> {
    const opened = new Opened();
    try {
      const storage = getRxStorageSqlite({
        file: options.file,
        key: options.key,
        onPoisoned: (error) => ports.onPoisoned(error),
      });
      const database = await createRxDatabase<Collections>({
        name: 'replica',
        storage,
        multiInstance: false,
        eventReduce: false,
      });
      opened.defer(async () => {
        try {
          const closing = database.close();
          await withDeadline(closing, {
            clock: ports.clock,
            deadlineMs: CLOSE_DEADLINE_MS,
            code: 'REP_POISONED',
            what: 'closing the replica',
          });
        } finally {
          storage.abandon();
        }
      });
      await database.addCollections({
        credentials: { schema: replicaSchemas.credentials },
        customers: { schema: replicaSchemas.customers },
        offers: { schema: replicaSchemas.offers },
        programme: { schema: replicaSchemas.programme },
        note: { schema: replicaSchemas.note },
      });
      const noted = sqliteStoreOf(database.collections.note).readById('note');
      const replica = new Replica(
        database,
        opened,
        noted ?? { id: 'note', caughtUpAt: null, epoch: null },
        ports,
      );
      await replica.#readRules();
      return replica;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  credential(index: string): CredentialDocument | undefined {
    return plain(sqliteStoreOf(this.#database.collections.credentials).readById(index));
  }

  customer(id: string): CustomerDocument | undefined {
    return plain(sqliteStoreOf(this.#database.collections.customers).readById(id));
  }

  /** The programme's rules, absent before the first pull. */
  get programme(): ProgrammeDocument | undefined {
    return this.#programme;
  }

  get offers(): readonly OfferDocument[] {
    return this.#offers;
  }

  /** When it last held all the server had; null before the first complete pull. */
  get caughtUpAt(): Instant | null {
    return this.#note.caughtUpAt;
  }

  /** Number of documents in a collection, deleted ones not counted. */
  count(collection: ReplicaCollection): number {
    // The four collections differ in their documents only, which do not matter for counting.
    return sqliteStoreOf(this.#database.collections[collection] as RxCollection<unknown>).liveCount();
  }

  /** Begins to follow the server's feed, for as long as the replica is open. */
  follow(source: FeedSource): void {
    for (const name of replicaCollectionNames) this.#followCollection(name, source);
  }

  /** Asks the feed again now, cutting short any wait. */
  resync(collections: readonly ReplicaCollection[] = replicaCollectionNames): void {
    this.#wake.abort();
    this.#wake = new AbortController();
    for (const name of collections) this.#resync.get(name)?.next('RESYNC');
  }

  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort();
      this.#wake.abort();
      for (const { end } of this.#replications.values()) this.#opened.defer(end);
    }
    await this.#opened.close();
  }

  #followCollection(name: ReplicaCollection, source: FeedSource): void {
    const batchSize = this.#note.caughtUpAt === null ? LOADING_PAGE : SERVING_PAGE;
    const resync = new Subject<'RESYNC'>();
    this.#resync.set(name, resync);
    let failures = 0;
    const replication: RxReplicationState<ReplicaDocuments[typeof name], FeedPosition> =
      replicateRxCollection({
        replicationIdentifier: `feed-${name}`,
        // The four collections differ in their documents only, and RxDB handles those as opaque.
        collection: this.#database.collections[name] as RxCollection<ReplicaDocuments[typeof name]>,
        live: true,
        waitForLeadership: false,
        toggleOnDocumentVisible: false,
        retryTime: 10,
        pull: {
          batchSize,
          stream$: resync,
          handler: async (checkpoint, limit) => {
            const askedAt = this.#ports.clock.now();
            try {
              const page = await source.pull(name, checkpoint ?? null, limit);
              const documents = pulledDocuments(name, page);
              failures = 0;
              if (documents.length < limit) {
                this.#noteCaughtUp(name, askedAt, page.position, replication, source);
              }
              return { documents, checkpoint: page.position };
            } catch (error) {
              if (isFault(error, 'REP_EPOCH_CHANGED')) this.#ports.onEpochChanged();
              this.#ports.log.warn({
                event: 'replica.pull.failed',
                collection: name,
                failures,
                error: asError(error),
              });
              await this.#waitBeforeRetry(failures);
              failures += 1;
              throw error;
            }
          },
        },
      });
    const subscription = replication.error$.subscribe((error) => {
      this.#ports.log.debug({ event: 'replica.replication.error', collection: name, code: error.code });
    });
    this.#replications.set(name, {
      batchSize,
      end: async () => {
        subscription.unsubscribe();
        await replication.cancel();
      },
    });
  }

  /** Once loaded, a collection goes on with small pages. */
  async #slowDown(name: ReplicaCollection, source: FeedSource): Promise<void> {
    const running = this.#replications.get(name);
    if (running?.batchSize !== LOADING_PAGE || this.#note.caughtUpAt === null) return;
    this.#replications.delete(name);
    await running.end();
    if (!this.#closing.signal.aborted) this.#followCollection(name, source);
  }

  /** The page that ends the feed is on its way into the storage; once it is there, the collection is caught up. */
  #noteCaughtUp(
    name: ReplicaCollection,
    askedAt: Instant,
    position: FeedPosition,
    replication: RxReplicationState<ReplicaDocuments[typeof name], FeedPosition>,
    source: FeedSource,
  ): void {
    const note = async (): Promise<void> => {
      await Promise.resolve();
      await replication.awaitInSync();
      if (this.#closing.signal.aborted) return;
      this.#caughtUpAt.set(name, askedAt);
      if (name === 'offers' || name === 'programme') await this.#readRules();
      const oldest = Math.min(...replicaCollectionNames.map((each) => this.#caughtUpAt.get(each) ?? 0));
      if (oldest > 0 && oldest !== this.#note.caughtUpAt) {
        const note: ReplicaNote = { id: 'note', caughtUpAt: oldest, epoch: position.epoch };
        await this.#database.collections.note.upsert(note);
        this.#note = note;
      }
      this.#ports.onCaughtUp(name, position);
      for (const each of replicaCollectionNames) await this.#slowDown(each, source);
    };
    note().catch((error: unknown) => {
      if (!this.#closing.signal.aborted)
        this.#ports.log.error({ event: 'replica.note.failed', error: asError(error) });
    });
  }

  async #readRules(): Promise<void> {
    const [offers, programme] = await Promise.all([
      this.#database.collections.offers.find().exec(),
      this.#database.collections.programme.find().exec(),
    ]);
    this.#offers = offers.map((offer) => offer.toJSON() as OfferDocument);
    this.#programme = programme[0]?.toJSON() as ProgrammeDocument | undefined;
  }

  async #waitBeforeRetry(failures: number): Promise<void> {
    const delayMs = retryDelayMs(PULL_RETRY, failures, this.#ports.random);
    try {
      await sleep(this.#ports.clock, delayMs, this.#wake.signal);
    } catch {
      // Woken by a notice or by closing: go on at once.
    }
  }
}

/** A document without what RxDB notes about it; a deleted one is none. */
function plain<T>(stored: RxDocumentData<T> | undefined): T | undefined {
  if (stored === undefined || stored._deleted) return undefined;
  const { _deleted, _attachments, _meta, _rev, ...document } = stored;
  // Without RxDB's own four fields it is the document again, which TypeScript cannot see for an unknown T.
  return document as unknown as T;
}
