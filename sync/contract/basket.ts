import { z } from 'zod';
import { AmountMinor, Currency, Tender } from './money.ts';

export const LINES_MAX = 2_000;
/** A million pieces of one line. */
export const QUANTITY_MILLI_MAX = 1_000_000_000;

/** One line of a basket as the POS prices it. */
export const BasketLine = z.strictObject({
  id: z.string().min(1).max(40).describe('Id of the line within the basket'),
  article: z.string().min(1).max(64).describe('Article number as the POS knows it, e.g. a GTIN'),
  category: z.string().min(1).max(64).optional().describe('Merchandise category, as offers name it'),
  quantityMilli: z
    .int()
    .min(-QUANTITY_MILLI_MAX)
    .max(QUANTITY_MILLI_MAX)
    .describe('Thousandths of a piece, kilogram or metre; 1000 = one piece'),
  totalMinor: AmountMinor.describe('What the line costs after its own discounts, in minor units'),
});

/** What was paid in one way, without the change given back. */
const Payment = z.strictObject({ tender: Tender, amountMinor: z.int().min(1).max(1_000_000_000_000) });

/** A whole basket; sent whole each time, so a repeated or late call cannot add a line twice. */
export const Basket = z.strictObject({
  currency: Currency,
  lines: z.array(BasketLine).max(LINES_MAX),
  totalMinor: AmountMinor.describe('Sum of all line totals'),
  payments: z
    .array(Payment)
    .max(20)
    .optional()
    .describe('How it is paid, as far as known; the rest earns as no way to pay in particular'),
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
