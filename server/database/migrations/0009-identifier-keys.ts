import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Identifier keys can be rotated, and tills can be ordered to wipe themselves. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  // While a rotation lasts, a credential stands here twice: the credential itself under the newest index, and a row for
  // tills that have only the older keys, which is of no other use. Both are in the feed like any row.
  `alter table credential add column key_version smallint not null default 1,
     add column alias_of uuid references credential on delete cascade`,
  `create index credential_key_version on credential (key_version, id)`,
  `create index credential_alias on credential (alias_of) where alias_of is not null`,
  `create function credential_forms() returns trigger language plpgsql as $$
   begin
     update credential a
     set status = new.status, customer_id = new.customer_id, valid_until = new.valid_until,
         public_key = new.public_key, feed_part = new.feed_part
     where a.alias_of = new.id
       and (a.status, a.customer_id, a.valid_until, a.public_key, a.feed_part)
         is distinct from (new.status, new.customer_id, new.valid_until, new.public_key, new.feed_part);
     return null;
   end $$`,
  `create trigger forms after update on credential
   for each row when (new.alias_of is null) execute function credential_forms()`,

  // Journals and ledger are append-only: points of cards that belong to nobody stay under the index they were earned
  // with, and an erasure has to find the older indexes of a card.
  `create table index_form (previous text primary key, index text not null)`,
  `create index index_form_index on index_form (index)`,

  // The tills that can do without the older forms.
  `create table till_identifier_key (
     till text primary key,
     incarnation uuid not null,
     version smallint not null,
     at bigint not null)`,

  `create table till_order (
     id uuid primary key,
     till text not null,
     incarnation uuid,
     kind text not null check (kind in ('wipe', 'wipe-lifted')),
     ordered_by text not null,
     reason text,
     at bigint not null,
     position bigint generated always as identity)`,
  `create index till_order_till on till_order (till, position)`,
  `create trigger append_only before update or delete or truncate on till_order
   for each statement execute function append_only()`,
];
