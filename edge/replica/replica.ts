import { createRxDatabase } from 'rxdb';
import type { RxCollection, RxDatabase } from 'rxdb';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import { StammkundeError, asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import { bucketOf, documentHash, keyOf } from '../../sync/contract/range-hash.ts';
import type {
  ProgrammeDocument,
  ReplicaCollection,
  ReplicaDocuments,
} from '../../sync/contract/replica-documents.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import { CollectionFollower } from './collection-follower.ts';
import type { CutOff } from './collection-follower.ts';
import { replicaSchemas } from './collections.ts';
import type { RangeSource, ReplicaSource } from './feed-source.ts';
import { pullOnly } from './pull-only-storage.ts';
import { NOTE_MARK, readNote, schemaFingerprint, usableNote } from './replica-note.ts';
import type { ReplicaNote } from './replica-note.ts';
import type { DigestOf } from './storage/digests.ts';
import type { SqliteStorageSettings } from './storage/settings.ts';
import { getRxStorageSqlite, sqliteStoreOf } from './storage/storage.ts';
import type { RxStorageSqlite } from './storage/storage.ts';
import type { SqliteStore } from './storage/store.ts';
import { verifyCollection } from './verification/verify-collection.ts';
import type { Verification } from './verification/verify-collection.ts';

export interface ReplicaOptions extends Pick<SqliteStorageSettings, 'beforeStatement'> {
  readonly file: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Tenant and till it is for. */
  readonly owner: string;
  /** Of which generation the file is, by its name. */
  readonly generation: number;
  /**
   * How it is loaded: `fast` for a till that serves no one yet, `gently` beside a replica that serves; null for one that
   * is loaded and serves.
   */
  readonly loading: 'fast' | 'gently' | null;
}

/** None of these is called before `open` resolves or after `close` was called. */
export interface ReplicaPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The replica met an unexpected error and must be closed and opened again. Called once. */
  onPoisoned(error: Error): void;
  /** This replica can follow no further. Called with each pull that finds it so. */
  onCutOff(why: CutOff): void;
  /** A collection holds all the server had at `position`; `changed` when documents came since the last time. */
  onCaughtUp(collection: ReplicaCollection, position: FeedPosition, changed: boolean): void;
}

/**
 * Pages that may wait in the WAL of a replica that is loaded, before they are folded back into its file: a page that is
 * written again meanwhile is folded back once. 16,000 of them took a quarter of the processor time from the inserts.
 */
export const LOADING_WAL_PAGES = 16_000;
/**
 * Documents asked for at once where nothing serves yet. A page is cloned in one piece on the thread that serves scans:
 * of these it takes a millisecond, and larger ones load no faster.
 */
const LOADING_PAGE = 1_000;
/** Documents asked for at once otherwise: writing them holds up a scan for a few milliseconds at most. */
const SERVING_PAGE = 200;
/** How long RxDB may take to close a database before the file is closed under it. */
const CLOSE_DEADLINE_MS = 2_000;
/** RxDB's errors for a base made with another schema or by another RxDB: https://rxdb.info/errors.html */
const OTHER_VERSION: ReadonlySet<unknown> = new Set(['DB6', 'DM5']);

type Collections = { [C in ReplicaCollection]: RxCollection<ReplicaDocuments[C]> };

/** How each collection's documents count in the buckets that are compared with the server's. */
const digests: Readonly<Record<string, DigestOf>> = Object.fromEntries(
  replicaCollectionNames.map((name): [string, DigestOf] => [
    name,
    (document) => ({ bucket: bucketOf(keyOf(name, document)), hash: documentHash(name, document) }),
  ]),
);

/**
 * The writing side of one encrypted file with what the server let this till know: credentials, customers, offers, the
 * programme. It only ever pulls. It can be lost at any time and is then loaded again.
 */
export class Replica implements Closable {
  readonly #storage: RxStorageSqlite;
  readonly #collections: Collections;
  readonly #ports: ReplicaPorts;
  readonly #opened: Opened;
  readonly #closing: AbortController;
  readonly #loadingPage: number;
  readonly #caughtUpAt = new Map<ReplicaCollection, Instant>();
  readonly #followers = new Map<ReplicaCollection, Following>();
  #hasFailed = false;
  #note: ReplicaNote;

