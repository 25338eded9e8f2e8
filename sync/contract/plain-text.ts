import { z } from 'zod';
import { findPaymentCard } from './payment-card.ts';

/** A text somebody wrote. A payment-card number is refused wherever one may have been put. */
export function plainText(charactersMax: number): z.ZodString {
  return z.string().max(charactersMax).refine(holdsNoPaymentCard, NO_PAYMENT_CARD);
}

export function holdsNoPaymentCard(text: string): boolean {
  return findPaymentCard(text) === undefined;
}

export const NO_PAYMENT_CARD = 'looks like a payment card number';
