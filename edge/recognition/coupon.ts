import { hasGs1CheckDigit } from '../../foundation/check-digit.ts';
import type { DigitalLink } from '../../sync/contract/gs1/digital-link.ts';
import { isCoupon } from '../../sync/contract/gs1/service-relation.ts';
import { gs1Elements } from '../../sync/contract/gs1/elements.ts';

/**
 * Whether a code says of itself that it is a coupon: a GTIN-13 from 981–984 or 99, or a GS1 coupon number (255, 8110–
 * 8112) in a GS1 symbol or a Digital Link (GS1 General Specifications, 1.4.4 and 3.5). 980 is a refund receipt.
 */
export function isCouponCode(text: string, symbology: string, link: DigitalLink | undefined): boolean {
  if (symbology === 'ean-13') return COUPON_13.test(text) && hasGs1CheckDigit(text);
  if (symbology.startsWith('gs1-')) return isCoupon(gs1Elements(text));
  return link !== undefined && isCoupon(link.elements);
}

const COUPON_13 = /^(?:98[1-4]|99[0-9])[0-9]{10}$/;
