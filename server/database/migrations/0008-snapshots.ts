import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Snapshots of the customer base, for tills that have nothing yet. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  // In the database, so that every server can serve every chunk. They are compressed already, and of uncompressed ones
  // PostgreSQL reads a part without the rest.
  `create table snapshot_chunk (
     sha256 text primary key,
     bytes bytea not null,
     stored_at bigint not null)`,
  `alter table snapshot_chunk alter column bytes set storage external`,

  `create table snapshot (
     id bigint generated always as identity primary key,
     base text not null,
     epoch text not null,
     places jsonb not null,
     made_at bigint not null,
     offered_at bigint not null)`,
  `create index snapshot_base on snapshot (base, id)`,

  `create table snapshot_entry (
     snapshot_id bigint not null references snapshot on delete cascade,
     position integer not null,
     collection text not null,
     sha256 text not null references snapshot_chunk,
     bytes integer not null,
     unpacked_bytes integer not null,
     documents integer not null,
     first_key text not null,
     last_key text not null,
     primary key (snapshot_id, position))`,
  `create index snapshot_entry_chunk on snapshot_entry (sha256)`,

  // Who makes a snapshot, and until when that is believed without hearing from them.
  `create table snapshot_build (base text primary key, builder text not null, until timestamptz not null)`,

  // Tills load fastest in the order of bytes, which is not the order of every database.
  `create index credential_key on credential (index collate "C")`,
];
