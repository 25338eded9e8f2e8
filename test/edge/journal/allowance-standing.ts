import type { Journal } from '../../../edge/journal/journal.ts';
import type { Allowance } from '../../../sync/contract/redemption.ts';

export const CUSTOMER = 'customer-1';

/** What a journal says of its entries and of what was given out without the server. */
export interface AllowanceStanding {
  readonly lastSeq: number;
  readonly confirmedSeq: number;
  /** Of the allowance in force; 0 without one. */
  readonly version: number;
  /** Points that count against it. */
  readonly used: number;
}

export function standing({ lastSeq, confirmedSeq, allowances }: Journal): AllowanceStanding {
  const version = allowances.current()?.version ?? 0;
  return { lastSeq, confirmedSeq, version, used: allowances.used(CUSTOMER, version).ofCustomer };
}

export function allowanceOf(version: number): Allowance {
  const byTrust = { L0: 0, L1: 0, L2: 0, L3: 500, L4: 500 };
  return {
    till: 'till-1',
    version,
    perCustomer: 500,
    perTill: 5_000,
    byTrust,
    validUntil: 9_000_000_000_000,
  };
}
