import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Receipts that were claimed. What a claim says is in its journal entry alone. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table sale_claim (
     entry_id uuid primary key,
     sale_id uuid not null,
     state text not null check (state in ('waiting', 'posted', 'refused')),
     code text,
     position bigint generated always as identity)`,
  `create index sale_claim_sale on sale_claim (sale_id)`,
];
