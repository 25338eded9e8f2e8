import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** What offers were, and from when by the server's clock: a sale is worth what was offered when it was made. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table offer_version (
     offer_id text not null,
     position bigint generated always as identity,
     at bigint not null,
     document jsonb,
     primary key (offer_id, position))`,
  `create index offer_version_at on offer_version (at)`,
  `create trigger append_only before update or delete or truncate on offer_version
   for each statement execute function append_only()`,
  // Since when these are in force nobody wrote down; all sales so far were posted with them.
  `insert into offer_version (offer_id, at, document)
   select id, 0, case when deleted then null else document end from offer`,
];
