import { isDeepStrictEqual } from 'node:util';
import { StammkundeError } from '../../foundation/errors.ts';
import { addsUp } from '../../sync/contract/basket.ts';
import type { Basket } from '../../sync/contract/basket.ts';
import { lineWithPaymentCard } from '../../sync/contract/basket-payment-card.ts';

/** A basket must fit, with all else an entry holds, into a journal entry's million characters. */
const BASKET_TEXT_MAX = 950_000;

/**
 * Refuses a basket that cannot become an entry as it stands.
 * @throws StammkundeError SALE_TOTAL (sums, repeated line ids, currency) · PAN_REJECTED · API_TOO_LARGE
 */
export function checkBasket(basket: Basket, currency: string): void {
  if (basket.currency !== currency)
    throw new StammkundeError('SALE_TOTAL', `the sale is in ${currency}, the basket in ${basket.currency}`);
  if (!addsUp(basket))
    throw new StammkundeError(
      'SALE_TOTAL',
      'the line totals do not add up to the basket’s total, or two lines have one id',
    );
  const suspect = lineWithPaymentCard(basket);
  if (suspect !== -1)
    throw new StammkundeError(
      'PAN_REJECTED',
      `line ${suspect + 1} of the basket holds a payment card number`,
    );
  if (JSON.stringify(basket).length > BASKET_TEXT_MAX)
    throw new StammkundeError('API_TOO_LARGE', `a basket may have ${BASKET_TEXT_MAX} characters`);
}

/** True for the same basket sent again. */
export function sameBasket(a: Basket, b: Basket): boolean {
  return isDeepStrictEqual(a, b);
}
