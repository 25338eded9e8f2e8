import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** An erasure finds every card an entry names; the server knows which journals and which store a till's name had. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create function cards_named_in(body text) returns text[] language sql immutable parallel safe as $$
     select array(select found[1] from regexp_matches(body, '"index":"([A-Za-z0-9_-]{43})"', 'g') as found)
   $$`,
  // A sale names one card and is found by the index on the first; those that name several are few.
  `create index till_journal_cards on till_journal using gin (cards_named_in(body))
   where body like '%"index":"%"index":"%'`,
  `create index journal_quarantine_cards on journal_quarantine using gin (cards_named_in(body))`,

  // The journals a till's name had before the one it has: a stolen till and the one that was put in its place.
  `create table till_former_journal (
     till text not null,
     incarnation uuid not null,
     last_seen bigint not null,
     primary key (till, incarnation))`,
  `create function note_former_journal() returns trigger language plpgsql as $$
   begin
     insert into till_former_journal as known (till, incarnation, last_seen)
     values (old.till, old.incarnation, old.received_at)
     on conflict (till, incarnation) do update set last_seen = greatest(known.last_seen, excluded.last_seen);
     return null;
   end $$`,
  `create trigger former_journal after update of incarnation on till_state
   for each row when (old.incarnation <> new.incarnation) execute function note_former_journal()`,

  // Where a till stands, by its own first word or by whoever moved it: what it may be given of the customer base.
  `create table till_store (
     till text primary key,
     store text not null,
     at bigint not null,
     put_by text)`,
];
