import type { BlindIndex } from '../../sync/contract/blind-index.ts';

/** Where points come from when they are earned: its balance is what the programme gave away, negated. */
export const ISSUED = 'issued';
/** Points that paid for something. */
export const REDEEMED = 'redeemed';
/** Points that were not used in time. */
export const EXPIRED = 'expired';

const MEMBER = 'member:';
const UNCLAIMED = 'unclaimed:';

/** The points a customer can use, less what they owe. */
export function memberAccount(customerId: string): string {
  return `${MEMBER}${customerId}`;
}

/** Points of a customer that cannot be used yet. */
export function pendingAccount(customerId: string): string {
  return `pending:${customerId}`;
}

/** Points of a customer that are kept for a sale under way. */
export function holdAccount(customerId: string): string {
  return `hold:${customerId}`;
}

/** Where points come from, or go to, when people correct a balance. */
export function adjustAccount(reason: string): string {
  return `adjust:${reason}`;
}

/** Points that are settled with another company. */
export function partnerAccount(id: string): string {
  return `partner:${id}`;
}

/** Points earned with a card that belongs to nobody yet; the customer who gets the card gets them. */
export function unclaimedAccount(index: BlindIndex): string {
  return `${UNCLAIMED}${index}`;
}

/**
 * Where the points are that nobody can have any more, because they were erased or their card was: an account for each,
 * so that what comes back of their sales is taken from there. Without an id: how all of them begin.
 */
export function erasedAccount(id: string): string {
  return `${UNCLAIMED}erased-${id}`;
}

/** The customer whose account it is, or undefined for any other account. */
export function memberOf(account: string): string | undefined {
  return account.startsWith(MEMBER) ? account.slice(MEMBER.length) : undefined;
}

export function isUnclaimed(account: string): boolean {
  return account.startsWith(UNCLAIMED);
}
