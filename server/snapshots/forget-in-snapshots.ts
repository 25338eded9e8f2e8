import { sql } from 'kysely';
import type { DatabaseTransaction } from '../database/database.ts';
import type { SnapshotCollection } from '../../sync/contract/snapshot.ts';

/**
 * Takes documents out of what tills can load: the snapshots they may be in go, and the chunks of those in which they
 * are. Nothing says what is in a chunk no snapshot names yet, so all of those go, and every build under way loses its
 * lease: it read from before. Chunks that are known not to hold them stay, for the next snapshot to name. A till that
 * asks for a chunk that is gone asks for another snapshot.
 *
 * To be called with what deletes the documents, at the end: from here to the end of the transaction no build begins or
 * ends, for it would be of a time before.
 */
export async function forgetInSnapshots(
  tx: DatabaseTransaction,
  keys: Readonly<Record<SnapshotCollection, readonly string[]>>,
): Promise<void> {
  // In the order in which a build takes them. Who only reads, as tills do, does not wait.
  await sql`lock table snapshot_build, snapshot, snapshot_chunk in exclusive mode`.execute(tx);
  await sql`delete from snapshot_build`.execute(tx);
  await sql`
    delete from snapshot_chunk c
    where not exists (select from snapshot_entry e where e.sha256 = c.sha256)`.execute(tx);
  const { rows } = await sql<{ id: number; sha256: string }>`
    select e.snapshot_id as id, e.sha256 from snapshot_entry e
    where exists (
      select from (select 'credentials' as collection, unnest(${[...keys.credentials]}::text[]) as key
                   union all select 'customers', unnest(${[...keys.customers]}::text[])) gone
      where gone.collection = e.collection
        and gone.key collate "C" >= e.first_key and gone.key collate "C" <= e.last_key)`.execute(tx);
  await sql`delete from snapshot where id = any(${rows.map(({ id }) => id)}::bigint[])`.execute(tx);
  await sql`
    delete from snapshot_chunk where sha256 = any(${rows.map(({ sha256 }) => sha256)}::text[])`.execute(tx);
}
