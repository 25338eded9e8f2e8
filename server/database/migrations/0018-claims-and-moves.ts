import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Claims that wait are looked at each minute; whose a sale's points are now is asked by whose they were. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create index sale_claim_waiting on sale_claim (position) where state = 'waiting'`,
  `create index ledger_transaction_moved on ledger_transaction (split_part(idempotency_key, ':', 2))
   where kind in ('merge', 'erase')`,
];
