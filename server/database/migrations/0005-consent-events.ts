import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** What people agreed to, and what they took back: one row for each event, chained for each person, never changed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  // subject_ref is the customer without a foreign key: the row outlives the profile. object_ref is what the consent is
  // about where a purpose has several objects: the blind index of a linked card.
  `create table consent_event (
     event_id uuid primary key,
     subject_ref uuid not null,
     purpose_code text not null,
     object_ref text,
     decision text not null check (decision in ('granted', 'refused', 'withdrawn', 'expired', 'invalidated')),
     text_version text,
     text_sha256 text,
     locale text,
     ui_variant text,
     channel text not null check (channel in ('app', 'web', 'paper', 'till', 'hotline', 'import')),
     terminal_id text,
     store_id text,
     operator_ref text,
     occurred_at bigint not null,
     recorded_at bigint not null,
     clock_quality text not null check (clock_quality in ('good', 'unknown', 'bad')),
     proof_ref text,
     evidence_sha256 text,
     controller text not null,
     recipients text[] not null default '{}',
     prev_hash text not null,
     hash text not null,
     position bigint generated always as identity,
     unique (subject_ref, prev_hash),
     check (decision <> 'granted'
            or (text_version is not null and text_sha256 is not null and locale is not null and ui_variant is not null)))`,
  `create index consent_event_subject on consent_event (subject_ref, purpose_code, position)`,
  `create trigger append_only before update or delete or truncate on consent_event
   for each statement execute function append_only()`,
];
