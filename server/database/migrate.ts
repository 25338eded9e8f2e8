import { sql } from 'kysely';
import type { Kysely, QueryExecutorProvider } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { Migration } from 'kysely/migration';
import { sleep } from '../../foundation/clock.ts';
import type { Clock } from '../../foundation/clock.ts';
import { isFault, StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import { ADVISORY_LOCKS } from './advisory-locks.ts';
import { asDatabaseFault, databaseCodeOf, DEADLOCK, LOCK_NOT_AVAILABLE } from './faults.ts';
import { migrations } from './migrations.ts';
import type { Tables } from './tables.ts';

export interface MigrateOptions {
  /** How long another server is waited for that is at it. */
  readonly waitMs?: number;
  /** How long sales wait at most for tables to be free of earlier statements, before a migration lets them go first. */
  readonly lockMs?: number;
}

/** How long a server that starts waits for another that makes the database ready. */
export const MIGRATION_WAIT_MS = 3_600_000;
const LOCK_MS = 3_000;
/** Tables are asked for this often, with a pause in between in which everyone else goes on. */
const LOCK_ATTEMPTS = 30;
const LOCK_PAUSE_MS = 2_000;
/** A migration has its tables by then; this is for what it makes besides. */
const FURTHER_LOCK_MS = 60_000;

/**
 * What writers write to, in their order: journal, then customer, then card, then ledger. A migration takes all of it before it
 * begins, and so waits for nobody, and nobody for it in a circle, while it changes the one and the other.
 */
const TABLES_IN_ORDER: readonly (keyof Tables)[] = [
  'till_progress',
  'till_journal',
  'customer',
  'customer_profile',
  'credential',
  'consent_event',
  'ledger_transaction',
  'ledger_posting',
  'ledger_account',
  'programme',
  'offer',
];

/**
 * Brings the schema up to date: all of it, or nothing. One server does, others that start meanwhile wait for it. How
 * long it takes is up to the size of the tables; each step is told in the log.
 * @param db one whose statements have no time limit
 * @throws StammkundeError DB_MIGRATION · DB_MIGRATION_AWAITED when another server is at it for too long ·
 *   DB_UNREACHABLE
 */
export async function migrate(
  db: Kysely<Tables>,
  ports: { readonly clock: Clock; readonly log: Log },
  { waitMs = MIGRATION_WAIT_MS, lockMs = LOCK_MS }: MigrateOptions = {},
): Promise<void> {
  await db.connection().execute(async (own) => {
    try {
      await takeTurn(own, ports.log, waitMs);
    } catch (error) {
      throw asDatabaseFault(error);
    }
    try {
      await migrateInTurn(own, ports, lockMs);
    } finally {
      // The turn ends with the connection, if it is lost.
      await sql`select pg_advisory_unlock(${ADVISORY_LOCKS.migration}::bigint)`.execute(own).catch(() => {});
    }
  });
}

async function takeTurn(own: Kysely<Tables>, log: Log, waitMs: number): Promise<void> {
  const { rows } = await sql<{ mine: boolean }>`
    select pg_try_advisory_lock(${ADVISORY_LOCKS.migration}::bigint) as mine`.execute(own);
  if (rows[0]?.mine === true) return;
  log.info({ event: 'database.migration_awaited', waitMs });
  await setLockTimeout(own, waitMs, false);
  try {
    await sql`select pg_advisory_lock(${ADVISORY_LOCKS.migration}::bigint)`.execute(own);
  } catch (error) {
    if (databaseCodeOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    throw new StammkundeError(
      'DB_MIGRATION_AWAITED',
      `another server has been bringing the schema up to date for more than ${waitMs} ms`,
      { cause: error },
    );
  }
}

async function migrateInTurn(
  own: Kysely<Tables>,
  ports: { readonly clock: Clock; readonly log: Log },
  lockMs: number,
): Promise<void> {
  const { clock, log } = ports;
  for (let attempt = 1; ; attempt += 1) {
    await setLockTimeout(own, lockMs, false);
    const run = new Run(ports);
    const migrator = new Migrator({ db: own, provider: { getMigrations: () => run.migrations() } });
    const { error, results } = await migrator.migrateToLatest();
    if (error === undefined) return;
    const code = databaseCodeOf(error);
    if ((code === LOCK_NOT_AVAILABLE || code === DEADLOCK) && !run.hasTables && attempt < LOCK_ATTEMPTS) {
      log.info({ event: 'database.migration_delayed', attempt, code });
      await sleep(clock, LOCK_PAUSE_MS);
      continue;
    }
    const fault = asDatabaseFault(error);
    if (isFault(fault, 'DB_UNREACHABLE')) throw fault;
    const failed = results?.find((result) => result.status === 'Error')?.migrationName;
    throw new StammkundeError(
      'DB_MIGRATION',
      `the schema cannot be brought up to date (${failed ?? 'order'})`,
      { cause: error },
    );
  }
}

/** The migrations as one attempt performs them: with all tables locked before the first, and each of them told. */
class Run {
  readonly #ports: { readonly clock: Clock; readonly log: Log };
  hasTables = false;

  constructor(ports: { readonly clock: Clock; readonly log: Log }) {
    this.#ports = ports;
  }

  migrations(): Promise<Record<string, Migration>> {
    const told = Object.entries(migrations).map(([name, migration]): [string, Migration] => [
      name,
      { up: (db) => this.#up(db, name, migration) },
    ]);
    return Promise.resolve(Object.fromEntries(told));
  }

  async #up(db: Kysely<unknown>, name: string, migration: Migration): Promise<void> {
    const { clock, log } = this.#ports;
    if (!this.hasTables) {
      await lockTables(db);
      this.hasTables = true;
    }
    log.info({ event: 'database.migrating', migration: name });
    const began = clock.monotonicMs();
    await migration.up(db);
    log.info({ event: 'database.migrated', migration: name, ms: Math.round(clock.monotonicMs() - began) });
  }
}

/** Those there are by now, in the order of writers; first of all what keeps sales and new cards from beginning. */
async function lockTables(tx: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select c.relname::text as name from pg_class c
    join unnest(${[...TABLES_IN_ORDER]}::text[]) with ordinality as n(name, place) on n.name = c.relname
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' order by n.place`.execute(tx);
  if (rows.length > 0) {
    await sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.ownership}::bigint)`.execute(tx);
    const tables = sql.join(rows.map(({ name }) => sql.table(name)));
    await sql`lock table ${tables} in access exclusive mode`.execute(tx);
  }
  await setLockTimeout(tx, FURTHER_LOCK_MS, true);
}

async function setLockTimeout(db: QueryExecutorProvider, ms: number, local: boolean): Promise<void> {
  await sql`select set_config('lock_timeout', ${`${ms}ms`}, ${local})`.execute(db);
}
