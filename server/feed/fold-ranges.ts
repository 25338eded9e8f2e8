import { sql } from 'kysely';
import { ADVISORY_LOCKS } from '../database/advisory-locks.ts';
import type { Database } from '../database/database.ts';

/**
 * Adds what writers appended to the hashes of ranges, so that a question for them stays cheap. Nobody waits for it, and
 * in no snapshot does the sum change.
 * @returns how many changes were folded in; 0 also when another server is at it
 */
export async function foldRanges(database: Database): Promise<number> {
  return database.transaction(async (tx) => {
    const { rows: locks } = await sql<{ mine: boolean }>`
      select pg_try_advisory_xact_lock(${ADVISORY_LOCKS.fold}::bigint) as mine`.execute(tx);
    if (locks[0]?.mine !== true) return 0;
    const { rows } = await sql<{ folded: number }>`
      with moved as (delete from feed_range_delta returning *),
      kept as (
        insert into feed_range as known (collection, part, bucket, hash, count)
        select collection, part, bucket, bit_xor(hash), sum(count) from moved group by 1, 2, 3
        on conflict (collection, part, bucket) do update
          set hash = known.hash # excluded.hash, count = known.count + excluded.count
      )
      select count(*) as folded from moved`.execute(tx);
    return rows[0]?.folded ?? 0;
  });
}
