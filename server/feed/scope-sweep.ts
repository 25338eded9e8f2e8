import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { ReplicaScope } from '../../sync/contract/replica-scope.ts';
import type { Database, DatabaseTransaction } from '../database/database.ts';
import { holdOwnership } from '../ledger/claim.ts';
import { readScopeSetting } from './programme-scope.ts';

/** Customers moved in one transaction. */
const MOVED_MAX = 500;
/** Customers looked at in one transaction when all are. */
const LOOKED_AT_MAX = 5_000;
const DAY_MS = 86_400_000;

/**
 * Puts customers who bought somewhere else, or again after a long time, into the part of the customer base where they
 * belong now, with their cards. Tills of the part they left get a tombstone, those of the new one the documents. While
 * every till holds everybody nothing is moved: no till would be any wiser.
 * @returns how many were moved
 */
export async function moveVisitors(database: Database, now: Instant): Promise<number> {
  const setting = await readScopeSetting(database.db);
  if (setting === undefined || setting.by === 'all') return 0;
  for (let moved = 0; ;) {
    const ids = await database.transaction(async (tx) => {
      const { rows } = await sql<{ id: string }>`
        select customer_id as id from customer_activity where moved
        order by customer_id limit ${MOVED_MAX}::bigint for update skip locked`.execute(tx);
      const taken = rows.map(({ id }) => id);
      // Somebody else has the others in hand, or their sale is being posted: they keep their mark for the next time.
      const done = await move(tx, setting, taken, now);
      await sql`update customer_activity set moved = false where customer_id = any(${[...done.seen]}::uuid[])`.execute(
        tx,
      );
      moved += done.moved;
      return done.seen;
    });
    if (ids.size === 0) return moved;
  }
}

/** Looks at every customer: finds who is no longer active, and all there are after the setting was changed. */
export async function moveEverybody(database: Database, now: Instant): Promise<number> {
  const setting = await readScopeSetting(database.db);
  if (setting === undefined || setting.by === 'all') return 0;
  let moved = 0;
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const last = await database.transaction(async (tx) => {
      const { rows } = await sql<{ id: string }>`
        select id from customer where id > ${after}::uuid order by id limit ${LOOKED_AT_MAX}::bigint`.execute(
        tx,
      );
      moved += (
        await move(
          tx,
          setting,
          rows.map(({ id }) => id),
          now,
        )
      ).moved;
      return rows.at(-1)?.id;
    });
    if (last === undefined) return moved;
    after = last;
  }
}

/** Moves those of the customers who lie in the wrong part and whom nobody else is writing to. */
async function move(
  tx: DatabaseTransaction,
  setting: ReplicaScope,
  ids: readonly string[],
  now: Instant,
): Promise<{ readonly seen: ReadonlySet<string>; readonly moved: number }> {
  if (ids.length === 0) return { seen: new Set(), moved: 0 };
  const days = setting.by === 'all' ? undefined : setting.activeWithinDays;
  const activeSince = days === undefined ? 0 : now - days * DAY_MS;
  // No card may change hands between its customer's move and its own.
  await holdOwnership(tx);
  const { rows } = await sql<{ id: string; part: string }>`
    select c.id, coalesce(a.store, '')
             || case when coalesce(a.at, c.created_at) < ${Math.floor(activeSince)}::bigint then '~' else '' end as part
    from customer c left join customer_activity a on a.customer_id = c.id
    where c.id = any(${[...ids]}::uuid[]) order by c.id for update of c skip locked`.execute(tx);
  const seen = new Set(rows.map(({ id }) => id));
  const moves = sql`unnest(${rows.map(({ id }) => id)}::uuid[], ${rows.map(({ part }) => part)}::text[]) as m(id, part)`;
  const { rows: moved } = await sql`
    update customer c set feed_part = m.part from ${moves} where c.id = m.id and c.feed_part <> m.part
    returning c.id`.execute(tx);
  await sql`
    update credential k set feed_part = m.part from ${moves}
    where k.customer_id = m.id and k.feed_part <> m.part`.execute(tx);
  return { seen, moved: moved.length };
}
