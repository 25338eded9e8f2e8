import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import { EXPIRED, ISSUED, REDEEMED } from './accounts.ts';

/** Half of what is counted exactly; beyond all of it the database refuses what would be posted. */
const NEARLY_FULL = 2 ** 52;

/**
 * The accounts all sales pass through that hold so much that people must act: no shop gives away that many points, so
 * somebody makes them, or a rule is wrong.
 */
export async function nearlyFull(
  db: Queries,
): Promise<readonly { readonly account: string; readonly balance: number }[]> {
  const { rows } = await sql<{ account: string; balance: number }>`
    select id as account, balance from ledger_account
    where id = any(${[ISSUED, REDEEMED, EXPIRED]}::text[]) and abs(balance) > ${NEARLY_FULL}::bigint`.execute(
    db,
  );
  return rows;
}
