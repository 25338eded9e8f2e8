import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Phones that sign, and passes whose codes rotate. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  // Of a phone: its Ed25519 key in base64url; null for all other credentials, and for a phone that was revoked.
  `alter table credential add column public_key text`,

  `create table app_code_use (
     digest text primary key,
     till text not null,
     at bigint not null)`,
  `create index app_code_use_at on app_code_use (at)`,

  // Sealed with a key of the server. It never leaves the server, except to the app's own back end when it is made.
  `create table rotating_secret (
     credential_id uuid primary key references credential on delete cascade,
     sealed text not null,
     period_seconds integer not null,
     digits integer not null,
     algorithm text not null,
     last_step bigint not null,
     made_at bigint not null)`,
];
