import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** What tiers are made of: points by the day they were earned, less what came back of them; and how far they were looked at. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  // Points that were taken back, of what its sale had earned, whether they were still there or not.
  `alter table sale_return add column points bigint`,
  `create index point_lot_earned on point_lot (account, earned_at)`,
  // One row. All customers are walked, by id, when a day begins or the rules change; else those who changed.
  `create table tier_run (
     one boolean primary key default true check (one),
     programme bigint not null,
     day bigint not null,
     walked uuid,
     xid xid8 not null,
     seq bigint not null)`,
  `insert into tier_run (programme, day, xid, seq) values (0, 0, '0', 0)`,
];
