import { sql } from 'kysely';
import { RANGE_BUCKETS } from '../../../sync/contract/range-hash.ts';
import type { Database } from '../../../server/database/database.ts';

export interface Recount {
  /** Parts and buckets where the hashes that follow the writes are not those of the rows. */
  readonly off: number;
  readonly rows: number;
}

/** Holds the hashes kept of a collection against its rows, in one snapshot. */
export async function recount(database: Database, collection: 'credentials' | 'customers'): Promise<Recount> {
  const table = sql.table(collection === 'credentials' ? 'credential' : 'customer');
  const { rows } = await sql<Recount>`
    with kept as (
      select part, bucket, bit_xor(hash) as hash, sum(count) as count from (
        select part, bucket, hash, count from feed_range where collection = ${collection}
        union all select part, bucket, hash, count from feed_range_delta where collection = ${collection}) s
      group by part, bucket having bit_xor(hash) <> 0::bit(64) or sum(count) <> 0
    ), counted as (
      select feed_part as part, range_bucket as bucket, bit_xor(range_hash) as hash, count(*) as count
      from ${table} group by 1, 2
    )
    select (select count(*) from kept full join counted using (part, bucket)
            where (kept.hash, kept.count) is distinct from (counted.hash, counted.count::numeric)) as off,
           (select count(*) from ${table} where range_bucket between 0 and ${RANGE_BUCKETS - 1}) as rows`.execute(
    database.db,
  );
  return rows[0] ?? { off: -1, rows: -1 };
}