  private constructor(parts: {
    readonly storage: RxStorageSqlite;
    readonly collections: Collections;
    readonly note: ReplicaNote;
    readonly ports: ReplicaPorts;
    readonly opened: Opened;
    readonly closing: AbortController;
    readonly loadingPage: number;
  }) {
    this.#storage = parts.storage;
    this.#collections = parts.collections;
    this.#note = parts.note;
    this.#ports = parts.ports;
    this.#opened = parts.opened;
    this.#closing = parts.closing;
    this.#loadingPage = parts.loadingPage;
  }

  /**
   * @throws StammkundeError REP_WRONG_KEY · REP_CORRUPT · REP_OUTDATED (of another version of the program) · REP_FOREIGN
   *   (of another till, or under another generation's name) · DATA_IN_USE · DATA_DISK_FULL · DATA_UNWRITABLE · REP_POISONED with SQLite's own error as its
   *   cause
   */
  static async open(options: ReplicaOptions, ports: ReplicaPorts): Promise<Replica> {
    const { file, key, owner, generation, loading, beforeStatement } = options;
    const opened = new Opened();
    const closing = new AbortController();
    let replica: Replica | undefined;
    const storage = getRxStorageSqlite({
      file,
      key,
      digests,
      ...(loading === null ? {} : { checkpointPages: LOADING_WAL_PAGES }),
      onPoisoned: (error) => {
        if (replica !== undefined) replica.#fail(error);
      },
      ...(beforeStatement === undefined ? {} : { beforeStatement }),
    });
    opened.defer(() => storage.abandon());
    try {
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
      const note = noteOf(sqliteStoreOf<ProgrammeDocument>(collections.programme), {
        owner,
        generation,
        file,
      });
      const loadingPage = loading === 'fast' ? LOADING_PAGE : SERVING_PAGE;
      const parts = { storage, collections, note, ports, opened, closing, loadingPage };
      const made = new Replica(parts);
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

  /** What it knows of itself. */
  get note(): ReplicaNote {
    return this.#note;
  }

  /**
   * Documents in all collections, deleted ones not counted.
   * @throws StammkundeError REP_POISONED when the file is damaged where it is read, or closed
   */
  get documents(): number {
    return replicaCollectionNames.reduce((sum, name) => sum + this.store(name).liveCount(), 0);
  }

  /** The way into a collection beside RxDB, for whoever loads or repairs it. */
  store<C extends ReplicaCollection>(name: C): SqliteStore<ReplicaDocuments[C]> {
    return sqliteStoreOf(this.#collection(name));
  }

  /**
   * Notes that collections were loaded otherwise, complete up to these positions: from there the feed goes on. To be
   * called before {@link follow}. @throws StammkundeError REP_POISONED
   */
  loadedUpTo(positions: ReplicaNote['positions']): void {
    this.#write({ ...this.#note, positions: { ...positions, ...this.#note.positions } });
  }

  /** Begins to follow the server's feed, for as long as the replica is open. To be called once. */
  follow(source: ReplicaSource): void {
    for (const name of replicaCollectionNames) this.#followers.set(name, this.#follower(name, source));
  }

  /** Asks the feed again now, cutting short any wait. */
  resync(collections: readonly ReplicaCollection[] = replicaCollectionNames): void {
    for (const name of collections) this.#followers.get(name)?.resync();
  }

  /**
   * Compares a collection with the server's, and makes what differs the same. Undefined when the collection is not at
   * rest: it is then to be tried again when it has caught up.
   * @throws StammkundeError as the source does; REP_POISONED
   */
  async verify(collection: ReplicaCollection, source: RangeSource): Promise<Verification | undefined> {
    const verification = await this.#followers.get(collection)?.whileAtRest((position) =>
      verifyCollection(collection, {
        position,
        source,
        instance: this.#collection(collection).storageInstance,
        store: this.store(collection),
        closing: this.#closing.signal,
      }),
    );
    if (verification?.kind === 'same' || verification?.kind === 'repaired') {
      const verifiedAt = { ...this.#note.verifiedAt, [collection]: this.#ports.clock.now() };
      this.#write({ ...this.#note, verifiedAt });
    }
    return verification;
  }

  /** Brings everything committed onto the medium. @throws StammkundeError REP_POISONED */
  sync(): void {
    this.store('programme').sync();
  }

  close(): Promise<void> {
    this.#closing.abort();
    return this.#opened.close();
  }

  #collection<C extends ReplicaCollection>(name: C): RxCollection<ReplicaDocuments[C]> {
    // `Collections` maps the name to this very type, which TypeScript does not follow through a type parameter.
    return this.#collections[name] as unknown as RxCollection<ReplicaDocuments[C]>;
  }

  #follower<C extends ReplicaCollection>(name: C, source: ReplicaSource): Following {
    const { clock, random, log } = this.#ports;
    return new CollectionFollower<C>({
      name,
      collection: this.#collection(name),
      source,
      pageSize: () => (this.#note.caughtUpAt === null ? this.#loadingPage : SERVING_PAGE),
      clock,
      random,
      log,
      closing: this.#closing.signal,
      isPoisoned: () => this.#storage.poisonedBy !== undefined,
      onLost: (error) => this.#fail(error),
      onCutOff: (why) => {
        if (!this.#closing.signal.aborted) this.#ports.onCutOff(why);
      },
      onCaughtUp: ({ heldAllAt, position, changed }) =>
        this.#noteCaughtUp(name, { heldAllAt, position, changed }),
      storedUpTo: this.#note.positions[name],
    });
  }

  #fail(error: Error): void {
    if (this.#hasFailed || this.#closing.signal.aborted) return;
    this.#hasFailed = true;
    this.#ports.onPoisoned(error);
  }

  #noteCaughtUp(
    name: ReplicaCollection,
    {
      heldAllAt,
      position,
      changed,
    }: { readonly heldAllAt: Instant; readonly position: FeedPosition; readonly changed: boolean },
  ): void {
    const { caughtUpAt, positions } = this.#note;
    // A collection that has been empty until now was asked for from the beginning, which tells no epochs apart.
    if (Object.values(positions).some((each) => each !== undefined && each.epoch !== position.epoch)) {
      this.#ports.onCutOff('epoch');
      return;
    }
    this.#caughtUpAt.set(name, heldAllAt);
    const all = replicaCollectionNames.flatMap((each) => this.#caughtUpAt.get(each) ?? []);
    try {
      this.#write({
        ...this.#note,
        caughtUpAt: all.length === replicaCollectionNames.length ? Math.min(...all) : caughtUpAt,
        positions: { ...positions, [name]: position },
      });
    } catch (error) {
      // A poisoned or closing base takes no claim; who must act on that has been told.
      this.#ports.log.debug({ event: 'replica.note.failed', collection: name, error: asError(error) });
      return;
    }
    this.#ports.onCaughtUp(name, position, changed);
  }

  /** @throws StammkundeError REP_POISONED */
  #write(note: ReplicaNote): void {
    this.store('programme').writeMark({ name: NOTE_MARK, text: JSON.stringify(note) });
    this.#note = note;
  }
}

