import { z } from 'zod';
import type { Instant } from '../../foundation/clock.ts';
import type { Basket, BasketLine } from './basket.ts';
import { InstantMs } from './ids.ts';
import { Text } from './replica-documents.ts';
import type { CustomerDocument, OfferDocument } from './replica-documents.ts';

/** Why an offer does not fit, in terms a cashier can act on. */
export const WhyNot = z.discriminatedUnion('code', [
  z.strictObject({ code: z.literal('NOT_YET'), from: InstantMs }),
  z.strictObject({ code: z.literal('ENDED'), at: InstantMs }),
  z.strictObject({ code: z.literal('OTHER_TIER'), tiers: z.array(z.string()) }),
  z.strictObject({ code: z.literal('NO_CONSENT') }),
  z.strictObject({ code: z.literal('STALE') }).describe('The replica is too old to rely on a consent'),
  z.strictObject({ code: z.literal('TOTAL_TOO_LOW'), missingMinor: z.int() }),
  z.strictObject({ code: z.literal('ARTICLE_MISSING') }),
]);
export type WhyNot = z.infer<typeof WhyNot>;

/** An offer as it stands for this customer and basket. */
export const OfferView = z.strictObject({
  offerId: z.string(),
  title: Text,
  applies: z.boolean(),
  bonusPoints: z.int().describe('Points it adds to this basket; 0 when it does not apply or gives no points'),
  discountMinor: z.int().describe('Discount the POS may grant; 0 when it does not apply or is no discount'),
  whyNot: z.array(WhyNot),
});
export type OfferView = z.infer<typeof OfferView>;

/** What decides whether an offer fits. */
export interface OfferCircumstances {
  /** Who it is; null for a card nobody is known to own yet. */
  readonly customer: Pick<CustomerDocument, 'tier' | 'purposes'> | null;
  readonly basket: Basket;
  readonly at: Instant;
  /** True when the replica is too old to rely on a consent it holds. */
  readonly stale: boolean;
}

/**
 * Every reason against an offer, so that a cashier need not find them out one after the other; none when it fits. It
 * runs from `validFrom` up to, not including, `validUntil`. A consent counts only while the replica is fresh. Where an
 * offer names articles and categories it is about the lines of either, and one of them must be bought: taken back again
 * on another line, it is not. Pure: till and server come to the same.
 */
export function reasonsAgainst(
  offer: OfferDocument,
  { customer, basket, at, stale }: OfferCircumstances,
): WhyNot[] {
  const reasons: WhyNot[] = [];
  if (at < offer.validFrom) reasons.push({ code: 'NOT_YET', from: offer.validFrom });
  if (at >= offer.validUntil) reasons.push({ code: 'ENDED', at: offer.validUntil });
  if (offer.tiers !== undefined && !offer.tiers.includes(customer?.tier ?? '')) {
    reasons.push({ code: 'OTHER_TIER', tiers: [...offer.tiers] });
  }
  if (offer.purpose !== undefined) {
    if (customer?.purposes.includes(offer.purpose) !== true) reasons.push({ code: 'NO_CONSENT' });
    else if (stale) reasons.push({ code: 'STALE' });
  }
  if (offer.minTotalMinor !== undefined && basket.totalMinor < offer.minTotalMinor) {
    reasons.push({ code: 'TOTAL_TOO_LOW', missingMinor: offer.minTotalMinor - basket.totalMinor });
  }
  if (isAboutArticles(offer) && !isBought(basket.lines.filter((line) => isMeant(offer, line)))) {
    reasons.push({ code: 'ARTICLE_MISSING' });
  }
  return reasons;
}

/**
 * Points an applying offer adds. A multiplier counts on the whole basket's base points, rounded down; several of them
 * add up, they do not multiply one another.
 * @param base what the basket earns without offers, at least 0
 */
export function bonusOf(offer: OfferDocument, base: number): number {
  switch (offer.reward.kind) {
    case 'points':
      return offer.reward.points;
    case 'multiplier':
      return Math.floor((base * (offer.reward.percent - 100)) / 100);
    case 'discount':
    case 'percent':
      return 0;
  }
}

/**
 * What an applying offer takes off, in minor units: never more than the lines it is about cost together, nor than the
 * whole basket does; a percentage is of those lines, rounded down.
 */
export function discountOf(offer: OfferDocument, basket: Basket): number {
  const meant = isAboutArticles(offer) ? basket.lines.filter((line) => isMeant(offer, line)) : basket.lines;
  const meantMinor = meant.reduce((sum, line) => sum + line.totalMinor, 0);
  const costMinor = Math.max(0, Math.min(meantMinor, basket.totalMinor));
  switch (offer.reward.kind) {
    case 'discount':
      return Math.min(offer.reward.amountMinor, costMinor);
    case 'percent':
      return Math.floor((costMinor * offer.reward.percent) / 100);
    case 'points':
    case 'multiplier':
      return 0;
  }
}

/** True for an offer about certain lines only. */
export function isAboutArticles(offer: OfferDocument): boolean {
  return offer.articles !== undefined || offer.categories !== undefined;
}

/** True for a line of an article or a category the offer names. */
export function isMeant(offer: OfferDocument, line: BasketLine): boolean {
  return (
    offer.articles?.includes(line.article) === true ||
    (line.category !== undefined && offer.categories?.includes(line.category) === true)
  );
}

/** True when some article is left after what was taken back on other lines. */
function isBought(lines: readonly BasketLine[]): boolean {
  const quantities = new Map<string, number>();
  for (const { article, quantityMilli } of lines) {
    quantities.set(article, (quantities.get(article) ?? 0) + quantityMilli);
  }
  return [...quantities.values()].some((quantityMilli) => quantityMilli > 0);
}
