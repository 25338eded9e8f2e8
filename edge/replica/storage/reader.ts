import type Database from 'better-sqlite3-multiple-ciphers';
import type { RxDocumentData } from 'rxdb';
import { ProgrammerError, StammkundeError, asError, isFault } from '../../../foundation/errors.ts';
import { openFileForReading } from './database-file.ts';
import { storageFault } from './faults.ts';
import { encodeText } from './value-encoding.ts';

/** How a reader opens a file. */
export interface ReaderSettings {
  /** Path of a file that a storage of the same version has made. */
  readonly file: string;
  /** The 32 bytes it was made with; none for a plain file. */
  readonly key?: Uint8Array;
  /** Upper bound of this connection's own page cache, in KiB; 8,192 unless told. */
  readonly cacheKiB?: number;
  /**
   * Reads where no index of the WAL can be made beside the file, as on a full disk. Nobody else can open the file
   * meanwhile: not while a storage has it open, and close it before one shall.
   */
  readonly alone?: boolean;
}

const CACHE_KIB = 8_192;
/** More documents than these are no small collection. */
const ALL_MAX = 10_000;

/**
 * A second connection to a storage's file, for reading alone, on any thread of the process that writes it. It needs no
 * RxDB, and may be open before, during and after the storage is: it sees what was last committed, and no write,
 * checkpoint or recount makes it wait. Every call is one synchronous read.
 *
 * Nothing poisons a reader: each call is tried on its own. Beside the codes of each call, everything after
 * {@link close} throws a ProgrammerError.
 */
export interface StorageReader {
  /**
   * One document by primary key, deleted or not, as `SqliteStore.readById` gives it; undefined also where there is no
   * such collection (yet).
   * @throws StammkundeError REP_CORRUPT (the file is damaged where it was read, or cannot be read) · DATA_IN_USE
   */
  readById<T>(collection: string, id: string): RxDocumentData<T> | undefined;
  /**
   * All documents of a small collection that are not deleted, in the order of their ids.
   * @throws as readById; ProgrammerError when there are more than `limit` (10,000 unless told)
   */
  all<T>(collection: string, limit?: number): readonly RxDocumentData<T>[];
  /** Documents that are not deleted, at the cost of one read. @throws as readById */
  liveCount(collection: string): number;
  /** A mark of the file, see `SqliteStore.readMark`. @throws as readById */
  readMark(name: string): string | undefined;
  /** Idempotent. */
  close(): void;
}

/**
 * Opens a file for reading. Collections are found by name, the highest version of the schema first; a name that two
 * RxDatabases in one file use is not told apart.
 * @throws StammkundeError REP_WRONG_KEY · REP_CORRUPT · KEY_UNREADABLE · DATA_UNWRITABLE (no such file, or not to be
 *   opened) · DATA_IN_USE
 */
export function openReader(settings: ReaderSettings): StorageReader {
  return new SqliteReader(settings);
}

/** The statements of one collection. */
interface Reading {
  readonly byId: Database.Statement;
  readonly all: Database.Statement;
  readonly live: Database.Statement;
}

class SqliteReader implements StorageReader {
  readonly #file: string;
  readonly #connection: Database.Database;
  readonly #collections = new Map<string, Reading>();
  #mark: Database.Statement | undefined;

  constructor(settings: ReaderSettings) {
    this.#file = settings.file;
    this.#connection = openFileForReading({ cacheKiB: CACHE_KIB, ...settings });
  }

  readById<T>(collection: string, id: string): RxDocumentData<T> | undefined {
    const text = this.#read(collection, ({ byId }) => byId.get(encodeText(id)));
    return text === undefined ? undefined : parse<T>(text);
  }

  all<T>(collection: string, limit: number = ALL_MAX): readonly RxDocumentData<T>[] {
    const texts = this.#read(collection, (reading) => reading.all.all(limit + 1)) ?? [];
    if (texts.length > limit) throw new ProgrammerError(`${collection} holds more than ${limit} documents`);
    return texts.map((text) => parse<T>(text));
  }

  liveCount(collection: string): number {
    return Number(this.#read(collection, ({ live }) => live.get()) ?? 0);
  }

  readMark(name: string): string | undefined {
    const text = this.#guard(() => {
      this.#mark ??= this.#connection.prepare('SELECT text FROM rx_mark WHERE name=?').pluck(true);
      return this.#mark.get(name);
    });
    return typeof text === 'string' ? text : undefined;
  }

  close(): void {
    this.#collections.clear();
    this.#connection.close();
  }

  /** Runs a read of a collection; undefined when there is none of this name. */
  #read<R>(collection: string, read: (reading: Reading) => R): R | undefined {
    return this.#guard(() => {
      const known = this.#collections.get(collection);
      if (known !== undefined) {
        try {
          return read(known);
        } catch (error) {
          // Removed, and perhaps made anew in another table.
          if (!isMissingTable(error)) throw error;
          this.#collections.delete(collection);
        }
      }
      const found = this.#find(collection);
      return found === undefined ? undefined : read(found);
    });
  }

  #find(collection: string): Reading | undefined {
    const catalogue = this.#connection
      .prepare("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='rx_collection'")
      .get();
    if (catalogue === undefined) return undefined;
    const id = this.#connection
      .prepare('SELECT id FROM rx_collection WHERE collection=? ORDER BY version DESC, id DESC LIMIT 1')
      .pluck(true)
      .get(collection);
    if (id === undefined) return undefined;
    const table = `documents_${Number(id)}`;
    const select = (sql: string): Database.Statement => this.#connection.prepare(sql).pluck(true);
    const reading: Reading = {
      byId: select(`SELECT doc FROM ${table} WHERE id=?`),
      all: select(`SELECT doc FROM ${table} WHERE deleted=0 ORDER BY id LIMIT ?`),
      live: select(`SELECT live FROM rx_collection WHERE id=${Number(id)}`),
    };
    this.#collections.set(collection, reading);
    return reading;
  }

  #guard<R>(read: () => R): R {
    if (!this.#connection.open) throw new ProgrammerError(`the reader of ${this.#file} is closed`);
    try {
      return read();
    } catch (error) {
      if (isMissingTable(error)) {
        throw new StammkundeError('REP_CORRUPT', `${this.#file} lacks a table`, { cause: error });
      }
      const fault = storageFault(asError(error), this.#file);
      // Whatever else it is passes or stays; it is no word on the file, which must not be given up for it.
      throw isFault(fault)
        ? fault
        : new StammkundeError('DATA_UNWRITABLE', `${this.#file} cannot be read`, { cause: fault });
    }
  }
}

function isMissingTable(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('no such table');
}

function parse<T>(text: unknown): RxDocumentData<T> {
  // Column doc is only ever written by the storage, from a document of this collection.
  return JSON.parse(text as string) as RxDocumentData<T>;
}
