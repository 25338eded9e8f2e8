import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Customers can be erased from what is otherwise append-only, and tills may hold a part of the customer base. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  // An erasure takes blind indexes out of rows that nothing else changes. It says so for its transaction alone.
  `create or replace function append_only() returns trigger language plpgsql as $$
   begin
     if tg_op = 'UPDATE' and current_setting('stammkunde.erasing', true) = 'on' then return null; end if;
     raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
   end $$`,
  // What an erasure did, without anything of the person.
  `create table customer_erasure (
     customer_id uuid primary key,
     erasure_id uuid not null,
     at bigint not null,
     credentials integer not null,
     entries integer not null,
     accounts integer not null,
     consents integer not null)`,
  // The cards of erased customers, as long as their tombstones: what tills still bring of them is erased as well.
  `create table erased_index (index text primary key, at bigint not null)`,
  `create index erased_index_at on erased_index (at)`,
  // Entries by the first card they name; a link names others too and is found by the consent that came of it.
  `create index till_journal_card on till_journal (substring(body from '"index":"([A-Za-z0-9_-]{43})"'))
   where body like '%"index":"%'`,

  // Where and when a customer bought last. \`moved\`: the customer base has not been told yet.
  `create table customer_activity (
     customer_id uuid primary key,
     store text not null,
     at bigint not null,
     moved boolean not null)`,
  `create index customer_activity_moved on customer_activity (customer_id) where moved`,
  // A card lies where its customer does, one that belongs to nobody in every scope. Its name has it run before the
  // trigger that computes hash and position.
  `create function credential_feed_part() returns trigger language plpgsql as $$
   begin
     new.feed_part := coalesce((select c.feed_part from customer c where c.id = new.customer_id), '');
     return new;
   end $$`,
  `create trigger feed_part before insert on credential for each row execute function credential_feed_part()`,
  `create trigger feed_part_given before update of customer_id on credential for each row
   when (new.customer_id is distinct from old.customer_id) execute function credential_feed_part()`,
  // For tills that hold a part of the customer base.
  `create index customer_part on customer (feed_part, xid, seq) where feed_part <> ''`,
  `create index credential_part on credential (feed_part, xid, seq) where feed_part <> ''`,
];
