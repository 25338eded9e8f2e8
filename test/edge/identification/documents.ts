import type { CredentialDocument, CustomerDocument } from '../../../sync/contract/replica-documents.ts';

export const NOW = Date.UTC(2026, 10, 22, 12);
export const CUSTOMER_ID = '018f0000-0000-7000-8000-000000000001';

/** A card in order that belongs to {@link customer}. */
export function card(more: Partial<CredentialDocument> = {}): CredentialDocument {
  return {
    index: 'A'.repeat(43),
    kind: 'card',
    customerId: CUSTOMER_ID,
    status: 'active',
    validUntil: null,
    ...more,
  };
}

/** A gold customer who agreed to everything. */
export function customer(more: Partial<CustomerDocument> = {}): CustomerDocument {
  return {
    id: CUSTOMER_ID,
    status: 'active',
    tier: 'gold',
    points: 1_234,
    pointsAt: NOW - 60_000,
    purposes: ['greeting', 'personal_offers'],
    greeting: 'Anna',
    ...more,
  };
}
