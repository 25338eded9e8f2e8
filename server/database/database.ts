import { chmodSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, PGliteDialect, sql } from 'kysely';
import type { Transaction } from 'kysely';
import { isFault, StammkundeError } from '../../foundation/errors.ts';
import type { Clock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { makeFolder } from '../../foundation/folder.ts';
import { establishEpoch } from './epoch.ts';
import { asDatabaseFault, databaseCodeOf, isTakenBack } from './faults.ts';
import { migrate } from './migrate.ts';
import { connectForService, connectForUpkeep, numberParsers } from './postgres.ts';
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

/** Of a transaction that is taken back: who begins anew may meet the same others once more. */
const ATTEMPTS = 3;

/** How long a server that runs waits for another that learns the epoch, before it looks anew. */
const LEARN_WAIT_MS = 10_000;

/**
 * The server's database: one SQL, PGlite or PostgreSQL below. Whole numbers come back as numbers; one too large for
 * that is a ProgrammerError, never a rounded value.
 */
export class Database implements Closable {
  readonly db: Queries;
  /**
   * Names this history of the data: another one after a restore into a new database, or when a standby took over. Set
   * here alone, by {@link learnEpoch} and {@link adoptEpoch}.
   */
  epoch: string;
  readonly #opened: Opened;
  readonly #log: Log;
  /** Transactions that failed because the database was away, and how many of them had when it last took a write of ours. */
  #failed = 0;
  #provenAfter = 0;
  readonly #establish: ((known: string) => Promise<string>) | undefined;

  /** @param establish learns the epoch anew, where another database may come in the place of this one */
  private constructor(
    db: Queries,
    epoch: string,
    opened: Opened,
    log: Log,
    establish?: (known: string) => Promise<string>,
  ) {
    this.db = db;
    this.epoch = epoch;
    this.#opened = opened;
    this.#log = log;
    this.#establish = establish;
  }

  /**
   * Connects, brings the schema up to date and learns the epoch.
   * @throws StammkundeError DB_UNREACHABLE · DB_MIGRATION · DB_MIGRATION_AWAITED · DATA_IN_USE · DATA_UNWRITABLE
   */
  static async open(
    source: DatabaseSource,
    ports: DatabasePorts,
    options: DatabaseOptions = {},
  ): Promise<Database> {
    const opened = new Opened();
    try {
      const restored = options.restored ?? false;
      if ('url' in source) {
        const epoch = await prepare(source.url, ports, { restored });
        const connections = connectForService(source.url, ports);
        opened.defer(() => connections.close());
        await reach(connections.db);
        return new Database(connections.db, epoch, opened, ports.log, (known) =>
          prepare(source.url, ports, { known, waitMs: LEARN_WAIT_MS }),
        );
      }
      const db = await embed(source, ports, opened);
      await reach(db);
      await migrate(db, ports);
      const epoch = await establishEpoch(db, { ...ports, restored });
      return new Database(db, epoch, opened, ports.log);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** A database that somebody else opened and brought up to date, and will close. */
  static over(db: Queries, epoch: string, log: Log): Database {
    return new Database(db, epoch, new Opened(), log);
  }

  /**
   * Runs `work` in one transaction: all of it is committed, or nothing. When the database takes it back because of others
   * beside it (a deadlock), it is done again: `work` therefore changes nothing but what it reaches through `tx`.
   * @throws StammkundeError DB_UNREACHABLE, and whatever `work` throws
   */
  async transaction<T>(work: (tx: DatabaseTransaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.db.transaction().execute(work);
      } catch (error) {
        if (!isTakenBack(error) || attempt === ATTEMPTS) {
          const fault = asDatabaseFault(error);
          if (isFault(fault, 'DB_UNREACHABLE')) this.#failed += 1;
          throw fault;
        }
        this.#log.info({ event: 'database.taken_back', code: databaseCodeOf(error), attempt });
      }
    }
  }

  /**
   * Learns the epoch anew, because another database may have come in the place of the one that was opened.
   * @returns whether it is another one
   * @throws StammkundeError DB_UNREACHABLE · DB_MIGRATION · DB_MIGRATION_AWAITED
   */
  async learnEpoch(): Promise<boolean> {
    const before = this.epoch;
    this.epoch = (await this.#establish?.(before)) ?? before;
    return this.epoch !== before;
  }

  /** Takes over the epoch that another server made of this database. */
  adoptEpoch(epoch: string): void {
    this.epoch = epoch;
  }

  /**
   * Whether it answers and takes writes: one is tried when a transaction failed since the last that succeeded here.
   * @throws StammkundeError DB_UNREACHABLE
   */
  async ping(): Promise<void> {
    const failed = this.#failed;
    try {
      const { rows } = await sql<{ read_only: string }>`
        select current_setting('transaction_read_only') as read_only`.execute(this.db);
      if (rows[0]?.read_only === 'on') throw new Error('it takes no writes');
      if (failed === this.#provenAfter) return;
      await sql`
        insert into server_meta (name, value) values ('written_after', ${String(failed)})
        on conflict (name) do update set value = excluded.value`.execute(this.db);
      this.#provenAfter = failed;
    } catch (error) {
      throw new StammkundeError('DB_UNREACHABLE', 'the database does not answer as it should', {
        cause: error,
      });
    }
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

/** What may take as long as the tables are large, over a connection of its own. @returns the epoch */
async function prepare(
  url: string,
  ports: DatabasePorts,
  about: { readonly restored?: boolean; readonly known?: string; readonly waitMs?: number },
): Promise<string> {
  const upkeep = connectForUpkeep(url, ports);
  try {
    await reach(upkeep.db);
    await migrate(upkeep.db, ports, about);
    return await establishEpoch(upkeep.db, { ...ports, ...about });
  } finally {
    await upkeep.close();
  }
}

async function embed(
  source: { readonly embedded: string } | { readonly memory: true },
  { log }: DatabasePorts,
  opened: Opened,
): Promise<Queries> {
  const options = { parsers: numberParsers };
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
