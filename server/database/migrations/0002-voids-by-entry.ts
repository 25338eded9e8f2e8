import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/**
 * Voids are told apart by the entry they undo as well: where one sale id was used twice, the void of the refused
 * duplicate must not stand in the way of the void of the sale that counts.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table sale_void drop constraint sale_void_pkey, add primary key (sale_id, completed)`.execute(
    db,
  );
}
