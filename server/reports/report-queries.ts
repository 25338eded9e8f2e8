import { sql } from 'kysely';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Database, DatabasePorts, DatabaseSource, Queries } from '../database/database.ts';
import { connectForReports } from '../database/postgres.ts';

/** Reports that are read at once, of those that end soon. */
const CONNECTIONS = 2;

/**
 * Reads what people at head office look at, beside the connections that serve tills: however many reports are asked for,
 * and however long they take, sales are taken in.
 */
export class ReportQueries implements Closable {
  /** For what ends soon: a page, a look-up by key. */
  readonly db: Queries;
  readonly #database: Database;
  /** Undefined with an embedded database, which has but one connection. */
  readonly #patient: Queries | undefined;
  readonly #opened: Opened;
  #last: Promise<unknown> = Promise.resolve();
  /** What is to be read and was not begun yet, by what reads it. */
  readonly #waiting = new Map<unknown, Promise<unknown>>();
  #closed = false;
  #backend: number | undefined;

  private constructor(database: Database, opened: Opened, db: Queries, patient?: Queries) {
    this.#database = database;
    this.#opened = opened;
    this.db = db;
    this.#patient = patient;
  }

  /** Connects when first asked. @param database the one that was opened from `source` */
  static open(source: DatabaseSource, database: Database, ports: DatabasePorts): ReportQueries {
    const opened = new Opened();
    if (!('url' in source)) return new ReportQueries(database, opened, database.db);
    const soon = opened.add(connectForReports(source.url, { max: CONNECTIONS, patient: false }, ports));
    const patient = opened.add(connectForReports(source.url, { max: 1, patient: true }, ports));
    return new ReportQueries(database, opened, soon.db, patient.db);
  }

  /**
   * Reads whole tables, for as long as that takes, and one after the other. It begins after it was asked for; who asks
   * for the same before is given the same.
   * @throws StammkundeError DB_UNREACHABLE, and whatever `read` throws
   */
  wholeTables<T>(read: (db: Queries) => Promise<T>): Promise<T> {
    // Kept under the very function that gives a T.
    const waiting = this.#waiting.get(read) as Promise<T> | undefined;
    if (waiting !== undefined) return waiting;
    const result = this.#last.then(() => {
      this.#waiting.delete(read);
      return this.#read(read);
    });
    this.#waiting.set(read, result);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Ends what is being read: nobody who closes a server waits for a report. */
  async end(): Promise<void> {
    this.#closed = true;
    if (this.#backend === undefined) return;
    await sql`select pg_cancel_backend(${this.#backend})`.execute(this.#database.db).catch(() => {});
  }

  async close(): Promise<void> {
    await this.end();
    await this.#opened.close();
  }

  async #read<T>(read: (db: Queries) => Promise<T>): Promise<T> {
    if (this.#patient === undefined) return read(this.db);
    return this.#patient.connection().execute(async (connection) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(connection);
      try {
        if (this.#closed) throw new StammkundeError('DB_UNREACHABLE', 'the server is closing');
        this.#backend = rows[0]?.pid;
        return await read(connection);
      } finally {
        this.#backend = undefined;
      }
    });
  }
}
