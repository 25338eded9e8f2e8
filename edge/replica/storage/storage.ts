import {
  RXDB_VERSION,
  addRxStorageMultiInstanceSupport,
  ensureRxStorageInstanceParamsAreCorrect,
  randomToken,
} from 'rxdb';
import type { RxCollection, RxStorage, RxStorageInstance, RxStorageInstanceCreationParams } from 'rxdb';
import { ProgrammerError } from '../../../foundation/errors.ts';
import { SqliteDatabase } from './database.ts';
import { RxStorageInstanceSqlite } from './instance.ts';
import type { SqliteStorageInternals } from './instance.ts';
import { fillSettings } from './settings.ts';
import type { FilledSettings, SqliteStorageSettings } from './settings.ts';
import type { SqliteStore } from './store.ts';

const NAME = 'sqlite-encrypted';

/** One SQLite file for RxDB. It is opened with the first collection and closed with the last. */
export class RxStorageSqlite implements RxStorage<SqliteStorageInternals, object> {
  /**
   * Differs from object to object: RxDB refuses a second database of one name on storages of one name, but here each
   * object is a file of its own. It is not stored anywhere.
   */
  readonly name: string;
  readonly rxdbVersion = RXDB_VERSION;
  readonly #settings: FilledSettings;
  #database: SqliteDatabase | undefined;
  #users = 0;

  constructor(settings: SqliteStorageSettings) {
    this.name = `${NAME}-${randomToken(10)}`;
    this.#settings = fillSettings(settings);
  }

  /** The error that poisoned the database, until it is reopened. */
  get poisonedBy(): Error | undefined {
    return this.#database?.poisonedBy;
  }

  /**
   * @throws StammkundeError REP_WRONG_KEY, REP_CORRUPT, KEY_UNREADABLE, DATA_IN_USE, DATA_UNWRITABLE, DATA_DISK_FULL when
   * the file cannot be opened; REP_POISONED while instances of a poisoned database are still open
   */
  async createStorageInstance<T>(
    params: RxStorageInstanceCreationParams<T, object>,
  ): Promise<RxStorageInstance<T, SqliteStorageInternals, object>> {
    ensureRxStorageInstanceParamsAreCorrect(params);
    this.#database ??= new SqliteDatabase(this.#settings);
    const database = this.#database;
    this.#users += 1;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#leave(database);
    };
    try {
      const instance = new RxStorageInstanceSqlite<T>(database, params, release);
      addRxStorageMultiInstanceSupport(NAME, params, instance);
      return instance;
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Closes the file under all instances, for a database that RxDB failed to open or to close and whose instances no one
   * can reach. They reject from then on; the next collection opens the file afresh. Idempotent.
   */
  abandon(): void {
    const database = this.#database;
    this.#database = undefined;
    this.#users = 0;
    database?.close();
  }

  #leave(database: SqliteDatabase): void {
    if (database !== this.#database) return;
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#database = undefined;
    database.close();
  }
}

/**
 * An RxStorage over one encrypted SQLite file. Give every RxDatabase of a file the same storage object: a second
 * object for it is refused with DATA_IN_USE, as a second process is.
 */
export function getRxStorageSqlite(settings: SqliteStorageSettings): RxStorageSqlite {
  return new RxStorageSqlite(settings);
}

/**
 * The synchronous way into a collection of this storage.
 * @throws ProgrammerError when the collection lies in another storage
 */
export function sqliteStoreOf<T>(collection: RxCollection<T>): SqliteStore<T> {
  const internals: unknown = collection.storageInstance.internals;
  if (typeof internals !== 'object' || internals === null || !('sqlite' in internals)) {
    throw new ProgrammerError(`collection ${collection.name} is not stored in ${NAME}`);
  }
  // Only RxStorageInstanceSqlite has internals of this name, made from this collection's own schema.
  return internals.sqlite as SqliteStore<T>;
}
