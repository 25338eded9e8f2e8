import { sql } from 'kysely';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { CredentialDocument } from '../../sync/contract/replica-documents.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { credentialDocument } from '../feed/documents.ts';

/** A card that belongs to nobody any more, and where that stands in the feed. */
export interface TakenCard {
  readonly xid: string;
  readonly seq: number;
  readonly document: CredentialDocument;
}

/**
 * Takes a bank card from its customer; what they earned with it stays theirs. The caller holds the lock on ownership.
 * @returns undefined when it is not theirs
 */
export async function takeBankCard(
  tx: DatabaseTransaction,
  customerId: string,
  index: BlindIndex,
): Promise<TakenCard | undefined> {
  const row = await tx
    .updateTable('credential')
    .set({ customer_id: null })
    .where('index', '=', index)
    .where('kind', '=', 'bankcard')
    .where('customer_id', '=', customerId)
    .returning(['index', 'kind', 'customer_id', 'status', 'valid_until', 'public_key'])
    .returning([sql<string>`xid::text`.as('at_xid'), 'seq as at_seq'])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { xid: row.at_xid, seq: row.at_seq, document: credentialDocument(row) };
}
