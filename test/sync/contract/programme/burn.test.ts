import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeBurn, mostPoints, redeemedParts, valueOf } from '../../../../sync/contract/programme/burn.ts';
import { BurnRules } from '../../../../sync/contract/programme/programme-rules.ts';
import { basketOf, line } from '../offers.ts';

/** 100 points are a euro; redeemed in fifties from 200 on, for half of a basket, tobacco not among it. */
const rules: BurnRules = {
  points: 100,
  minor: 100,
  minPoints: 200,
  stepPoints: 50,
  maxPercent: 50,
  excludedCategories: ['tobacco'],
};
const most = (basket: Parameters<typeof mostPoints>[1], balance: number): number =>
  mostPoints(rules, basket, balance).points;

describe('the most points that may pay', () => {
  test('are whole steps of the balance, from the least on', () => {
    const basket = basketOf(line(100_000));
    expect(most(basket, 199)).toBe(0);
    expect(most(basket, 200)).toBe(200);
    expect(most(basket, 249)).toBe(200);
    expect(most(basket, 250)).toBe(250);
    expect(most(basket, -50)).toBe(0);
  });

  test('pay no more than the percentage of the basket, rounded down to a step', () => {
    expect(mostPoints(rules, basketOf(line(1_000)), 10_000)).toEqual({ points: 500, minor: 500 });
    expect(most(basketOf(line(999)), 10_000)).toBe(450);
    expect(most(basketOf(line(399)), 10_000)).toBe(0);
  });

  test('pay for no excluded goods', () => {
    expect(most(basketOf(line(300), line(5_000, { category: 'tobacco' })), 10_000)).toBe(300);
    expect(most(basketOf(line(5_000, { category: 'tobacco' })), 10_000)).toBe(0);
    expect(most(basketOf(line(-500)), 10_000)).toBe(0);
    expect(most(basketOf(line(5_000, { category: 'tobacco' }), line(-500)), 10_000)).toBe(0);
  });
});

describe('a redemption', () => {
  test('is refused for one reason, with its code', () => {
    const basket = basketOf(line(1_000));
    const codeOf = (points: number, balance = 10_000): string => {
      const verdict = judgeBurn(rules, basket, points, balance);
      return verdict.kind === 'refused' ? verdict.code : `${verdict.minor}`;
    };
    expect(codeOf(199)).toBe('BURN_TOO_FEW');
    expect(codeOf(-200)).toBe('BURN_TOO_FEW');
    expect(codeOf(200.5)).toBe('BURN_TOO_FEW');
    expect(codeOf(201)).toBe('BURN_STEP');
    expect(codeOf(550)).toBe('BURN_TOO_MUCH');
    expect(codeOf(500, 499)).toBe('BURN_BALANCE');
    expect(codeOf(500)).toBe('500');
    expect(judgeBurn(undefined, basket, 500, 500)).toEqual({ kind: 'refused', code: 'BURN_OFF' });
  });

  test('of the most points fits, and one step more does not', () => {
    const anyRules = fc
      .record({
        points: fc.integer({ min: 1, max: 1_000_000 }),
        minor: fc.integer({ min: 1, max: 1_000_000 }),
        steps: fc.integer({ min: 1, max: 200 }),
        least: fc.integer({ min: 1, max: 5 }),
        maxPercent: fc.integer({ min: 1, max: 100 }),
      })
      .map(({ points, minor, steps, least, maxPercent }) =>
        BurnRules.parse({
          points,
          minor,
          maxPercent,
          excludedCategories: ['tobacco'],
          stepPoints: steps * points,
          minPoints: least * steps * points,
        }),
      );
    const amounts = fc.array(fc.tuple(fc.integer({ min: -1_000, max: 100_000_000_000 }), fc.boolean()), {
      minLength: 1,
      maxLength: 5,
    });
    const balance = fc.oneof(fc.nat(10_000), fc.nat(1_000_000_000));
    fc.assert(
      fc.property(anyRules, amounts, balance, (some, lines, held) => {
        const basket = basketOf(
          ...lines.map(([minor, isTobacco]) => line(minor, isTobacco ? { category: 'tobacco' } : {})),
        );
        const { points, minor } = mostPoints(some, basket, held);
        const more = judgeBurn(some, basket, Math.max(points + some.stepPoints, some.minPoints), held);
        expect(more.kind).toBe('refused');
        expect(minor).toBe(valueOf(some, points));
        expect(BigInt(minor) * BigInt(some.points)).toBe(BigInt(points) * BigInt(some.minor));
        const verdict = judgeBurn(some, basket, points, held);
        expect(verdict).toEqual(
          points > 0 ? { kind: 'fits', points, minor } : { kind: 'refused', code: 'BURN_TOO_FEW' },
        );
        expect(minor * 100).toBeLessThanOrEqual(Math.max(0, basket.totalMinor * some.maxPercent));
        expect(redeemedParts(some, basket, points).reduce((sum, part) => sum + part, 0)).toBe(points);
      }),
      { numRuns: 1_000 },
    );
  });
});
