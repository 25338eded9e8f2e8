import type { Basket } from './basket.ts';
import { bonusOf, discountOf, reasonsAgainst } from './offer.ts';
import type { OfferCircumstances, OfferView } from './offer.ts';
import type { OfferDocument, ProgrammeDocument } from './replica-documents.ts';
import type { EarnedPoints } from './transaction.ts';

/** What a basket earns and which offers fit it. */
export interface Evaluation {
  readonly earned: EarnedPoints;
  /** Those that fit first, both groups in the order of their ids. */
  readonly offers: readonly OfferView[];
}

/** More points than this from one rule in one sale are a mistake in the rules. */
const POINTS_PER_PART_MAX = 1_000_000_000;
/** Bonuses in one sale. */
export const BONUSES_MAX = 100;

/**
 * What a basket earns, by the same code on till and server. All of it is whole numbers:
 *
 *   plain = points for each full `perMinor` of the lines outside the excluded categories, 0 for a negative sum
 *   base  = ⌊plain · earnPercent of the tier / 100⌋, 100 for a customer without a known tier
 *   bonus = for each offer that fits: its points, or ⌊base · (percent − 100) / 100⌋; 0 while nothing is to be paid
 *
 * Base and each bonus stop at {@link POINTS_PER_PART_MAX}, so every sum is exact, and of the bonuses the first
 * {@link BONUSES_MAX} count, as many as a journal entry takes. Without a programme, or in another currency, nothing is
 * earned and no offer fits.
 */
export function evaluateSale(
  programme: ProgrammeDocument | undefined,
  offers: readonly OfferDocument[],
  circumstances: OfferCircumstances,
): Evaluation {
  if (programme === undefined || programme.currency !== circumstances.basket.currency) {
    return { earned: nothingEarned(programme), offers: [] };
  }
  const { basket } = circumstances;
  const base = basePoints(programme, basket, circumstances.customer?.tier);
  const views = offers
    .map((offer): OfferView => {
      const whyNot = reasonsAgainst(offer, circumstances);
      const applies = whyNot.length === 0;
      return {
        offerId: offer.id,
        title: offer.title,
        applies,
        bonusPoints:
          applies && basket.totalMinor > 0 ? Math.min(POINTS_PER_PART_MAX, bonusOf(offer, base)) : 0,
        discountMinor: applies ? discountOf(offer, basket) : 0,
        whyNot,
      };
    })
    .toSorted((a, b) => Number(b.applies) - Number(a.applies) || compare(a.offerId, b.offerId));
  const bonuses = views
    .filter((view) => view.bonusPoints > 0)
    .slice(0, BONUSES_MAX)
    .map(({ offerId, bonusPoints }) => ({ offerId, points: bonusPoints }));
  return { earned: { programmeVersion: programme.version, base, bonuses }, offers: views };
}

/** What a sale earns that belongs to nobody. */
export function nothingEarned(programme: ProgrammeDocument | undefined): EarnedPoints {
  return { programmeVersion: programme?.version ?? 0, base: 0, bonuses: [] };
}

/** Base and bonuses together. */
export function totalPoints(earned: EarnedPoints): number {
  return earned.bonuses.reduce((sum, bonus) => sum + bonus.points, earned.base);
}

function basePoints(programme: ProgrammeDocument, basket: Basket, tier: string | undefined): number {
  const { points, perMinor, excludedCategories } = programme.earn;
  const excluded = new Set(excludedCategories);
  const eligibleMinor = basket.lines
    .filter((line) => line.category === undefined || !excluded.has(line.category))
    .reduce((sum, line) => sum + line.totalMinor, 0);
  const plain = Math.max(0, Math.floor(eligibleMinor / perMinor)) * points;
  const earnPercent = programme.tiers.find((each) => each.id === tier)?.earnPercent ?? 100;
  return Math.min(POINTS_PER_PART_MAX, Math.floor((plain * earnPercent) / 100));
}

/** By code unit, so that every machine sorts alike whatever its locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
