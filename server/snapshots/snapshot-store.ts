import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { CHUNK_BYTES_MAX } from '../../sync/contract/snapshot.ts';
import type { SnapshotChunk, SnapshotCollection } from '../../sync/contract/snapshot.ts';
import type { Database, DatabaseTransaction, Queries } from '../database/database.ts';
import { META_NAMES } from '../database/epoch.ts';
import type { Place } from '../feed/position.ts';

/** The snapshot of a part of the customer base, or of all of it. */
export interface StoredSnapshot {
  readonly id: number;
  readonly places: SnapshotPlaces;
  readonly madeAt: Instant;
}

/** Where each collection's feed stood before the first document was read. */
export type SnapshotPlaces = Readonly<Record<SnapshotCollection, Place>>;

/**
 * What a snapshot is of: `all`, or `part:` and the name of a part.
 */
export type Base = string;

/** True when this chunk is kept already; it then stays for another while. */
export async function touchChunk(db: Queries, sha256: string, now: Instant): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('snapshot_chunk')
    .set({ stored_at: now })
    .where('sha256', '=', sha256)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function storeChunk(
  db: Queries,
  { sha256, bytes, now }: { readonly sha256: string; readonly bytes: Buffer; readonly now: Instant },
): Promise<void> {
  await db
    .insertInto('snapshot_chunk')
    .values({ sha256, bytes, stored_at: now })
    .onConflict((conflict) => conflict.column('sha256').doUpdateSet({ stored_at: now }))
    .execute();
}

/** Some of a chunk's bytes, and how many it has; undefined when it is not kept. */
export async function readChunk(
  db: Queries,
  sha256: string,
  { offset = 0, length = CHUNK_BYTES_MAX }: { readonly offset?: number; readonly length?: number } = {},
): Promise<{ readonly bytes: Buffer; readonly total: number } | undefined> {
  const { rows } = await sql<{ bytes: Uint8Array; total: number }>`
    select substring(bytes from ${offset + 1}::integer for ${length}::integer) as bytes, octet_length(bytes) as total
    from snapshot_chunk where sha256 = ${sha256}`.execute(db);
  const [row] = rows;
  if (row === undefined) return undefined;
  const { buffer, byteOffset, byteLength } = row.bytes;
  return { bytes: Buffer.from(buffer, byteOffset, byteLength), total: row.total };
}

/** Bytes in a chunk; undefined when it is not kept. */
export async function chunkSize(db: Queries, sha256: string): Promise<number | undefined> {
  const { rows } = await sql<{ total: number }>`
    select octet_length(bytes) as total from snapshot_chunk where sha256 = ${sha256}`.execute(db);
  return rows[0]?.total;
}

/** Makes a snapshot known, all of it or nothing: from now on it is offered. */
export async function storeSnapshot(
  tx: DatabaseTransaction,
  snapshot: {
    readonly base: Base;
    readonly epoch: string;
    readonly places: SnapshotPlaces;
    readonly chunks: readonly SnapshotChunk[];
    readonly now: Instant;
  },
): Promise<number> {
  const { base, epoch, places, chunks, now } = snapshot;
  const { id } = await tx
    .insertInto('snapshot')
    .values({ base, epoch, places: JSON.stringify(places), made_at: now, offered_at: now })
    .returning('id')
    .executeTakeFirstOrThrow();
  const entries = chunks.map((chunk, position) => ({
    snapshot_id: id,
    position,
    collection: chunk.collection,
    sha256: chunk.sha256,
    bytes: chunk.bytes,
    unpacked_bytes: chunk.unpackedBytes,
    documents: chunk.documents,
    first_key: chunk.first,
    last_key: chunk.last,
  }));
  for (let i = 0; i < entries.length; i += ENTRIES_AT_ONCE) {
    await tx
      .insertInto('snapshot_entry')
      .values(entries.slice(i, i + ENTRIES_AT_ONCE))
      .execute();
  }
  return id;
}

/** A statement of PostgreSQL takes 65,535 parameters. */
const ENTRIES_AT_ONCE = 1_000;

/** The snapshots of a base made since an instant, in this history of the data, the newest first. */
export async function readSnapshots(
  { db, epoch }: Pick<Database, 'db' | 'epoch'>,
  base: Base,
  since: Instant,
): Promise<readonly StoredSnapshot[]> {
  const rows = await db
    .selectFrom('snapshot')
    .select(['id', 'places', 'made_at'])
    .where('base', '=', base)
    .where('epoch', '=', epoch)
    .where('made_at', '>=', since)
    .orderBy('id', 'desc')
    .limit(SNAPSHOTS_LOOKED_AT)
    .execute();
  return rows.map(({ id, places, made_at }) => ({ id, places, madeAt: made_at }));
}

const SNAPSHOTS_LOOKED_AT = 10;

/** The chunks of a snapshot, in their order. */
export async function readEntries(db: Queries, snapshotId: number): Promise<readonly SnapshotChunk[]> {
  const rows = await db
    .selectFrom('snapshot_entry')
    .selectAll()
    .where('snapshot_id', '=', snapshotId)
    .orderBy('position')
    .execute();
  return rows.map((row) => ({
    collection: row.collection,
    sha256: row.sha256,
    bytes: row.bytes,
    unpackedBytes: row.unpacked_bytes,
    documents: row.documents,
    first: row.first_key,
    last: row.last_key,
  }));
}

/** Remembers that a till was given these snapshots: they stay for as long as it may load them. */
export async function noteOffered(db: Queries, ids: readonly number[], now: Instant): Promise<void> {
  await db
    .updateTable('snapshot')
    .set({ offered_at: now })
    .where('id', 'in', [...ids])
    .where('offered_at', '<', now)
    .execute();
}

/**
 * Documents of a base, about as many as there are: the sum of what the feed counts for its comparison with tills.
 */
export async function countDocuments(db: Queries, part: string | null): Promise<number> {
  const ofPart = part === null ? sql`true` : sql`part = ${part}`;
  const { rows } = await sql<{ total: number }>`
    select coalesce(sum(count), 0) as total from (
      select count from feed_range where ${ofPart}
      union all select count from feed_range_delta where ${ofPart}) counted`.execute(db);
  return rows[0]?.total ?? 0;
}

/**
 * Removes snapshots that no till was offered since `unusedSince` and that are older than `outdatedSince` or followed by
 * a newer one, those of another history, and then chunks that belong to none.
 * @returns how many of each
 */
export async function removeOld(
  { db }: Database,
  { unusedSince, outdatedSince }: { readonly unusedSince: Instant; readonly outdatedSince: Instant },
): Promise<{ readonly snapshots: number; readonly chunks: number }> {
  const snapshots = await sql`
    delete from snapshot s
    where s.epoch <> (select value from server_meta where name = ${META_NAMES.epoch})
       or (s.offered_at < ${unusedSince} and (s.made_at < ${outdatedSince} or exists (
             select from snapshot n where n.base = s.base and n.epoch = s.epoch and n.id > s.id)))`.execute(
    db,
  );
  // A snapshot that is being made names its chunks only at the end: young ones are left alone. One that is named
  // between the look and the deletion is kept by the foreign key, which fails the statement; the next round does it.
  const chunks = await sql`
    delete from snapshot_chunk c
    where c.stored_at < ${unusedSince}
      and not exists (select from snapshot_entry e where e.sha256 = c.sha256)`.execute(db);
  return {
    snapshots: Number(snapshots.numAffectedRows ?? 0n),
    chunks: Number(chunks.numAffectedRows ?? 0n),
  };
}
