import type { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';
import type { CredentialTable, CustomerTable } from '../database/tables.ts';

export type CredentialRow = Pick<
  CredentialTable,
  'index' | 'kind' | 'customer_id' | 'status' | 'valid_until' | 'public_key'
>;

/** A credential as tills get it; `credential_range_hash` of the database knows the same fields. */
export function credentialDocument(row: CredentialRow): CredentialDocument {
  return {
    index: row.index,
    kind: row.kind,
    customerId: row.customer_id,
    status: row.status,
    validUntil: row.valid_until,
    ...(row.public_key === null ? {} : { publicKey: row.public_key }),
  };
}

export type CustomerRow = Pick<
  CustomerTable,
  'id' | 'status' | 'tier' | 'points' | 'points_at' | 'purposes' | 'greeting'
>;

/**
 * A customer as tills get it: the first name only with the consent to it. `customer_range_hash` of the database knows
 * the same fields.
 */
export function customerDocument(row: CustomerRow): CustomerDocument {
  return {
    id: row.id,
    status: row.status,
    tier: row.tier,
    points: row.points,
    pointsAt: row.points_at,
    purposes: row.purposes,
    greeting: row.purposes.includes('greeting') ? row.greeting : null,
  };
}
