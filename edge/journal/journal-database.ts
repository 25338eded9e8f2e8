import type Database from 'better-sqlite3-multiple-ciphers';
import { openJournalFile } from './journal-file.ts';
import type { Genesis } from './journal-file.ts';
import { journalFault } from './journal-fault.ts';

type Parameter = string | number | null;

/** The one connection to a journal's file, shared by the entries and the open sales that rest beside them. */
export class JournalDatabase {
  readonly file: string;
  readonly #connection: Database.Database;
  /** Only texts that stand in the source come here, so this stays small. */
  readonly #statements = new Map<string, Database.Statement<Parameter[], unknown>>();
  #inTransaction = false;

  /** @throws as {@link openJournalFile} */
  constructor(file: string, key: Uint8Array, genesis: () => Genesis) {
    this.file = file;
    this.#connection = openJournalFile(file, key, genesis);
  }

  /**
   * Runs `work` in one transaction that is on the disk when this returns; whatever it throws undoes all of it. Inside
   * another transaction it is part of that.
   * @throws StammkundeError DATA_DISK_FULL · DATA_UNWRITABLE · JRN_CORRUPT
   */
  transact<T>(work: () => T): T {
    if (this.#inTransaction) return work();
    this.#inTransaction = true;
    try {
      this.#connection.exec('BEGIN IMMEDIATE');
      const result = work();
      this.#connection.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite rolls back by itself on some errors, a full disk among them.
      if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
      throw journalFault(error, this.file);
    } finally {
      this.#inTransaction = false;
    }
  }

  /** Runs one writing statement, in a transaction of its own when there is none. Throws as {@link transact}. */
  run(sql: string, ...parameters: readonly Parameter[]): void {
    this.transact(() => void this.#prepare(sql).run(...parameters));
  }

  /**
   * The rows of a query; the caller names the columns in `sql` and thereby the shape of T.
   * @throws StammkundeError JRN_CORRUPT · DATA_UNWRITABLE
   */
  rows<T>(sql: string, ...parameters: readonly Parameter[]): readonly T[] {
    try {
      // STRICT tables enforce the types of the columns.
      return this.#prepare(sql).all(...parameters) as T[];
    } catch (error) {
      throw journalFault(error, this.file);
    }
  }

  /** Lets the file grow to at most this many bytes, as a quota would. */
  limitSize(bytes: number): void {
    const pageBytes = Number(this.#connection.pragma('page_size', { simple: true }));
    this.#connection.pragma(`max_page_count=${Math.max(1, Math.floor(bytes / pageBytes))}`);
  }

  close(): void {
    this.#connection.close();
  }

  #prepare(sql: string): Database.Statement<Parameter[], unknown> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare<Parameter[], unknown>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
