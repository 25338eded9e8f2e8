import { evaluateSale, nothingEarned } from '../../sync/contract/earn.ts';
import type { Evaluation } from '../../sync/contract/earn.ts';
import type { Basket } from '../../sync/contract/basket.ts';
import type { Identified } from './identified.ts';
import { isTooOld } from './rule-book.ts';
import type { RuleBook } from './rule-book.ts';

/**
 * What a sale earns and which offers fit it, as it stands. Pure: the same sale, rules and time give the same.
 * A card the till does not know earns as a customer without tier or consent would, for it may belong to one the server
 * knows. A blocked or expired card earns nothing, and neither does nobody.
 */
export function evaluate(
  sale: { readonly basket: Basket; readonly customer: Identified | null },
  rules: RuleBook,
  now: number,
): Evaluation {
  const { programme, offers, stale } = rules;
  switch (sale.customer?.as.verdict) {
    case 'known': {
      const { customer, toldAt } = sale.customer.as;
      const isStale = toldAt === undefined ? stale : isTooOld(toldAt, rules, now);
      return evaluateSale(programme, offers, { customer, basket: sale.basket, at: now, stale: isStale });
    }
    case 'unknown':
    case 'unreached':
      return evaluateSale(programme, offers, { customer: null, basket: sale.basket, at: now, stale });
    case 'blocked':
    case 'expired':
    case undefined:
      return { earned: nothingEarned(programme), offers: [] };
  }
}
