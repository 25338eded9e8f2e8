import { expect, test } from 'vitest';
import { findCredential } from '../../../edge/identification/find-credential.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import type { CredentialDocument } from '../../../sync/contract/replica-documents.ts';

const indexer = new BlindIndexer([new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)], 'kaufhaus');
const forms = indexer.forms('card', '2501234567890');
const [oldest = '', newest = ''] = forms;

function replicaOf(...held: readonly CredentialDocument[]) {
  return { credential: (index: string) => held.find((each) => each.index === index) };
}
function held(index: string, status: CredentialDocument['status'] = 'active'): CredentialDocument {
  return { index, kind: 'card', customerId: null, status, validUntil: null };
}

test('a number is found under the old key, under the new one, and under both', () => {
  expect(findCredential(replicaOf(held(oldest)), forms).index).toBe(oldest);
  expect(findCredential(replicaOf(held(newest)), forms).index).toBe(newest);
  expect(findCredential(replicaOf(held(oldest), held(newest, 'blocked')), forms).held?.status).toBe(
    'blocked',
  );
});

test('a number that is not held goes by the oldest index, which the server can lift', () => {
  expect(findCredential(replicaOf(), forms)).toEqual({ index: oldest, held: undefined });
});
