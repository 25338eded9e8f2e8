import { sql } from 'kysely';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { Queries } from '../database/database.ts';
import type { CustomerRow } from '../feed/documents.ts';

/** Whose card it is, by blind index; cards that belong to nobody are missing. The till's own opinion is not asked. */
export async function readOwners(
  db: Queries,
  indexes: readonly BlindIndex[],
): Promise<ReadonlyMap<BlindIndex, CustomerRow>> {
  if (indexes.length === 0) return new Map();
  const { rows } = await sql<CustomerRow & { index: BlindIndex }>`
    select k.index, c.id, c.status, c.tier, c.points, c.points_at, c.purposes, c.greeting
    from credential k join customer c on c.id = k.customer_id
    where k.index = any(${[...new Set(indexes)]}::text[])`.execute(db);
  return new Map(rows.map((row) => [row.index, row]));
}
