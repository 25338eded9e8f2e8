import { createRxDatabase } from 'rxdb';
import type { RxCollection, RxDatabase, RxDocumentData } from 'rxdb';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import { StammkundeError, asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  ReplicaCollection,
  ReplicaDocuments,
} from '../../sync/contract/replica-documents.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import { CollectionFollower } from './collection-follower.ts';
import { replicaSchemas } from './collections.ts';
import type { FeedSource } from './feed-source.ts';
import { pullOnly } from './pull-only-storage.ts';
import { ReplicaNoteBook } from './replica-note.ts';
import type { SqliteStorageSettings } from './storage/settings.ts';
import { getRxStorageSqlite, sqliteStoreOf } from './storage/storage.ts';
import type { RxStorageSqlite } from './storage/storage.ts';

export interface ReplicaOptions extends Pick<SqliteStorageSettings, 'beforeStatement'> {
  readonly file: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** How it is loaded: `fast` for a till that serves no one yet, `gently` beside a replica that serves. */
  readonly loading: 'fast' | 'gently';
}

/** None of these is called before `open` resolves or after `close` was called. */
export interface ReplicaPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The replica met an unexpected error and must be closed and opened again. Called once. */
  onPoisoned(error: Error): void;
  /** The server has another history: this replica can follow no further. Called with each pull that finds it so. */
  onEpochChanged(): void;
  /** A collection holds all the server had at `position`. */
  onCaughtUp(collection: ReplicaCollection, position: FeedPosition): void;
}

/** Documents asked for at once where nothing waits for them: half a second of writing each. */
const LOADING_PAGE = 5_000;
/** Documents asked for at once otherwise: writing them holds up a scan for a few milliseconds at most. */
const SERVING_PAGE = 200;
/** How long RxDB may take to close a database before the file is closed under it. */
const CLOSE_DEADLINE_MS = 2_000;
/** RxDB's errors for a base made with another schema or by another RxDB: https://rxdb.info/errors.html */
const OTHER_VERSION: ReadonlySet<unknown> = new Set(['DB6', 'DM5']);

type Collections = { [C in ReplicaCollection]: RxCollection<ReplicaDocuments[C]> };

/**
 * One encrypted file with what the server let this till know: credentials, customers, offers, the programme. It only
 * ever pulls. It can be lost at any time and is then loaded again.
 */
export class Replica implements Closable {
  readonly #storage: RxStorageSqlite;
  readonly #collections: Collections;
  readonly #noteBook: ReplicaNoteBook;
  readonly #ports: ReplicaPorts;
  readonly #opened: Opened;
  readonly #closing: AbortController;
  readonly #loadingPage: number;
  readonly #caughtUpAt = new Map<ReplicaCollection, Instant>();
  readonly #followers = new Map<ReplicaCollection, { resync(): void }>();
  #noting: Promise<void> = Promise.resolve();
  #programme: ProgrammeDocument | undefined;
  #offers: readonly OfferDocument[] = [];

  private constructor(parts: {
    readonly storage: RxStorageSqlite;
    readonly collections: Collections;
    readonly noteBook: ReplicaNoteBook;
    readonly ports: ReplicaPorts;
    readonly opened: Opened;
    readonly closing: AbortController;
    readonly loadingPage: number;
  }) {
    this.#storage = parts.storage;
    this.#collections = parts.collections;
    this.#noteBook = parts.noteBook;
    this.#ports = parts.ports;
    this.#opened = parts.opened;
    this.#closing = parts.closing;
    this.#loadingPage = parts.loadingPage;
  }

  /**
   * @throws StammkundeError REP_WRONG_KEY · REP_CORRUPT (damaged, or of another version of the program) · DATA_IN_USE ·
   *   DATA_DISK_FULL · DATA_UNWRITABLE · REP_POISONED with SQLite's own error as its cause
   */
  static async open(options: ReplicaOptions, ports: ReplicaPorts): Promise<Replica> {
    const { file, key, loading, beforeStatement } = options;
    const opened = new Opened();
    const closing = new AbortController();
    let replica: Replica | undefined;
    const storage = getRxStorageSqlite({
      file,
      key,
      onPoisoned: (error) => {
        if (replica !== undefined && !closing.signal.aborted) ports.onPoisoned(error);
      },
      ...(beforeStatement === undefined ? {} : { beforeStatement }),
    });
    opened.defer(() => storage.abandon());
    try {
      const noteBook = opened.add(await ReplicaNoteBook.open(storage));
      const database: RxDatabase<Collections> = await createRxDatabase<Collections>({
        name: 'replica',
        storage: pullOnly(storage, closing.signal),
        multiInstance: false,
        eventReduce: false,
      });
      opened.defer(() =>
        withDeadline(database.close(), {
          clock: ports.clock,
          deadlineMs: CLOSE_DEADLINE_MS,
          code: 'REP_POISONED',
          what: 'closing the replica',
        }).then(() => {}),
      );
      const collections = await database.addCollections({
        credentials: { schema: replicaSchemas.credentials },
        customers: { schema: replicaSchemas.customers },
        offers: { schema: replicaSchemas.offers },
        programme: { schema: replicaSchemas.programme },
      });
      const loadingPage = loading === 'fast' ? LOADING_PAGE : SERVING_PAGE;
      const parts = { storage, collections, noteBook, ports, opened, closing, loadingPage };
      const made = new Replica(parts);
      await made.#readRules();
      if (storage.poisonedBy !== undefined) throw storage.poisonedBy;
      replica = made;
      return replica;
    } catch (error) {
      closing.abort();
      await opened.close().catch((failure: unknown) => {
        ports.log.debug({ event: 'replica.close.failed', error: asError(failure) });
      });
      throw openingFault(asError(error), file);
    }
  }

