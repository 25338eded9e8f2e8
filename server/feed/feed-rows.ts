import { sql } from 'kysely';
import type {
  OfferDocument,
  ProgrammeDocument,
  ReplicaCollection,
} from '../../sync/contract/replica-documents.ts';
import type { Queries } from '../database/database.ts';
import { isAfter, isComplete } from './position.ts';
import type { Place } from './position.ts';
import { isGone, rowAccess, tableOf } from './row-collections.ts';
import type { RowCollection } from './row-collections.ts';
import { inScope } from './scope.ts';
import type { FeedScope } from './scope.ts';

/** A document of the feed, at its place. */
export interface FeedRow {
  readonly place: Place;
  readonly document: Readonly<Record<string, unknown>>;
  readonly deleted: boolean;
}

export interface FeedRange {
  readonly after: Place;
  /** Tombstones are told of from here on; never before `after`. */
  readonly tombstonesAfter: Place;
  readonly limit: number;
}

/** Behind all transactions there will ever be. */
const XID_MAX = '18446744073709551615';

interface PlaceColumns {
  readonly at_xid: string;
  readonly at_seq: number;
}

/** What changed in a collection after a place, oldest first, as far as it is complete. */
export function readFeedRows(
  db: Queries,
  collection: ReplicaCollection,
  range: FeedRange,
  scope: FeedScope,
): Promise<readonly FeedRow[]> {
  switch (collection) {
    case 'credentials':
    case 'customers':
      return rowsAndTombstones(db, collection, range, scope);
    case 'offers':
      return offers(db, range);
    case 'programme':
      return programmes(db, range);
  }
}

/**
 * Rows and tombstones in one order. A tombstone of something that is in the scope after all (it was made anew, or moved
 * within the scope) is left out.
 *
 * After many rows moved there is a tombstone of each, nearly all of them to be left out. None that lies behind the last
 * row of a full page is looked at; and each that is looked at costs a look for its row, never a look at all rows.
 */
async function rowsAndTombstones(
  db: Queries,
  collection: RowCollection,
  { after, tombstonesAfter, limit }: FeedRange,
  scope: FeedScope,
): Promise<readonly FeedRow[]> {
  const { columns, goneColumns, document } = rowAccess[collection];
  // Positions are selected under names of their own: with `xid::text as xid` in the list, `order by xid` would sort
  // the text.
  const { rows } = await sql<PlaceColumns & { gone: boolean }>`
    with r as materialized (
      select ${columns}, false as gone, f.xid as at, f.seq as at_seq from ${tableOf[collection]} f
      where ${isAfter('f', after)} and ${isComplete('f')} and ${inScope(scope, sql`f.feed_part`)}
      order by f.xid, f.seq limit ${limit}::bigint),
    last as (
      select at, at_seq from (
        (select at, at_seq from r order by at, at_seq offset ${limit - 1}::bigint)
        union all select ${XID_MAX}::xid8, ${Number.MAX_SAFE_INTEGER}::bigint) l
      order by at, at_seq limit 1)
    select p.*, p.at::text as at_xid from (
      select * from r
      union all
      (select ${goneColumns}, true, t.xid, t.seq from feed_tombstone t
       where t.collection = ${collection} and ${isAfter('t', tombstonesAfter)} and ${isComplete('t')}
         and (t.xid, t.seq) < (select at, at_seq from last)
         and ${inScope(scope, sql`t.part`)} and ${isGone(collection, scope)}
       order by t.xid, t.seq limit ${limit}::bigint)
    ) p order by p.at, p.at_seq limit ${limit}::bigint`.execute(db);
  return rows.map((row) => ({ place: placeOf(row), document: document(row, row.gone), deleted: row.gone }));
}

async function offers(db: Queries, { after, limit }: FeedRange): Promise<readonly FeedRow[]> {
  const { rows } = await sql<PlaceColumns & { document: OfferDocument; deleted: boolean }>`
    select f.document, f.deleted, f.xid::text as at_xid, f.seq as at_seq from offer f
    where ${isAfter('f', after)} and ${isComplete('f')}
    order by f.xid, f.seq limit ${limit}::bigint`.execute(db);
  return rows.map((row) => ({ place: placeOf(row), document: row.document, deleted: row.deleted }));
}

/** All versions share one document id and a later version has a later position, so the newest one wins. */
async function programmes(db: Queries, { after, limit }: FeedRange): Promise<readonly FeedRow[]> {
  const { rows } = await sql<PlaceColumns & { document: ProgrammeDocument }>`
    select f.document, f.xid::text as at_xid, f.seq as at_seq from programme f
    where ${isAfter('f', after)} and ${isComplete('f')}
    order by f.xid, f.seq limit ${limit}::bigint`.execute(db);
  return rows.map((row) => ({ place: placeOf(row), document: row.document, deleted: false }));
}

function placeOf({ at_xid, at_seq }: PlaceColumns): Place {
  return { xid: at_xid, seq: at_seq };
}
