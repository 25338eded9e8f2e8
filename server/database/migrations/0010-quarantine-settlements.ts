import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** What lies in quarantine can be settled, once, by somebody who says why. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table quarantine_settlement (
     till text not null,
     incarnation uuid not null,
     seq bigint not null,
     hash text not null,
     decision text not null check (decision in ('accepted', 'dismissed')),
     outcome text check (outcome in ('created', 'exists', 'refused')),
     code text,
     settled_by text not null,
     reason text not null,
     at bigint not null,
     primary key (till, incarnation, seq, hash),
     check ((decision = 'accepted') = (outcome is not null)))`,
  `create trigger append_only before update or delete or truncate on quarantine_settlement
   for each statement execute function append_only()`,
];
