import { describe, expect, test } from 'vitest';
import { bonusOf, discountOf, reasonsAgainst } from '../../../sync/contract/offer.ts';
import { NOON, basketOf, circumstances, line, offerOf } from './offers.ts';

const codes = (reasons: readonly { readonly code: string }[]): string[] => reasons.map(({ code }) => code);

describe('an offer', () => {
  test('that asks for nothing fits anybody', () => {
    expect(reasonsAgainst(offerOf({}), circumstances())).toEqual([]);
    expect(reasonsAgainst(offerOf({}), circumstances({ customer: null, stale: true }))).toEqual([]);
  });

  test('runs from its first instant up to, not including, its last', () => {
    const offer = offerOf({ validFrom: NOON, validUntil: NOON + 10 });
    expect(reasonsAgainst(offer, circumstances({ at: NOON - 1 }))).toEqual([{ code: 'NOT_YET', from: NOON }]);
    expect(reasonsAgainst(offer, circumstances({ at: NOON }))).toEqual([]);
    expect(reasonsAgainst(offer, circumstances({ at: NOON + 9 }))).toEqual([]);
    expect(reasonsAgainst(offer, circumstances({ at: NOON + 10 }))).toEqual([
      { code: 'ENDED', at: NOON + 10 },
    ]);
  });

  test('for a tier fits that tier only, and nobody who is not known', () => {
    const offer = offerOf({ tiers: ['silver', 'gold'] });
    expect(reasonsAgainst(offer, circumstances())).toEqual([]);
    const others = [null, { tier: 'basic', purposes: [] }];
    for (const customer of others)
      expect(reasonsAgainst(offer, circumstances({ customer }))).toEqual([
        { code: 'OTHER_TIER', tiers: ['silver', 'gold'] },
      ]);
  });

  test('that rests on a consent fails closed', () => {
    const offer = offerOf({ purpose: 'personal_offers' });
    const without = { tier: 'gold', purposes: ['greeting' as const] };
    expect(codes(reasonsAgainst(offer, circumstances()))).toEqual([]);
    expect(codes(reasonsAgainst(offer, circumstances({ stale: true })))).toEqual(['STALE']);
    expect(codes(reasonsAgainst(offer, circumstances({ customer: without })))).toEqual(['NO_CONSENT']);
    expect(codes(reasonsAgainst(offer, circumstances({ customer: null })))).toEqual(['NO_CONSENT']);
  });

  test('from a total on says what is missing', () => {
    const offer = offerOf({ minTotalMinor: 1_001 });
    expect(reasonsAgainst(offer, circumstances())).toEqual([{ code: 'TOTAL_TOO_LOW', missingMinor: 1 }]);
    expect(reasonsAgainst(offerOf({ minTotalMinor: 1_000 }), circumstances())).toEqual([]);
  });

  test('about articles or categories asks for one that is bought and not taken back', () => {
    const bought = line(500, { article: 'wine', category: 'drinks' });
    const takenBack = line(-500, { article: 'wine', category: 'drinks', quantityMilli: -1_000 });
    const fits = (offer: Parameters<typeof offerOf>[0], ...lines: readonly (typeof bought)[]): boolean =>
      reasonsAgainst(offerOf(offer), circumstances({ basket: basketOf(...lines) })).length === 0;
    for (const about of [
      { articles: ['wine'] },
      { categories: ['drinks'] },
      { articles: ['x'], categories: ['drinks'] },
    ]) {
      expect(fits(about, bought)).toBe(true);
      expect(fits(about, line(1_000))).toBe(false);
      expect(fits(about, bought, takenBack)).toBe(false);
      expect(fits(about, bought, bought, takenBack)).toBe(true);
      expect(fits(about, takenBack)).toBe(false);
      expect(fits(about)).toBe(false);
    }
  });

  test('tells all reasons at once', () => {
    const offer = offerOf({
      validUntil: NOON,
      tiers: ['silver'],
      purpose: 'profiling',
      minTotalMinor: 5_000,
      articles: ['wine'],
    });
    expect(codes(reasonsAgainst(offer, circumstances({ stale: true })))).toEqual([
      'ENDED',
      'OTHER_TIER',
      'STALE',
      'TOTAL_TOO_LOW',
      'ARTICLE_MISSING',
    ]);
  });
});

describe('a reward', () => {
  test('in points is rounded down', () => {
    expect(bonusOf(offerOf({ reward: { kind: 'points', points: 25 } }), 0)).toBe(25);
    expect(bonusOf(offerOf({ reward: { kind: 'multiplier', percent: 150 } }), 33)).toBe(16);
    expect(bonusOf(offerOf({ reward: { kind: 'multiplier', percent: 200 } }), 33)).toBe(33);
    expect(bonusOf(offerOf({ reward: { kind: 'percent', percent: 50 } }), 33)).toBe(0);
  });

  test('in money is of the lines the offer is about, and never more than the basket costs', () => {
    const basket = basketOf(line(999, { category: 'produce' }), line(2_000));
    const tenPercent = { kind: 'percent', percent: 10 } as const;
    const threeEuros = { kind: 'discount', amountMinor: 300 } as const;
    expect(discountOf(offerOf({ reward: tenPercent, categories: ['produce'] }), basket)).toBe(99);
    expect(discountOf(offerOf({ reward: tenPercent }), basket)).toBe(299);
    expect(discountOf(offerOf({ reward: threeEuros }), basket)).toBe(300);
    expect(discountOf(offerOf({ reward: threeEuros }), basketOf(line(120)))).toBe(120);
    const wine = line(500, { article: 'wine' });
    expect(discountOf(offerOf({ reward: threeEuros, articles: ['wine'] }), basketOf(wine, line(-450)))).toBe(
      50,
    );
    expect(discountOf(offerOf({ reward: threeEuros }), basketOf(line(-500)))).toBe(0);
    expect(discountOf(offerOf({}), basket)).toBe(0);
  });
});
