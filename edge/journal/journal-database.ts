import type Database from 'better-sqlite3-multiple-ciphers';
import { StammkundeError, isFault } from '../../foundation/errors.ts';
import { openJournalFile } from './journal-file.ts';
import type { Genesis } from './journal-file.ts';
import { journalFault } from './journal-fault.ts';

type Parameter = string | number | null;

/** As much of a connection as a journal needs. */
export type JournalConnection = Pick<
  Database.Database,
  'exec' | 'prepare' | 'pragma' | 'inTransaction' | 'close'
>;

/** How the file is opened: as {@link openJournalFile} does, or with a disk that fails. */
export type OpenJournalFile = (file: string, key: Uint8Array, genesis: () => Genesis) => JournalConnection;

/**
 * The one connection to a journal's file, shared by the entries and the open sales that rest beside them.
 *
 * After the disk refused to write or to sync, nothing says what of that reached it: the kernel drops what it could not
 * write and reports it once, so a later sync that succeeds proves nothing. Such a connection writes nothing more. It
 * first puts all that stands into the file anew and empties the log, where the refused transaction may lie complete;
 * then the file is opened again and held against what is known to stand. Until that works every write is refused.
 */
export class JournalDatabase {
  readonly file: string;
  readonly #key: Uint8Array;
  readonly #openFile: OpenJournalFile;
  /** Undefined once closed, or while the file could not be opened again. */
  #connection: JournalConnection | undefined;
  /** Only texts that stand in the source come here, so this stays small. */
  readonly #statements = new Map<string, Database.Statement<Parameter[], unknown>>();
  #inTransaction = false;
  #trusted = true;
  #closed = false;
  #checkReopened: () => void = () => {};

  /** @throws as {@link openJournalFile} */
  constructor(
    file: string,
    key: Uint8Array,
    genesis: () => Genesis,
    openFile: OpenJournalFile = openJournalFile,
  ) {
    this.file = file;
    this.#key = key;
    this.#openFile = openFile;
    this.#connection = openFile(file, key, genesis);
  }

  /** Calls `check` whenever the file was opened again; what it throws keeps the journal from being written. */
  whenReopened(check: () => void): void {
    this.#checkReopened = check;
  }

  /**
   * Runs `work` in one transaction that is on the disk when this returns; whatever it throws undoes all of it. Inside
   * another transaction it is part of that.
   * @throws StammkundeError DATA_DISK_FULL · DATA_UNWRITABLE · JRN_CORRUPT
   */
  transact<T>(work: () => T): T {
    if (this.#inTransaction) return work();
    if (!this.#trusted) this.#renew();
    const connection = this.#open();
    this.#inTransaction = true;
    try {
      connection.exec('BEGIN IMMEDIATE');
      const result = work();
      connection.exec('COMMIT');
      return result;
    } catch (error) {
      const fault = journalFault(error, this.file);
      if (isFault(fault, 'DATA_UNWRITABLE')) this.#trusted = false;
      this.#rollBack(connection);
      throw fault;
    } finally {
      this.#inTransaction = false;
      if (!this.#trusted) this.#tryToRenew();
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
    const connection = this.#open();
    const pageBytes = Number(connection.pragma('page_size', { simple: true }));
    connection.pragma(`max_page_count=${Math.max(1, Math.floor(bytes / pageBytes))}`);
  }

  close(): void {
    this.#closed = true;
    this.#letGo();
  }

  #prepare(sql: string): Database.Statement<Parameter[], unknown> {
    const connection = this.#open();
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = connection.prepare<Parameter[], unknown>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #open(): JournalConnection {
    if (this.#connection !== undefined) return this.#connection;
    if (this.#closed) throw new StammkundeError('DATA_UNWRITABLE', `${this.file} is closed`);
    this.#connection = this.#openFile(this.file, this.#key, () => {
      throw new StammkundeError('JRN_CORRUPT', `${this.file} is gone`);
    });
    return this.#connection;
  }

  #letGo(): void {
    this.#statements.clear();
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }

  /** SQLite rolls back by itself on some errors, a full disk among them; a disk that fails may fail here too. */
  #rollBack(connection: JournalConnection): void {
    try {
      if (connection.inTransaction) connection.exec('ROLLBACK');
    } catch {
      this.#trusted = false;
    }
  }

  /** At once, so that the refused transaction lies in the log no longer than it must; else before the next write. */
  #tryToRenew(): void {
    try {
      this.#renew();
    } catch {
      // Still not to be trusted: the next write says why.
    }
  }

  #renew(): void {
    try {
      // This connection's memory of the log ends before what was refused; one opened anew would read it as well.
      const busy: unknown = this.#connection?.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) ?? 0;
      if (busy !== 0) throw new StammkundeError('DATA_UNWRITABLE', `${this.file} cannot be written anew`);
      this.#letGo();
      this.#open();
      this.#checkReopened();
      this.#trusted = true;
    } catch (error) {
      throw journalFault(error, this.file);
    }
  }
}