  /** @throws StammkundeError REP_POISONED when the file is damaged where it is read, or closed */
  credential(index: string): CredentialDocument | undefined {
    return plain(sqliteStoreOf(this.#collections.credentials).readById(index));
  }

  /** @throws StammkundeError REP_POISONED when the file is damaged where it is read, or closed */
  customer(id: string): CustomerDocument | undefined {
    return plain(sqliteStoreOf(this.#collections.customers).readById(id));
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
    return this.#noteBook.note.caughtUpAt;
  }

  /** Up to where a collection was complete when it last caught up. */
  caughtUpTo(collection: ReplicaCollection): FeedPosition | undefined {
    return this.#noteBook.note.positions[collection];
  }

  /**
   * Number of documents in a collection, deleted ones not counted.
   * @throws StammkundeError REP_POISONED when the file is damaged where it is read, or closed
   */
  count(collection: ReplicaCollection): number {
    // The four collections differ in their documents only, which do not matter for counting.
    return sqliteStoreOf(this.#collections[collection] as RxCollection<unknown>).liveCount();
  }

  /** Begins to follow the server's feed, for as long as the replica is open. To be called once. */
  follow(source: FeedSource): void {
    for (const name of replicaCollectionNames) this.#followers.set(name, this.#follower(name, source));
  }

  /** Asks the feed again now, cutting short any wait. */
  resync(collections: readonly ReplicaCollection[] = replicaCollectionNames): void {
    for (const name of collections) this.#followers.get(name)?.resync();
  }

  close(): Promise<void> {
    this.#closing.abort();
    return this.#opened.close();
  }

  #follower<C extends ReplicaCollection>(name: C, source: FeedSource): CollectionFollower<C> {
    const { clock, random, log } = this.#ports;
    return new CollectionFollower<C>({
      name,
      // `Collections` maps the name to this very type, which TypeScript does not follow through a type parameter.
      collection: this.#collections[name] as unknown as RxCollection<ReplicaDocuments[C]>,
      source,
      pageSize: () => (this.caughtUpAt === null ? this.#loadingPage : SERVING_PAGE),
      clock,
      random,
      log,
      closing: this.#closing.signal,
      isPoisoned: () => this.#storage.poisonedBy !== undefined,
      onEpochChanged: () => {
        if (!this.#closing.signal.aborted) this.#ports.onEpochChanged();
      },
      onCaughtUp: (askedAt, position) => {
        this.#noting = this.#noting.then(() => this.#noteCaughtUp(name, askedAt, position));
      },
    });
  }

  async #noteCaughtUp(name: ReplicaCollection, askedAt: Instant, position: FeedPosition): Promise<void> {
    try {
      const { caughtUpAt, positions } = this.#noteBook.note;
      // A collection that has been empty until now was asked for from the beginning, which tells no epochs apart.
      if (Object.values(positions).some(({ epoch }) => epoch !== position.epoch)) {
        if (!this.#closing.signal.aborted) this.#ports.onEpochChanged();
        return;
      }
      if (name === 'offers' || name === 'programme') await this.#readRules();
      this.#caughtUpAt.set(name, askedAt);
      const all = replicaCollectionNames.flatMap((each) => this.#caughtUpAt.get(each) ?? []);
      await this.#noteBook.write({
        caughtUpAt: all.length === replicaCollectionNames.length ? Math.min(...all) : caughtUpAt,
        positions: { ...positions, [name]: position },
      });
      if (!this.#closing.signal.aborted) this.#ports.onCaughtUp(name, position);
    } catch (error) {
      // A poisoned or closing base takes no claim; who must act on that has been told.
      this.#ports.log.debug({ event: 'replica.note.failed', collection: name, error: asError(error) });
    }
  }

  async #readRules(): Promise<void> {
    const [offers, programme] = await Promise.all([
      this.#collections.offers.find().exec(),
      this.#collections.programme.find().exec(),
    ]);
    // RxDB types toJSON() as deeply readonly; these are copies.
    this.#offers = offers.map((offer) => offer.toJSON() as OfferDocument);
    this.#programme = programme[0]?.toJSON() as ProgrammeDocument | undefined;
  }
}

/** A document without what RxDB notes about it; a deleted one is none. */
function plain<T>(stored: RxDocumentData<T> | undefined): T | undefined {
  if (stored === undefined || stored._deleted) return undefined;
  const { _deleted, _attachments, _meta, _rev, ...document } = stored;
  // Without RxDB's own four fields it is the document again, which TypeScript cannot see for an unknown T.
  return document as unknown as T;
}

/** What kept a replica from opening, by its own name. */
function openingFault(error: Error, file: string): Error {
  if (isFault(error, 'REP_POISONED')) return isFault(error.cause) ? error.cause : error;
  if ('code' in error && OTHER_VERSION.has(error.code)) {
    return new StammkundeError('REP_CORRUPT', `${file} was made by another version`, { cause: error });
  }
  return error;
}
