import type { SaleCustomer } from '../../sync/contract/transaction.ts';
import type { Identified } from './identified.ts';
import type { SaleRedemption } from './redemption.ts';

/**
 * Whose sale the journal says it is. A card the till does not know, or could not ask about, is kept by its index, for the
 * server to settle; which of the two it was makes no difference there. A
 * blocked or expired one earns nothing and leads to no one: the sale is nobody's, and the entry holds no trace of it.
 */
export function saleCustomer(identified: Identified | null): SaleCustomer | null {
  if (identified === null) return null;
  const { index, kind, trust } = identified;
  switch (identified.as.verdict) {
    case 'known':
      return { index, kind, trust, customerId: identified.as.customer.id };
    case 'unknown':
    case 'unreached':
      return { index, kind, trust, customerId: null };
    case 'blocked':
    case 'expired':
      return null;
  }
}

/**
 * What a sale is paid with: points are somebody's, so with a customer the entry will not name it is paid with none. What
 * the allowance granted it granted a customer this till knows.
 */
export function redemptionOf(
  customer: Identified | null,
  redemption: SaleRedemption | null | undefined,
): SaleRedemption | null {
  const payer = saleCustomer(customer);
  if (payer === null || redemption === undefined) return null;
  return redemption?.state === 'allowed' && payer.customerId === null ? null : redemption;
}
