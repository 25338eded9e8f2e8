import type Database from 'better-sqlite3-multiple-ciphers';
import { StammkundeError, asError, isFault } from '../../../foundation/errors.ts';
import { openDatabaseFile } from './database-file.ts';
import { syncFolder } from './folder-sync.ts';
import { storageFault } from './faults.ts';
import { ProcessLock } from './process-lock.ts';
import type { TableLayout } from './schema-tables.ts';
import type { FilledSettings } from './settings.ts';

/** A prepared statement; what it is given and gives is known to its user alone. */
export type Statement = Database.Statement<unknown[], unknown>;

/** Statements kept prepared. Those of collections are few; the rest are shapes of queries, the oldest of which go first. */
const STATEMENTS_MAX = 256;

/**
 * The one writing connection to a file, shared by all collections in it.
 *
 *   usable ──first unexpected error──▶ poisoned ──close──▶ closed
 *      └───────────────close────────────────────────────────▲
 *
 * RxDB's replication swallows a storage error and moves its checkpoint past the rows that were not written. So after
 * one error nothing may succeed any more, on any collection and on RxDB's own bookkeeping: then no checkpoint passes.
 */
export class SqliteDatabase {
  readonly settings: FilledSettings;
  readonly #lock: ProcessLock | undefined;
  readonly #connection: Database.Database;
  readonly #layouts = new Map<number, TableLayout>();
  readonly #statements = new Map<string, Statement>();
  #poison: Error | undefined;
  #depth = 0;

  /** @throws as {@link openDatabaseFile} */
  constructor(settings: FilledSettings) {
    this.settings = settings;
    this.#lock = settings.file === ':memory:' ? undefined : ProcessLock.take(settings.file);
    try {
      this.#connection = openDatabaseFile(settings);
    } catch (error) {
      this.#lock?.release();
      throw error;
    }
  }

  /** The first unexpected error, once there was one. */
  get poisonedBy(): Error | undefined {
    return this.#poison;
  }

  get open(): boolean {
    return this.#connection.open;
  }

  /**
   * Runs synchronous work on the connection; whatever it throws poisons the database.
   * @throws StammkundeError REP_POISONED, with the first error as its cause
   */
  guard<T>(work: () => T): T {
    if (this.#poison !== undefined) throw this.#refusal(this.#poison);
    try {
      return work();
    } catch (error) {
      throw this.poison(asError(error));
    }
  }

  /** Like {@link guard}, in one transaction that is rolled back when the work throws. */
  transact<T>(collection: string, work: () => T): T {
    return this.guard(() => {
      if (this.#depth > 0) return work();
      this.before('begin', collection);
      this.prepare('BEGIN IMMEDIATE').run();
      this.#depth += 1;
      try {
        const result = work();
        this.before('commit', collection);
        this.prepare('COMMIT').run();
        return result;
      } catch (error) {
        this.#rollback();
        throw error;
      } finally {
        this.#depth -= 1;
      }
    });
  }

  /** Refuses all further work, naming `error` as the reason. Idempotent: the first error stays. */
  poison(error: Error): StammkundeError {
    if (isFault(error, 'REP_POISONED')) return error;
    if (this.#poison === undefined) {
      this.#poison = storageFault(error, this.settings.file);
      this.settings.onPoisoned?.(this.#poison);
    }
    return this.#refusal(this.#poison);
  }

  /**
   * A read outside the guard, for answers that no checkpoint depends on: it goes on while the database is poisoned,
   * unless the file itself is damaged or a failed transaction could not be taken back.
   * @throws StammkundeError REP_POISONED
   */
  readThrough<T>(read: () => T): T {
    const poison = this.#poison;
    if (poison !== undefined && (isFault(poison, 'REP_CORRUPT') || this.#connection.inTransaction)) {
      throw this.#refusal(poison);
    }
    try {
      return read();
    } catch (error) {
      throw this.poison(asError(error));
    }
  }

  /** Announces a statement to the fault seam. */
  before(verb: string, collection: string): void {
    this.settings.beforeStatement?.(`${verb} ${collection}`);
  }

  /** The prepared statement of this text; kept for the next time. `pluck` makes it answer the first column alone. */
  prepare(sql: string, shape: 'rows' | 'pluck' = 'rows'): Statement {
    const name = `${shape} ${sql}`;
    const known = this.#statements.get(name);
    if (known !== undefined) return known;
    const statement = this.#connection.prepare<unknown[], unknown>(sql);
    if (shape === 'pluck') statement.pluck(true);
    if (this.#statements.size >= STATEMENTS_MAX) {
      const oldest = this.#statements.keys().next();
      if (oldest.done === false) this.#statements.delete(oldest.value);
    }
    this.#statements.set(name, statement);
    return statement;
  }

  /** Runs statements that are used once. */
  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  /** The layout of a collection's tables, made once however many instances of the collection there are. */
  layout(id: number, make: () => TableLayout): TableLayout {
    const known = this.#layouts.get(id);
    if (known !== undefined) return known;
    const made = make();
    this.#layouts.set(id, made);
    return made;
  }

  forgetLayout(id: number): void {
    this.#layouts.delete(id);
  }

  /**
   * Brings everything committed into the file itself and onto the medium: the WAL is empty afterwards. One slice of at
   * most some thousand pages.
   * @throws StammkundeError REP_POISONED, its cause DATA_IN_USE when a reader would not let go of the WAL
   */
  sync(): void {
    if (this.settings.file === ':memory:') return;
    this.guard(() => {
      this.before('sync', '');
      this.#connection.pragma('synchronous=FULL');
      try {
        // A checkpoint syncs the file only if it has pages to bring; this makes sure of one.
        this.#connection.pragma(
          `user_version=${String(this.#connection.pragma('user_version', { simple: true }))}`,
        );
        const busy: unknown = this.#connection.pragma('wal_checkpoint(TRUNCATE)', { simple: true });
        if (busy !== 0) throw new StammkundeError('DATA_IN_USE', `${this.settings.file} is being read`);
      } finally {
        this.#connection.pragma(`synchronous=${this.settings.synchronous}`);
      }
      syncFolder(this.settings.file);
    });
  }

  /** Folds the WAL back into the file. Idempotent; whoever still holds the database is refused from then on. */
  close(): void {
    this.#poison ??= new Error(`${this.settings.file} is closed`);
    this.#statements.clear();
    try {
      this.#connection.close();
    } finally {
      this.#lock?.release();
    }
  }

  #rollback(): void {
    if (!this.#connection.inTransaction) return;
    try {
      this.#connection.exec('ROLLBACK');
    } catch {
      // The error that led here is the one to report; `inTransaction` keeps readers out.
    }
  }

  #refusal(cause: Error): StammkundeError {
    return new StammkundeError('REP_POISONED', `${this.settings.file} must be reopened: ${cause.message}`, {
      cause,
    });
  }
}
