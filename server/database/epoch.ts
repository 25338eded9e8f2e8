import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { DatabaseTransaction, Queries } from './database.ts';
import { asDatabaseFault, databaseCodeOf, LOCK_NOT_AVAILABLE } from './faults.ts';
import { MIGRATION_WAIT_MS } from './migrate.ts';
import { passOverVersions } from './statement-versions.ts';
import type { Tables } from './tables.ts';

/** What tells one database cluster, and one history of it, from another; null where the database does not say. */
export interface Origin {
  /** PostgreSQL's system identifier: another one after a dump was loaded elsewhere. */
  readonly system: string | null;
  /** The write-ahead log's timeline: another one after a restore to a point in time, or a promotion of a standby. */
  readonly timeline: string | null;
}

/** What it is called in `server_meta`. */
export const META_NAMES = { epoch: 'epoch', system: 'epoch_system', timeline: 'epoch_timeline' } as const;
const FEED_TABLES = ['credential', 'customer', 'offer', 'programme'] as const satisfies (keyof Tables)[];

interface EpochPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A backup was put back. */
  readonly restored?: boolean | undefined;
  /** The epoch that was served until now. */
  readonly known?: string | undefined;
  /** How long another server is waited for that is at it, ms: it may have all rows to renew. */
  readonly waitMs?: number | undefined;
}

/**
 * The epoch of this database, a new one when it is not the history that the stored one names. The epoch is a row and so
 * in every backup; what gives a restore away is the origin stored beside it, and feed positions of transactions that
 * have not been here yet. Positions of that kind are renewed, or no till would get those rows until the transaction
 * counter had come as far as it was where they came from.
 *
 * Each is greater than those before it: one that is less than what was served until now is of a database from before.
 *
 * It is looked at at the start, and again when the database has another origin or epoch than it had. What cannot be seen
 * is a restore of the embedded database's folder, or of a snapshot of the whole disk, while no server runs: `restored`
 * says it.
 * @throws StammkundeError DB_MIGRATION_AWAITED · DB_UNREACHABLE
 */
export async function establishEpoch(db: Queries, ports: EpochPorts): Promise<string> {
  const { waitMs = MIGRATION_WAIT_MS } = ports;
  const origin = await readOrigin(db);
  try {
    return await db.transaction().execute(async (tx) => {
      await sql`select set_config('lock_timeout', ${`${waitMs}ms`}, true)`.execute(tx);
      return establish(tx, origin, ports);
    });
  } catch (error) {
    if (databaseCodeOf(error) !== LOCK_NOT_AVAILABLE) throw asDatabaseFault(error);
    throw new StammkundeError(
      'DB_MIGRATION_AWAITED',
      `another server has been renewing the feed’s positions for more than ${waitMs} ms`,
      { cause: error },
    );
  }
}

async function establish(
  tx: DatabaseTransaction,
  origin: Origin,
  { clock, random, log, restored = false, known = '' }: EpochPorts,
): Promise<string> {
  const first = uuidV7(clock.now(), random);
  // Inserting or locking the row, one server at a time goes on from here.
  await tx
    .insertInto('server_meta')
    .values({ name: META_NAMES.epoch, value: first })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { value: stored } = await tx
    .selectFrom('server_meta')
    .select('value')
    .where('name', '=', META_NAMES.epoch)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const reason = restored ? 'told' : stored < known ? 'older' : await reasonForNew(tx, origin);
  await remember(tx, META_NAMES.system, origin.system);
  await remember(tx, META_NAMES.timeline, origin.timeline);
  if (reason === undefined || stored === first) return stored;
  const latest = known > stored ? known : stored;
  const fresh = uuidV7(Math.max(clock.now(), timeOf(latest) + 1), random);
  log.info({ event: 'database.renewing', reason });
  await renewPositions(tx);
  await passOverVersions(tx, clock.now());
  await remember(tx, META_NAMES.epoch, fresh);
  log.warn({ event: 'database.new_epoch', reason, before: stored, epoch: fresh });
  return fresh;
}

/** What the database says of itself: the epoch, and the origin it was of when that was looked at last. */
export async function readStored(db: Queries): Promise<{ readonly epoch: string | null } & Origin> {
  const rows = await db
    .selectFrom('server_meta')
    .select(['name', 'value'])
    .where('name', 'in', Object.values(META_NAMES))
    .execute();
  const of = (name: string): string | null => rows.find((row) => row.name === name)?.value ?? null;
  return { epoch: of(META_NAMES.epoch), system: of(META_NAMES.system), timeline: of(META_NAMES.timeline) };
}

/** When an epoch was made, ms: the first 48 bits of a UUID of version 7 (RFC 9562, 5.7). */
function timeOf(epoch: string): number {
  return Number.parseInt(epoch.replaceAll('-', '').slice(0, 12), 16);
}

export async function readOrigin(db: Queries): Promise<Origin> {
  // Each for itself, and outside of a transaction: not every database has both, or lets everyone ask.
  const ask = async (query: string): Promise<string | null> => {
    try {
      const { rows } = await sql.raw<{ value: string }>(query).execute(db);
      return rows[0]?.value ?? null;
    } catch {
      return null;
    }
  };
  return {
    system: await ask(`select system_identifier::text as value from pg_control_system()`),
    // The checkpoint's timeline lags behind a promotion; the name of the current log file does not.
    timeline: await ask(`select left(pg_walfile_name(pg_current_wal_lsn()), 8) as value`),
  };
}

async function reasonForNew(tx: DatabaseTransaction, origin: Origin): Promise<string | undefined> {
  const rows = await tx.selectFrom('server_meta').select(['name', 'value']).execute();
  const differs = (name: string, now: string | null): boolean => {
    const before = rows.find((row) => row.name === name)?.value;
    return before !== undefined && now !== null && before !== now;
  };
  if (differs(META_NAMES.system, origin.system)) return 'system';
  if (differs(META_NAMES.timeline, origin.timeline)) return 'timeline';
  for (const table of FEED_TABLES) {
    const ahead = await sql`
      select from ${sql.table(table)} where xid >= pg_snapshot_xmax(pg_current_snapshot()) limit 1`.execute(
      tx,
    );
    if (ahead.rows.length > 0) return 'positions';
  }
  return undefined;
}

/** Gives every row whose position lies ahead of this database's transactions a position of now. */
async function renewPositions(tx: DatabaseTransaction): Promise<void> {
  // All rows of all tables may be concerned, in one statement each.
  await sql`set local statement_timeout = 0`.execute(tx);
  // The trigger sets the position on any update. Versions of the programme keep their order: the last one counts. In
  // a new history all tills load anew: none needs to be told what is gone.
  await sql
    .raw(
      `do $$
       declare
         ahead xid8 := pg_snapshot_xmax(pg_current_snapshot());
         rule record;
       begin
         ${FEED_TABLES.filter((table) => table !== 'programme')
           .map((table) => `update ${table} set xid = xid where xid >= ahead;`)
           .join('\n')}
         for rule in select version from programme where xid >= ahead order by version loop
           update programme set xid = xid where version = rule.version;
         end loop;
         delete from feed_tombstone;
         delete from feed_purged;
         -- How far tiers were looked at is a place, too.
         update tier_run set xid = '0', seq = 0;
       end $$`,
    )
    .execute(tx);
}

async function remember(tx: DatabaseTransaction, name: string, value: string | null): Promise<void> {
  if (value === null) return;
  await tx
    .insertInto('server_meta')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}
