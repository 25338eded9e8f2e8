import { z } from 'zod';
import { AmountMinor, Currency } from './money.ts';

/** One line of a basket as the POS prices it. */
export const BasketLine = z.strictObject({
  id: z.string().min(1).max(40).describe('Id of the line within the basket'),
  article: z.string().min(1).max(64).describe('Article number as the POS knows it, e.g. a GTIN'),
  category: z.string().min(1).max(64).optional().describe('Merchandise category, as offers name it'),
  quantityMilli: z
    .int()
    .min(-1_000_000_000)
    .max(1_000_000_000)
    .describe('Thousandths of a piece, kilogram or metre; 1000 = one piece'),
  totalMinor: AmountMinor.describe('What the line costs after its own discounts, in minor units'),
});

/** A whole basket; sent whole each time, so a repeated or late call cannot add a line twice. */
export const Basket = z.strictObject({
  currency: Currency,
  lines: z.array(BasketLine).max(2_000),
  totalMinor: AmountMinor.describe('Sum of all line totals'),
});

export type BasketLine = z.infer<typeof BasketLine>;
export type Basket = z.infer<typeof Basket>;

/** The empty basket of a sale just opened. */
export function emptyBasket(currency: string): Basket {
  return { currency, lines: [], totalMinor: 0 };
}

/** True when the line totals add up to the basket's total and no line id occurs twice. */
export function addsUp(basket: Basket): boolean {
  const ids = new Set(basket.lines.map((line) => line.id));
  const sum = basket.lines.reduce((total, line) => total + line.totalMinor, 0);
  return ids.size === basket.lines.length && sum === basket.totalMinor;
}
