import { randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import type { Queries } from '../../../server/database/database.ts';

/** One write of the kinds there are; `who` picks among what exists. */
export type Write =
  | { readonly kind: 'register'; readonly cards: number }
  | {
      readonly kind: 'sell' | 'withdraw' | 'block' | 'give card' | 'lose card' | 'lift' | 'erase';
      readonly who: number;
    }
  | { readonly kind: 'move'; readonly who: number; readonly part: string };

/** Parts customers may move between. */
const PARTS = ['', 'north', 'south', 'south~', '~'] as const;

const who = fc.nat({ max: 1_000 });
export const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('register' as const), cards: fc.nat({ max: 2 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('sell', 'sell', 'withdraw', 'block', 'give card', 'lose card', 'lift', 'erase'),
      who,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('move' as const), who, part: fc.constantFrom(...PARTS) }),
  },
);

/** Does a write straight in the tables: what keeps hashes and tombstones right must not depend on who writes. */
export async function perform(db: Queries, each: Write): Promise<void> {
  if (each.kind === 'register') return register(db, each.cards);
  const { rows } = await sql<{ id: string }>`
    select id from customer order by id offset (${each.who}::bigint % greatest(1, (select count(*) from customer))) limit 1 for update`.execute(
    db,
  );
  // Held until the transaction ends: writers take turns on a customer, so that none waits in a circle.
  const id = rows[0]?.id;
  if (id === undefined) return;
  switch (each.kind) {
    case 'sell':
      await sql`update customer set points = points + ${each.who}, points_at = points_at + 1 where id = ${id}`.execute(
        db,
      );
      return;
    case 'withdraw':
      await sql`update customer set purposes = array['personal_offers', 'greeting'], greeting = ${`Zoë ${each.who}`} where id = ${id}`.execute(
        db,
      );
      return;
    case 'block':
      await sql`update credential set status = case status when 'active' then 'blocked' else 'active' end where customer_id = ${id}`.execute(
        db,
      );
      return;
    case 'give card':
      await giveCard(db, id);
      return;
    case 'lose card':
      await sql`delete from credential where id = (select id from credential where customer_id = ${id} limit 1)`.execute(
        db,
      );
      return;
    case 'lift':
      await sql`update credential set index = ${newIndex()} where id = (select id from credential where customer_id = ${id} limit 1)`.execute(
        db,
      );
      return;
    case 'move':
      await sql`update customer set feed_part = ${each.part} where id = ${id}`.execute(db);
      await sql`update credential set feed_part = ${each.part} where customer_id = ${id}`.execute(db);
      return;
    case 'erase':
      await sql`delete from credential where customer_id = ${id}`.execute(db);
      await sql`delete from customer where id = ${id}`.execute(db);
      return;
  }
}

function newIndex(): string {
  return randomBytes(32).toString('base64url');
}

async function register(db: Queries, cards: number): Promise<void> {
  const id = randomUUID();
  await sql`insert into customer (id, status, tier, points_at, created_at) values (${id}, 'active', 'basic', 0, 0)`.execute(
    db,
  );
  for (let i = 0; i < cards; i += 1) await giveCard(db, id);
}

async function giveCard(db: Queries, customer: string): Promise<void> {
  await sql`
    insert into credential (id, index, kind, scheme, customer_id, status, issued_at, feed_part)
    select ${randomUUID()}::uuid, ${newIndex()}, 'card', 'house', id, 'active', 0, feed_part from customer where id = ${customer}`.execute(
    db,
  );
}

/** Removes everything there is of the feed, with its tombstones and hashes. */
export async function clear(db: Queries): Promise<void> {
  for (const table of ['credential', 'customer', 'offer', 'feed_tombstone', 'feed_purged']) {
    await sql`delete from ${sql.table(table)}`.execute(db);
  }
  await sql`delete from feed_tombstone`.execute(db);
}
