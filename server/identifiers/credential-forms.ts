import { sql } from 'kysely';
import type { CredentialDocument } from '../../sync/contract/replica-documents.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { credentialDocument } from '../feed/documents.ts';
import type { CredentialRow } from '../feed/documents.ts';

/** A credential as all tills know it: under its newest index, and under the older one while a rotation lasts. */
export interface CredentialForms {
  /** Where the last of them stands in the feed. */
  readonly xid: string;
  readonly seq: number;
  readonly documents: readonly CredentialDocument[];
}

/** Reads them after a change, in the same transaction. Empty for a credential that is not there. */
export async function readForms(tx: DatabaseTransaction, id: string): Promise<CredentialForms> {
  const { rows } = await sql<CredentialRow & { at_xid: string; at_seq: number }>`
    select index, kind, customer_id, status, valid_until, public_key, xid::text as at_xid, seq as at_seq
    from credential where id = ${id}::uuid or alias_of = ${id}::uuid
    order by xid, seq`.execute(tx);
  const last = rows.at(-1);
  return { xid: last?.at_xid ?? '0', seq: last?.at_seq ?? 0, documents: rows.map(credentialDocument) };
}
