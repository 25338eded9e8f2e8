import type { Basket, BasketLine } from '../../../sync/contract/basket.ts';
import type { OfferCircumstances } from '../../../sync/contract/offer.ts';
import type { OfferDocument, ProgrammeDocument } from '../../../sync/contract/replica-documents.ts';

/** When everything in these tests happens. */
export const NOON = Date.UTC(2026, 10, 22, 12);

export const programme: ProgrammeDocument = {
  id: 'programme',
  version: 7,
  currency: 'EUR',
  earn: { points: 1, perMinor: 100, excludedCategories: ['tobacco'] },
  tiers: [
    { id: 'basic', name: { de: 'Basis', en: 'Basic' }, earnPercent: 100 },
    { id: 'gold', name: { de: 'Gold', en: 'Gold' }, earnPercent: 150 },
  ],
  staleAfterMs: 86_400_000,
};

export function line(totalMinor: number, more: Partial<BasketLine> = {}): BasketLine {
  return { id: `${totalMinor}`, article: 'bread', quantityMilli: 1_000, totalMinor, ...more };
}

export function basketOf(...lines: readonly BasketLine[]): Basket {
  const totalMinor = lines.reduce((sum, each) => sum + each.totalMinor, 0);
  return { currency: 'EUR', lines: lines.map((each, i) => ({ ...each, id: `${i}` })), totalMinor };
}

export function offerOf(more: Partial<OfferDocument>): OfferDocument {
  return {
    id: 'offer',
    title: { de: 'Angebot', en: 'Offer' },
    validFrom: NOON - 1_000,
    validUntil: NOON + 1_000,
    reward: { kind: 'points', points: 50 },
    ...more,
  };
}

/** A gold customer with every consent, a basket of ten euros, a fresh replica. */
export function circumstances(more: Partial<OfferCircumstances> = {}): OfferCircumstances {
  return {
    customer: { tier: 'gold', purposes: ['greeting', 'personal_offers', 'profiling'] },
    basket: basketOf(line(1_000)),
    at: NOON,
    stale: false,
    ...more,
  };
}