interface Following {
  resync(): void;
  whileAtRest<T>(work: (position: FeedPosition) => Promise<T>): Promise<T | undefined>;
}

/**
 * The note in a file that was just opened, written when the file is new.
 * @throws StammkundeError REP_OUTDATED · REP_FOREIGN
 */
function noteOf(
  store: SqliteStore<ProgrammeDocument>,
  { owner, generation, file }: Pick<ReplicaOptions, 'owner' | 'generation' | 'file'>,
): ReplicaNote {
  const text = store.readMark(NOTE_MARK);
  const schema = schemaFingerprint();
  if (text === undefined) {
    const note: ReplicaNote = { owner, generation, schema, caughtUpAt: null, positions: {}, verifiedAt: {} };
    store.writeMark({ name: NOTE_MARK, text: JSON.stringify(note) });
    return note;
  }
  return usableNote(readNote(text), { owner, generation, file });
}

/** What kept a replica from opening, by its own name. */
function openingFault(error: Error, file: string): Error {
  if (isFault(error, 'REP_POISONED')) return isFault(error.cause) ? error.cause : error;
  if ('code' in error && OTHER_VERSION.has(error.code)) {
    return new StammkundeError('REP_OUTDATED', `${file} was made by another version`, { cause: error });
  }
  return error;
}
