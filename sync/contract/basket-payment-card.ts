import type { Basket } from './basket.ts';
import { findPaymentCard } from './payment-card.ts';

/** Index of the first line that holds a payment card number in one of its texts, or -1. */
export function lineWithPaymentCard({ lines }: Basket): number {
  return lines.findIndex((line) =>
    [line.id, line.article, line.category ?? ''].some((text) => findPaymentCard(text) !== undefined),
  );
}

export function holdsPaymentCard(basket: Basket): boolean {
  return lineWithPaymentCard(basket) !== -1;
}
