import type { BlindIndex } from '../../sync/contract/blind-index.ts';

/** Where points come from when they are earned: its balance is what the programme owes, negated. */
export const ISSUED = 'issued';

const MEMBER = 'member:';

/** The points of a customer. */
export function memberAccount(customerId: string): string {
  return `${MEMBER}${customerId}`;
}

/** Points earned with a card that belongs to nobody yet; the customer who gets the card gets them. */
export function unclaimedAccount(index: BlindIndex): string {
  return `unclaimed:${index}`;
}

/** The customer whose account it is, or undefined for any other account. */
export function memberOf(account: string): string | undefined {
  return account.startsWith(MEMBER) ? account.slice(MEMBER.length) : undefined;
}
