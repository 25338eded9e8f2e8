import { sql } from 'kysely';
import type { RangeBucket } from '../../sync/contract/range-hash.ts';
import { RANGE_CHANGED_MAX } from '../../sync/contract/ranges.ts';
import type { Queries } from '../database/database.ts';
import { isAfter } from './position.ts';
import type { Place } from './position.ts';
import { isGone, rowAccess, tableOf } from './row-collections.ts';
import type { RowCollection } from './row-collections.ts';
import { inScope } from './scope.ts';
import type { FeedScope } from './scope.ts';

/** Where a scope's documents stand, with those after a place apart. */
export interface RangeState {
  /** The buckets of everything there is, by number; those missing are empty. */
  readonly buckets: ReadonlyMap<number, RangeBucket>;
  /** What is there now and changed after the place. */
  readonly changed: readonly { readonly key: string; readonly bucket: number; readonly hash: bigint }[];
  /** Keys of what went after the place, or left the scope, and did not come back. */
  readonly gone: readonly string[];
}

interface StateRow {
  /** null in the row of a bucket. */
  readonly key: string | null;
  /** null in the row of a tombstone. */
  readonly bucket: number | null;
  /** 64 binary digits; null in the row of a tombstone. */
  readonly hash: string | null;
  readonly count: number;
}

/** One statement, and so one snapshot: what is told apart is told of the same moment, whoever writes meanwhile. */
export async function readRangeState(
  db: Queries,
  collection: RowCollection,
  after: Place,
  scope: FeedScope,
): Promise<RangeState> {
  const { key } = rowAccess[collection];
  const limit = RANGE_CHANGED_MAX + 1;
  // With too many changed rows the till is behind, whatever is gone besides.
  const { rows } = await sql<StateRow>`
    with changed as materialized (
      select ${key} as key, f.range_bucket as bucket, f.range_hash::text as hash from ${tableOf[collection]} f
      where ${isAfter('f', after)} and ${inScope(scope, sql`f.feed_part`)} limit ${limit}::bigint)
    select null as key, s.bucket, bit_xor(s.hash)::text as hash, sum(s.count)::bigint as count from (
      select part, bucket, hash, count from feed_range where collection = ${collection}
      union all
      select part, bucket, hash, count from feed_range_delta where collection = ${collection}) s
    where ${inScope(scope, sql`s.part`)} group by s.bucket
    union all
    select key, bucket, hash, 0 from changed
    union all
    (select t.key, null, null, 0 from feed_tombstone t
     where (select count(*) from changed) < ${limit}::bigint
       and t.collection = ${collection} and ${isAfter('t', after)} and ${inScope(scope, sql`t.part`)}
       and ${isGone(collection, scope)}
     limit ${limit}::bigint)`.execute(db);
  const buckets = new Map<number, RangeBucket>();
  const changed: RangeState['changed'][number][] = [];
  const gone: string[] = [];
  for (const row of rows) {
    if (row.bucket === null || row.hash === null) {
      gone.push(row.key ?? '');
      continue;
    }
    const hash = BigInt(`0b${row.hash}`);
    if (row.key === null) buckets.set(row.bucket, { hash, count: row.count });
    else changed.push({ key: row.key, bucket: row.bucket, hash });
  }
  return { buckets, changed, gone };
}
