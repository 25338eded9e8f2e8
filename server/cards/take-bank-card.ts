import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { readForms } from '../identifiers/credential-forms.ts';
import type { CredentialForms } from '../identifiers/credential-forms.ts';

/** A card that belongs to nobody any more, and where that stands in the feed. */
export type TakenCard = CredentialForms;

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
    .where('alias_of', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row === undefined ? undefined : readForms(tx, row.id);
}
