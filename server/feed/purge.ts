import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import type { Database, Queries } from '../database/database.ts';
import { comparePlaces, tombstonesFrom } from './position.ts';
import type { Place } from './position.ts';

/** Tombstones purged in one transaction. */
const PURGE_ROWS_MAX = 10_000;

/**
 * Forgets tombstones older than an instant, and remembers up to where: what the keys were is then known nowhere any
 * more, and a till that was away since must load its replica anew.
 * @returns how many were purged; as many as fit into one transaction
 */
export async function purgeTombstones(database: Database, before: Instant): Promise<number> {
  return database.transaction(async (tx) => {
    const { rows } = await sql<{ purged: number }>`
      with gone as (
        delete from feed_tombstone where (collection, key, part) in (
          select collection, key, part from feed_tombstone where at < ${Math.floor(before)}::bigint
          order by at limit ${PURGE_ROWS_MAX}::bigint for update skip locked)
        returning collection, xid, seq
      ), last as (
        select distinct on (collection) collection, xid, seq from gone order by collection, xid desc, seq desc
      ), noted as (
        insert into feed_purged as known (collection, xid, seq) select * from last
        on conflict (collection) do update set xid = excluded.xid, seq = excluded.seq
          where (known.xid, known.seq) < (excluded.xid, excluded.seq)
      )
      select count(*) as purged from gone`.execute(tx);
    return rows[0]?.purged ?? 0;
  });
}

/** @throws StammkundeError REP_SNAPSHOT_REQUIRED when tombstones after the position were purged */
export async function assertNotPurged(
  db: Queries,
  collection: ReplicaCollection,
  position: FeedPosition,
): Promise<void> {
  const { rows } = await sql<Place>`
    select xid::text as xid, seq from feed_purged where collection = ${collection}`.execute(db);
  const [purged] = rows;
  if (purged !== undefined && comparePlaces(tombstonesFrom(position), purged) < 0) {
    throw new StammkundeError(
      'REP_SNAPSHOT_REQUIRED',
      `what is gone from ${collection} since is no longer known`,
    );
  }
}

/** Forgets which cards were erased, together with their tombstones. */
export async function purgeErasedIndexes(database: Database, before: Instant): Promise<void> {
  await sql`delete from erased_index where at < ${Math.floor(before)}::bigint`.execute(database.db);
}
