import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** The tables the server starts with. Instants are ms since the epoch, points are whole numbers. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table server_meta (name text primary key, value text not null)`,

  // The change feed: a row moves to the end whenever it changes. Rows are paged by (xid, seq), and only up to the
  // oldest transaction still running, so none can later appear before a position already read.
  `create sequence feed_seq`,
  `create function feed_position() returns trigger language plpgsql as $$
   begin
     new.xid := pg_current_xact_id();
     new.seq := nextval('feed_seq');
     return new;
   end $$`,

  `create function append_only() returns trigger language plpgsql as $$
   begin
     raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
   end $$`,

  `create table programme (
     version integer primary key,
     document jsonb not null,
     at bigint not null,
     xid xid8 not null,
     seq bigint not null)`,
  `create index programme_feed on programme (xid, seq)`,

  `create table offer (
     id text primary key,
     document jsonb not null,
     deleted boolean not null default false,
     xid xid8 not null,
     seq bigint not null)`,
  `create index offer_feed on offer (xid, seq)`,

  `create table customer (
     id uuid primary key,
     status text not null check (status in ('active', 'blocked', 'closed')),
     tier text not null,
     points bigint not null default 0,
     points_at bigint not null,
     purposes text[] not null default '{}',
     greeting text,
     created_at bigint not null,
     xid xid8 not null,
     seq bigint not null)`,
  `create index customer_feed on customer (xid, seq)`,

  `create table customer_profile (
     customer_id uuid primary key references customer on delete cascade,
     given_name text, family_name text, birth_date text, email text, phone text,
     street text, postal_code text, city text, country text)`,

  `create table credential (
     id uuid primary key,
     index text not null unique,
     kind text not null,
     scheme text not null,
     customer_id uuid references customer,
     status text not null check (status in ('active', 'blocked')),
     valid_until bigint,
     issued_at bigint not null,
     xid xid8 not null,
     seq bigint not null)`,
  `create index credential_feed on credential (xid, seq)`,
  `create index credential_customer on credential (customer_id)`,

  ...['programme', 'offer', 'customer', 'credential'].map(
    (table) => `create trigger feed_position before insert or update on ${table}
                for each row execute function feed_position()`,
  ),

  `create table till_journal (
     till text not null,
     incarnation uuid not null,
     seq bigint not null,
     id uuid not null unique,
     at bigint not null,
     prev_hash text not null,
     hash text not null,
     body text not null,
     verdict text not null check (verdict in ('created', 'refused')),
     code text,
     received_at bigint not null,
     primary key (till, incarnation, seq))`,

  `create table till_progress (
     till text not null,
     incarnation uuid not null,
     contiguous bigint not null default 0,
     highest bigint not null default 0,
     updated_at bigint not null,
     primary key (till, incarnation))`,

  `create table journal_quarantine (
     till text not null,
     incarnation uuid not null,
     seq bigint not null,
     hash text not null,
     id uuid not null,
     at bigint not null,
     prev_hash text not null,
     body text not null,
     code text not null,
     received_at bigint not null,
     primary key (till, incarnation, seq, hash))`,

  `create table sale_void (sale_id uuid primary key, entry_id uuid not null, completed uuid not null)`,

  `create table ledger_account (id text primary key, balance bigint not null)`,

  `create table ledger_transaction (
     id uuid primary key,
     idempotency_key text not null unique,
     kind text not null,
     at bigint not null,
     recorded_at bigint not null,
     till text,
     incarnation uuid,
     seq bigint)`,

  `create table ledger_posting (
     transaction_id uuid not null,
     account_id text not null,
     points bigint not null check (points <> 0),
     position bigint generated always as identity,
     primary key (account_id, position))`,
  `create index ledger_posting_transaction on ledger_posting (transaction_id)`,

  // Checked once a statement instead of once a row, as a foreign key would: postings come by the thousand.
  `create function ledger_balanced() returns trigger language plpgsql as $$
   begin
     if exists (select from posted group by transaction_id having sum(points) <> 0) then
       raise exception 'the postings of a ledger transaction must add up to zero' using errcode = 'check_violation';
     end if;
     if exists (select from posted p where not exists (
                  select from ledger_transaction t where t.id = p.transaction_id)) then
       raise exception 'a posting names no ledger transaction' using errcode = 'foreign_key_violation';
     end if;
     return null;
   end $$`,
  `create trigger ledger_balanced after insert on ledger_posting
   referencing new table as posted for each statement execute function ledger_balanced()`,

  ...['till_journal', 'journal_quarantine', 'ledger_transaction', 'ledger_posting'].map(
    (table) => `create trigger append_only before update or delete or truncate on ${table}
                for each statement execute function append_only()`,
  ),

  `create table till_state (
     till text primary key,
     incarnation uuid not null,
     session bigint not null,
     online boolean not null,
     at bigint not null,
     version text not null,
     health jsonb,
     received_at bigint not null)`,
];
