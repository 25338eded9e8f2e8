import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Points that are kept for sales, and what tills may take without asking. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table redemption (
     id uuid primary key,
     account text not null,
     sale_id uuid not null,
     till text not null,
     points bigint not null check (points > 0),
     authorised text not null check (authorised in ('reservation', 'allowance')),
     allowance_version bigint,
     state text not null check (state in ('reserved', 'posted', 'voided')),
     at bigint not null,
     expires_at bigint not null,
     taken jsonb not null,
     parts integer[],
     owed bigint not null default 0,
     flag text check (flag in ('overdrawn', 'after-void')))`,
  `create index redemption_sale on redemption (sale_id)`,
  `create index redemption_reserved on redemption (expires_at) where state = 'reserved'`,
  `create index redemption_flagged on redemption (at) where flag is not null`,
  // A merge or an erasure gives accounts other names; what was paid is given back to whoever it is by then.
  `create or replace function lots_follow_account() returns trigger language plpgsql as $$
   begin
     update point_lot set account = new.id where account = old.id;
     update redemption set account = new.id where account = old.id;
     return null;
   end $$`,
  `create index redemption_account on redemption (account)`,

  `create table till_allowance (
     till text primary key,
     version bigint not null,
     per_customer bigint not null,
     per_till bigint not null,
     valid_until bigint not null,
     issued_at bigint not null)`,
];
