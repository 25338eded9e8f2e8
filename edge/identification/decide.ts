import type { Instant } from '../../foundation/clock.ts';
import type { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';
import type { IdentifiedAs } from '../sale/identified.ts';

/**
 * Who it is, from what the replica holds of the credential and of its customer. A block outweighs everything, an expiry
 * all but a block; a credential nobody owns, or whose owner the replica does not hold, is unknown, which is no error.
 * The first name is there only with the purpose `greeting`, and only while the replica is fresh enough to rely on it.
 */
export function decide(
  credential: CredentialDocument | undefined,
  customer: CustomerDocument | undefined,
  { now, stale }: { readonly now: Instant; readonly stale: boolean },
): IdentifiedAs {
  if (credential === undefined) return { verdict: 'unknown' };
  const isOpen = customer === undefined || customer.status === 'active';
  if (credential.status === 'blocked' || !isOpen) return { verdict: 'blocked' };
  if (credential.validUntil !== null && now >= credential.validUntil) {
    return { verdict: 'expired', since: credential.validUntil };
  }
  if (customer === undefined) return { verdict: 'unknown' };
  const mayGreet = !stale && customer.purposes.includes('greeting');
  return {
    verdict: 'known',
    customer: mayGreet || customer.greeting === null ? customer : { ...customer, greeting: null },
  };
}
