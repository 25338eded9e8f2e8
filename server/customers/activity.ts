import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { StoreId } from '../../sync/contract/ids.ts';
import type { DatabaseTransaction } from '../database/database.ts';

/** Shorter than the shortest time after which somebody counts as not active. */
const NEWS_AFTER_MS = 12 * 3_600_000;

/** A customer bought in a store. */
export interface Visit {
  readonly customerId: string;
  readonly store: StoreId;
  readonly at: Instant;
}

/**
 * Remembers where and when customers bought last, by the time of the sale: one that arrives late moves nobody back. What
 * it means for the tills is seen to by the sweep, so that the sale need not wait for it.
 */
export async function noteVisits(
  tx: DatabaseTransaction,
  visits: readonly Visit[],
  now: Instant,
): Promise<void> {
  const last = new Map<string, Visit>();
  for (const visit of visits) {
    // A till's clock may be ahead; nobody bought in the future.
    const at = Math.min(visit.at, now);
    if (at >= (last.get(visit.customerId)?.at ?? 0)) last.set(visit.customerId, { ...visit, at });
  }
  if (last.size === 0) return;
  // In one order always, so that two servers cannot wait for each other.
  const sorted = [...last.values()].toSorted((a, b) => (a.customerId < b.customerId ? -1 : 1));
  await sql`
    insert into customer_activity as known (customer_id, store, at, moved)
    select *, true from unnest(
      ${sorted.map(({ customerId }) => customerId)}::uuid[], ${sorted.map(({ store }) => store)}::text[],
      ${sorted.map(({ at }) => at)}::bigint[])
    on conflict (customer_id) do update set store = excluded.store, at = excluded.at,
      moved = known.moved or known.store <> excluded.store or excluded.at - known.at > ${NEWS_AFTER_MS}::bigint
    where excluded.at >= known.at`.execute(tx);
}
