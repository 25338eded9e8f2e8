import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { DatabaseTransaction } from '../database/database.ts';

/** A credential of somebody, and whether both are in order. */
export interface OwnedCredential {
  readonly id: string;
  readonly publicKey: string | null;
  readonly isActive: boolean;
}

/** The credential with one of a number's blind indexes, when it belongs to someone. */
export async function readOwned(
  tx: DatabaseTransaction,
  forms: readonly BlindIndex[],
  now: Instant,
): Promise<OwnedCredential | undefined> {
  const row = await tx
    .selectFrom('credential')
    .innerJoin('customer', 'customer.id', 'credential.customer_id')
    .select([
      sql<string>`coalesce(credential.alias_of, credential.id)`.as('id'),
      'credential.public_key',
      'credential.status',
      'credential.valid_until',
      'customer.status as customer_status',
    ])
    .where('credential.index', 'in', [...forms])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    id: row.id,
    publicKey: row.public_key,
    isActive:
      row.status === 'active' &&
      row.customer_status === 'active' &&
      (row.valid_until === null || now < row.valid_until),
  };
}
