import { chmodSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, PGliteDialect, PostgresDialect, sql } from 'kysely';
import type { Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import { Pool, types } from 'pg';
import { isFault, ProgrammerError, StammkundeError } from '../../foundation/errors.ts';
import type { Clock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { makeFolder } from '../../foundation/folder.ts';
import { establishEpoch } from './epoch.ts';
import { asDatabaseFault } from './faults.ts';
import { migrations } from './migrations.ts';
import { acquireProcessLock } from './process-lock.ts';
import type { Tables } from './tables.ts';

/** A folder for the embedded database, a PostgreSQL by URL, or (for tests) memory. */
export type DatabaseSource =
  | { readonly embedded: string }
  | { readonly url: string }
  | { readonly memory: true };

export interface DatabasePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface DatabaseOptions {
  /** True when a backup was put back: it gets a new epoch, so that all tills load their replicas again. */
  readonly restored?: boolean;
}

/** What statements run on: the database itself, or a transaction. */
export type Queries = Kysely<Tables>;
export type DatabaseTransaction = Transaction<Tables>;

const POOL_MAX = 8;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const LOCK_TIMEOUT_MS = 10_000;
/** A forgotten open transaction would hold back the change feed of every till. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;

/** PostgreSQL type ids (pg_type.oid) of bigint and numeric. */
const INT8 = 20;
const NUMERIC = 1700;

/**
 * The server's database: one SQL, PGlite or PostgreSQL below. Whole numbers come back as numbers; one too large for
 * that is a ProgrammerError, never a rounded value.
 */
export class Database implements Closable {
  readonly db: Queries;
  /** Names this history of the data: another one after a restore into a new database. */
  readonly epoch: string;
  readonly #opened: Opened;

  private constructor(db: Queries, epoch: string, opened: Opened) {
    this.db = db;
    this.epoch = epoch;
    this.#opened = opened;
  }

  /**
   * Connects, brings the schema up to date and learns the epoch.
   * @throws StammkundeError DB_UNREACHABLE · DB_MIGRATION · DATA_IN_USE · DATA_UNWRITABLE
   */
  static async open(
    source: DatabaseSource,
    ports: DatabasePorts,
    options: DatabaseOptions = {},
  ): Promise<Database> {
    const opened = new Opened();
    try {
      const db =
        'url' in source ? connect(source.url, ports.log, opened) : await embed(source, ports, opened);
      await reach(db);
      await migrate(db);
      const epoch = await establishEpoch(db, { ...ports, restored: options.restored ?? false });
      return new Database(db, epoch, opened);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /**
   * Runs `work` in one transaction: all of it is committed, or nothing.
   * @throws StammkundeError DB_UNREACHABLE, and whatever `work` throws
   */
  async transaction<T>(work: (tx: DatabaseTransaction) => Promise<T>): Promise<T> {
    try {
      return await this.db.transaction().execute(work);
    } catch (error) {
      throw asDatabaseFault(error);
    }
  }

  /** @throws StammkundeError DB_UNREACHABLE */
  async ping(): Promise<void> {
    await reach(this.db);
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

/** @throws ProgrammerError when the number cannot be represented exactly */
function exactNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new ProgrammerError('a whole number of the database is too large');
  return number;
}

function connect(url: string, log: Log, opened: Opened): Queries {
  const pool = new Pool({
    connectionString: url,
    max: POOL_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    application_name: 'stammkunde-server',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 || oid === NUMERIC
          ? exactNumber
          : // The overloads of pg do not admit a format that may be either.
            (types.getTypeParser(oid, format as 'text') as (text: string) => unknown),
    },
  });
  // A pooled connection that breaks while idle is replaced by the pool; without a listener it would end the process.
  pool.on('error', (error) => log.warn({ event: 'database.connection_lost', error }));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  // kysely ends the pool only once it was used
  opened.defer(async () => {
    await db.destroy();
    if (!pool.ended) await pool.end();
  });
  return db;
}

async function embed(
  source: { readonly embedded: string } | { readonly memory: true },
  { log }: DatabasePorts,
  opened: Opened,
): Promise<Queries> {
  const options = { parsers: { [INT8]: exactNumber, [NUMERIC]: exactNumber } };
  let pglite: PGlite;
  if ('memory' in source) {
    pglite = await PGlite.create(options);
  } else {
    // PGlite takes no lock of its own, and two processes on one folder destroy it. The lock lies beside the folder,
    // which PGlite fills itself.
    const lock = acquireProcessLock(`${source.embedded}.lock`);
    opened.defer(() => lock.release());
    log.warn({
      event: 'database.embedded',
      folder: source.embedded,
      note: 'the embedded database does not survive a power cut: use PostgreSQL (database.url) for real sales',
    });
    try {
      // PGlite makes its files readable by all; the folder around them is what keeps others out.
      makeFolder(source.embedded);
      chmodSync(source.embedded, 0o700);
      pglite = await PGlite.create(source.embedded, options);
    } catch (error) {
      throw new StammkundeError('DB_UNREACHABLE', `the database in ${source.embedded} cannot be opened`, {
        cause: error,
      });
    }
  }
  opened.defer(() => pglite.close());
  return new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) });
}

async function reach(db: Queries): Promise<void> {
  try {
    await sql`select 1`.execute(db);
  } catch (error) {
    throw new StammkundeError('DB_UNREACHABLE', 'the database does not answer', { cause: error });
  }
}

async function migrate(db: Queries): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const fault = asDatabaseFault(error);
  if (isFault(fault, 'DB_UNREACHABLE')) throw fault;
  const failed = results?.find((result) => result.status === 'Error')?.migrationName;
  throw new StammkundeError(
    'DB_MIGRATION',
    `the schema cannot be brought up to date (${failed ?? 'order'})`,
    {
      cause: error,
    },
  );
}
