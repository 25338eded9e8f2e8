import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/**
 * Each earning is a lot, with days of its own; a sale keeps on which lines its points lie; returns and voids are kept
 * until their sale is there. What accounts held so far becomes one lot each that does not expire.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `alter table ledger_transaction add column content text, add column parts integer[]`,

  `create table point_lot (
     id uuid primary key,
     account text not null,
     earned_at bigint not null,
     vests_at bigint not null,
     expires_at bigint,
     points bigint not null check (points > 0),
     remaining bigint not null check (remaining >= 0),
     expired bigint not null check (expired >= 0),
     pending boolean not null,
     check (remaining + expired <= points))`,
  `create index point_lot_account on point_lot (account) where remaining > 0 or expired > 0`,
  `create index point_lot_unclaimed on point_lot (account) where account like 'unclaimed:%'`,
  `create index point_lot_vesting on point_lot (vests_at)
   where pending and remaining > 0 and account like 'member:%'`,
  `create index point_lot_expiry on point_lot (expires_at)
   where remaining > 0 and expires_at is not null and account like 'member:%'`,
  `insert into point_lot (id, account, earned_at, vests_at, points, remaining, expired, pending)
   select gen_random_uuid(), id, 0, 0, balance, balance, 0, false from ledger_account
   where balance > 0 and (id like 'member:%' or id like 'unclaimed:%')`,

  // An erasure renames the account of a card; its lots stay with it.
  `create function lots_follow_account() returns trigger language plpgsql as $$
   begin
     update point_lot set account = new.id where account = old.id;
     return null;
   end $$`,
  `create trigger lots_follow after update of id on ledger_account
   for each row when (old.id <> new.id) execute function lots_follow_account()`,

  `create table sale_return (
     entry_id uuid primary key,
     return_id uuid not null,
     sale_id uuid not null,
     kind text not null check (kind in ('return', 'void')),
     completed uuid,
     at bigint not null,
     lines jsonb not null,
     state text not null check (state in ('waiting', 'posted', 'refused')),
     code text,
     till text not null,
     incarnation uuid not null,
     seq bigint not null,
     position bigint generated always as identity)`,
  `create index sale_return_sale on sale_return (sale_id)`,
  `create index sale_return_waiting on sale_return (position) where state = 'waiting'`,
  `insert into sale_return (entry_id, return_id, sale_id, kind, completed, at, lines, state, till, incarnation, seq)
   select v.entry_id, v.entry_id, v.sale_id, 'void', v.completed, coalesce(j.at, 0), '[]',
     case when exists (select from ledger_transaction t where t.id = v.entry_id) then 'posted' else 'waiting' end,
     coalesce(j.till, ''), coalesce(j.incarnation, v.entry_id), coalesce(j.seq, 0)
   from sale_void v left join till_journal j on j.id = v.entry_id`,
  `drop table sale_void`,
];
