import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BONUSES_MAX, evaluateSale, nothingEarned, totalPoints } from '../../../sync/contract/earn.ts';
import { EarnedPoints } from '../../../sync/contract/transaction.ts';
import { basketOf, circumstances, line, offerOf, programme } from './offers.ts';

const basic = { tier: 'basic', purposes: [] };
const base = (...lines: ReturnType<typeof line>[]): number =>
  evaluateSale(programme, [], circumstances({ customer: basic, basket: basketOf(...lines) })).earned.base;

describe('the base', () => {
  test('is points for each full unit, rounded down', () => {
    expect(base(line(99))).toBe(0);
    expect(base(line(100))).toBe(1);
    expect(base(line(199), line(1))).toBe(2);
    expect(base(line(12_345))).toBe(123);
  });

  test('leaves out excluded categories', () => {
    expect(base(line(1_000), line(650, { category: 'tobacco' }))).toBe(10);
    expect(base(line(650, { category: 'tobacco' }))).toBe(0);
  });

  test('is nothing for a basket that costs nothing or is given back', () => {
    expect(base()).toBe(0);
    expect(base(line(1_000), line(-1_000))).toBe(0);
    expect(base(line(-1_000))).toBe(0);
  });

  test('grows with the tier, and is plain for a tier or customer that is not known', () => {
    const of = (customer: Parameters<typeof circumstances>[0]): number =>
      evaluateSale(programme, [], circumstances({ basket: basketOf(line(1_550)), ...customer })).earned.base;
    expect(of({ customer: { tier: 'gold', purposes: [] } })).toBe(22);
    expect(of({ customer: { tier: 'platinum', purposes: [] } })).toBe(15);
    expect(of({ customer: null })).toBe(15);
  });

  test('is nothing without a programme or in another currency', () => {
    const foreign = circumstances({ basket: { ...basketOf(line(1_000)), currency: 'CHF' } });
    expect(evaluateSale(programme, [offerOf({})], foreign)).toEqual({
      earned: nothingEarned(programme),
      offers: [],
    });
    expect(evaluateSale(undefined, [offerOf({})], circumstances()).earned).toEqual({
      programmeVersion: 0,
      base: 0,
      bonuses: [],
    });
  });
});

describe('bonuses', () => {
  const double = offerOf({ id: 'double', reward: { kind: 'multiplier', percent: 200 } });
  const triple = offerOf({ id: 'triple', reward: { kind: 'multiplier', percent: 300 } });
  const fifty = offerOf({ id: 'fifty', reward: { kind: 'points', points: 50 } });
  const notForYou = offerOf({ id: 'silver', tiers: ['silver'] });
  const oneEuro = offerOf({ id: 'euro', reward: { kind: 'discount', amountMinor: 100 } });

  test('of multipliers count on the base and add up', () => {
    const { earned } = evaluateSale(programme, [triple, fifty, double, notForYou, oneEuro], circumstances());
    expect(earned).toEqual({
      programmeVersion: 7,
      base: 15,
      bonuses: [
        { offerId: 'double', points: 15 },
        { offerId: 'fifty', points: 50 },
        { offerId: 'triple', points: 30 },
      ],
      parts: [110],
    });
    expect(totalPoints(earned)).toBe(110);
  });

  test('are none while nothing is to be paid', () => {
    for (const basket of [basketOf(), basketOf(line(-500)), basketOf(line(500), line(-500))]) {
      const { earned, offers } = evaluateSale(programme, [fifty, double], circumstances({ basket }));
      expect(totalPoints(earned)).toBe(0);
      expect(offers.map((offer) => [offer.applies, offer.bonusPoints])).toEqual([
        [true, 0],
        [true, 0],
      ]);
    }
  });

  test('that rest on consent are left out when the replica is stale, and the rest is earned', () => {
    const personal = offerOf({ id: 'personal', purpose: 'personal_offers' });
    const { earned } = evaluateSale(programme, [personal, fifty], circumstances({ stale: true }));
    expect(earned.bonuses).toEqual([{ offerId: 'fifty', points: 50 }]);
    expect(earned.base).toBe(15);
  });

  test('are as many as a journal entry takes', () => {
    const many = Array.from({ length: 150 }, (_, i) => offerOf({ id: `offer-${i}` }));
    const { earned, offers } = evaluateSale(programme, many, circumstances());
    expect(earned.bonuses).toHaveLength(BONUSES_MAX);
    expect(offers).toHaveLength(150);
  });
});

describe('offers', () => {
  test('that fit come first, whatever order they are held in', () => {
    const offers = [
      offerOf({ id: 'b' }),
      offerOf({ id: 'c', minTotalMinor: 9_000 }),
      offerOf({ id: 'a', tiers: ['silver'] }),
      offerOf({ id: 'd' }),
    ];
    const ids = (held: typeof offers): string[] =>
      evaluateSale(programme, held, circumstances()).offers.map((offer) => offer.offerId);
    expect(ids(offers)).toEqual(['b', 'd', 'a', 'c']);
    expect(ids(offers.toReversed())).toEqual(['b', 'd', 'a', 'c']);
  });
});

test('whatever is sold, what is earned fits a journal entry and is never negative', () => {
  const amount = fc.integer({ min: -1_000_000_000_000, max: 1_000_000_000_000 });
  const reward = fc.oneof(
    fc.record({ kind: fc.constant('points' as const), points: fc.integer({ min: 1, max: 1_000_000 }) }),
    fc.record({ kind: fc.constant('multiplier' as const), percent: fc.integer({ min: 101, max: 10_000 }) }),
  );
  const earn = fc.record({
    points: fc.integer({ min: 0, max: 10_000 }),
    perMinor: fc.integer({ min: 1, max: 1_000_000 }),
    excludedCategories: fc.array(fc.string(), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(
      fc.array(amount, { maxLength: 20 }),
      fc.array(reward, { maxLength: 20 }),
      earn,
      (amounts, rewards, rule) => {
        const offers = rewards.map((each, i) => offerOf({ id: `offer-${i}`, reward: each }));
        const basket = basketOf(...amounts.map((each) => line(each)));
        const { earned } = evaluateSale({ ...programme, earn: rule }, offers, circumstances({ basket }));
        expect(EarnedPoints.safeParse(earned).success).toBe(true);
        expect(earned.base).toBeGreaterThanOrEqual(0);
        expect(Number.isSafeInteger(totalPoints(earned))).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});
