import { allotmentOf } from './programme/allot.ts';
import { earningWeights } from './programme/earning-weights.ts';
import type { EarningWeights } from './programme/earning-weights.ts';
import { wholeOf } from './programme/rounding.ts';
import type { Basket } from './basket.ts';
import { bonusOf, discountOf, isAboutArticles, isMeant, reasonsAgainst } from './offer.ts';
import type { OfferCircumstances, OfferView } from './offer.ts';
import type { OfferDocument, ProgrammeDocument } from './replica-documents.ts';
import type { EarnedPoints } from './transaction.ts';

/** What a basket earns and which offers fit it. */
export interface Evaluation {
  readonly earned: EarnedPoints;
  /** Those that fit first, both groups in the order of their ids. */
  readonly offers: readonly OfferView[];
}

/** No sale earns more: such a sum is a mistake in the rules. */
export const SALE_POINTS_MAX = 1_000_000_000;
/** Bonuses in one sale. */
export const BONUSES_MAX = 100;

/**
 * What a basket earns, by the same code on till and server; `docs/programme.md` has examples. All of it is whole
 * numbers, and rounded as `earn.rounding` says where nothing else is said:
 *
 *   units = Σ line total · rate of the line and its way to pay ÷ perMinor, rounded; 0 for a negative sum
 *   base  = units · points · earnPercent of the tier ÷ 100, rounded; 100 for a customer without a known tier
 *   bonus = for each offer that fits: its points, or ⌊base · (percent − 100) / 100⌋; 0 while nothing is to be paid
 *   parts = base and each bonus, allotted to the lines of the basket
 *
 * Base and bonuses together stop at {@link SALE_POINTS_MAX}, the base first, so every sum is exact; of the bonuses the
 * first {@link BONUSES_MAX} count, as many as a journal entry takes. Without a programme, or in another currency,
 * nothing is earned and no offer fits.
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
  const weights = earningWeights(programme.earn, basket);
  const base = basePoints(programme, weights, circumstances.customer?.tier);
  const views = offers
    .map((offer): { readonly offer: OfferDocument; readonly view: OfferView } => {
      const whyNot = reasonsAgainst(offer, circumstances);
      const applies = whyNot.length === 0;
      const bonusPoints =
        applies && basket.totalMinor > 0 ? Math.min(SALE_POINTS_MAX, bonusOf(offer, base)) : 0;
      const discountMinor = applies ? discountOf(offer, basket) : 0;
      const view = { offerId: offer.id, title: offer.title, applies, bonusPoints, discountMinor, whyNot };
      return { offer, view };
    })
    .toSorted(
      ({ view: a }, { view: b }) => Number(b.applies) - Number(a.applies) || compare(a.offerId, b.offerId),
    );
  const bonuses: { offerId: string; points: number }[] = [];
  const allot = allotmentOf(basket);
  const parts = [allot(base, [weights.lines])];
  let room = SALE_POINTS_MAX - base;
  for (const { offer, view } of views) {
    const points = Math.min(room, view.bonusPoints);
    if (points === 0 || bonuses.length === BONUSES_MAX) continue;
    room -= points;
    bonuses.push({ offerId: offer.id, points });
    parts.push(allot(points, weightsOf(offer, weights, basket)));
  }
  const earned = { programmeVersion: programme.version, base, bonuses };
  const onLines = basket.lines.map((_line, i) => parts.reduce((sum, part) => sum + (part[i] ?? 0), 0));
  const last = onLines.findLastIndex((points) => points > 0);
  return {
    earned: last === -1 ? earned : { ...earned, parts: onLines.slice(0, last + 1) },
    offers: views.map(({ view }) => view),
  };
}

/** What a sale earns that belongs to nobody. */
export function nothingEarned(programme: ProgrammeDocument | undefined): EarnedPoints {
  return { programmeVersion: programme?.version ?? 0, base: 0, bonuses: [] };
}

/** Base and bonuses together. */
export function totalPoints(earned: EarnedPoints): number {
  return earned.bonuses.reduce((sum, bonus) => sum + bonus.points, earned.base);
}

function basePoints(
  { earn, tiers }: ProgrammeDocument,
  weights: EarningWeights,
  tier: string | undefined,
): number {
  const { points, perMinor, rounding = 'down' } = earn;
  const sum = weights.lines.reduce((total, weight) => total + weight, 0n);
  if (sum <= 0n) return 0;
  const units = wholeOf(sum, weights.perMinor * BigInt(perMinor), rounding);
  const earnPercent = tiers.find((each) => each.id === tier)?.earnPercent ?? 100;
  const base = wholeOf(units * BigInt(points) * BigInt(earnPercent), 100n, rounding);
  return base < BigInt(SALE_POINTS_MAX) ? Number(base) : SALE_POINTS_MAX;
}

/**
 * What a bonus is allotted by. Points for certain goods lie on those goods, so that returning others takes none of
 * them; everything else lies where the base does, for a multiplier counts on the whole basket's base.
 */
function weightsOf(
  offer: OfferDocument,
  { lines: earning }: EarningWeights,
  { lines }: Basket,
): readonly (readonly bigint[])[] {
  if (offer.reward.kind !== 'points' || !isAboutArticles(offer)) return [earning];
  const meant = lines.map((line) => isMeant(offer, line));
  return [
    earning.map((weight, i) => (meant[i] === true ? weight : 0n)),
    lines.map(({ totalMinor }, i) => (meant[i] === true ? BigInt(totalMinor) : 0n)),
    earning,
  ];
}

/** By code unit, so that every machine sorts alike whatever its locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
