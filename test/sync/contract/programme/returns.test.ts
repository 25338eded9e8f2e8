import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Basket, BasketLine } from '../../../../sync/contract/basket.ts';
import { evaluateSale, SALE_POINTS_MAX, totalPoints } from '../../../../sync/contract/earn.ts';
import { allotmentOf, saleParts, split } from '../../../../sync/contract/programme/allot.ts';
import { takeBack, takeBackRest } from '../../../../sync/contract/programme/returns.ts';
import type { Returned, ReturnedLine } from '../../../../sync/contract/programme/returns.ts';
import type { OfferDocument, ProgrammeDocument } from '../../../../sync/contract/replica-documents.ts';
import { EarnedPoints } from '../../../../sync/contract/transaction.ts';
import { NOON, offerOf, programme as plainProgramme } from '../offers.ts';

const categories = [undefined, 'bakery', 'tobacco'] as const;

const anyLine: fc.Arbitrary<Omit<BasketLine, 'id'>> = fc
  .record({
    article: fc.constantFrom('a', 'b', 'c', 'd'),
    category: fc.constantFrom(...categories),
    quantityMilli: fc.oneof(
      fc.constantFrom(1_000, 3_000, 7_000, 0, -1_000),
      fc.integer({ min: -5_000, max: 9_999 }),
      fc.constantFrom(1_000_000_000, 999_999_937),
    ),
    totalMinor: fc.oneof(
      fc.integer({ min: -3_000, max: 9_999 }),
      fc.constantFrom(0, 100, 999_999_999_989, -1_000_000_000_000),
    ),
  })
  .map(({ category, ...line }) => (category === undefined ? line : { ...line, category }));

const anyBasket: fc.Arbitrary<Basket> = fc
  .record({
    lines: fc.array(anyLine, { maxLength: 8 }),
    payments: fc.option(
      fc.array(
        fc.record({
          tender: fc.constantFrom('cash', 'points', 'house-card'),
          amountMinor: fc.oneof(fc.integer({ min: 1, max: 9_999 }), fc.constant(1_000_000_000_000)),
        }),
        { maxLength: 3 },
      ),
      { nil: undefined },
    ),
  })
  .map(({ lines, payments }) => ({
    currency: 'EUR',
    lines: lines.map((line, i) => ({ id: `l${i}`, ...line })),
    totalMinor: lines.reduce((sum, line) => sum + line.totalMinor, 0),
    ...(payments === undefined ? {} : { payments }),
  }));

const percent = fc.integer({ min: 0, max: 10_000 });
const anyProgramme: fc.Arbitrary<ProgrammeDocument> = fc
  .record({
    points: fc.constantFrom(0, 1, 7, 10_000),
    perMinor: fc.constantFrom(1, 100, 333),
    rounding: fc.constantFrom('down', 'nearest', 'up'),
    bakery: percent,
    houseCard: percent,
  })
  .map(({ points, perMinor, rounding, bakery, houseCard }) => ({
    ...plainProgramme,
    earn: {
      points,
      perMinor,
      rounding,
      excludedCategories: ['tobacco'],
      tenders: ['points'],
      rules: [
        { id: 'bakery', categories: ['bakery'], articles: ['d'], percent: bakery },
        { id: 'house-card', tenders: ['house-card'], percent: houseCard },
      ],
    },
  }));

const anyOffers: fc.Arbitrary<readonly OfferDocument[]> = fc
  .array(
    fc.oneof(
      fc.record({ kind: fc.constant('points' as const), points: fc.integer({ min: 1, max: 1_000_000 }) }),
      fc.record({ kind: fc.constant('multiplier' as const), percent: fc.integer({ min: 101, max: 10_000 }) }),
    ),
    { maxLength: 4 },
  )
  .map((rewards) =>
    rewards.map((reward, i) =>
      offerOf({ id: `o${i}`, reward, ...(i % 2 === 1 ? { categories: ['bakery'], articles: ['b'] } : {}) }),
    ),
  );

const anySale = fc
  .record({ programme: anyProgramme, offers: anyOffers, basket: anyBasket })
  .map(({ programme, offers, basket }) => ({
    basket,
    earned: evaluateSale(programme, offers, { customer: null, basket, at: NOON, stale: false }).earned,
  }));

describe('allotment', () => {
  test('is of parts that sum to the whole, none below its share by 1 or more, nor above', () => {
    const weights = fc.array(fc.bigInt({ min: 0n, max: 10n ** 20n }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: SALE_POINTS_MAX }), weights, (whole, each) => {
        const parts = split(whole, each);
        const total = each.reduce((sum, weight) => sum + weight, 0n);
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(total === 0n ? 0 : whole);
        for (const [i, part] of parts.entries()) {
          const off = BigInt(part) * total - BigInt(whole) * (each[i] ?? 0n);
          expect(part >= 0 && (total === 0n || (off > -total && off < total))).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('lays all a sale earned on its lines and the rest, whatever is sold', () => {
    fc.assert(
      fc.property(anySale, ({ basket, earned }) => {
        expect(EarnedPoints.safeParse(earned).success).toBe(true);
        const total = totalPoints(earned);
        expect(total).toBeLessThanOrEqual(SALE_POINTS_MAX);
        const parts = saleParts(basket, earned.parts, total);
        expect(parts.lines.reduce((sum, { points }) => sum + points, parts.rest)).toBe(total);
        expect(parts.rest).toBeGreaterThanOrEqual(0);
        for (const [i, part] of parts.lines.entries()) {
          const { id, quantityMilli } = basket.lines[i] ?? { id: '', quantityMilli: 0 };
          expect(part.lineId).toBe(id);
          expect(part.points).toBeGreaterThanOrEqual(0);
          expect(part.quantityMilli).toBeLessThanOrEqual(Math.max(0, quantityMilli));
          expect(part.points === 0 || part.quantityMilli > 0).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('lays nothing on the rest where every line can be returned', () => {
    const whole = anyBasket.filter(
      ({ lines }) => lines.length > 0 && lines.every((line) => line.quantityMilli > 0 && line.totalMinor > 0),
    );
    fc.assert(
      fc.property(whole, fc.integer({ min: 0, max: SALE_POINTS_MAX }), (basket, points) => {
        const weights = basket.lines.map(({ category }) => (category === 'tobacco' ? 0n : 1n));
        const sum = allotmentOf(basket)(points, [weights]).reduce((all, part) => all + part, 0);
        expect(sum).toBe(points);
      }),
      { numRuns: 300 },
    );
  });

  test('of a sale stored without parts is by what its lines cost', () => {
    const lines = [300, 100, -50].map((totalMinor, i) => ({
      id: `${i}`,
      article: `${i}`,
      quantityMilli: 1_000,
      totalMinor,
    }));
    const parts = saleParts({ currency: 'EUR', lines, totalMinor: 350 }, undefined, 9);
    expect(parts.lines.map(({ points }) => points)).toEqual([6, 3, 0]);
    expect(parts.rest).toBe(0);
  });
});

/** Cuts what can be returned of each line into pieces, and puts those of all lines in some order. */
function piecesOf(quantities: readonly ReturnedLine[]): fc.Arbitrary<readonly (readonly ReturnedLine[])[]> {
  const pieces = quantities.map(({ lineId, quantityMilli }) =>
    fc
      .array(fc.integer({ min: 0, max: quantityMilli }), { maxLength: 4 })
      .map((cuts) => [...new Set([0, ...cuts, quantityMilli])].toSorted((a, b) => a - b))
      .map((at) => at.slice(1).map((to, i) => ({ lineId, quantityMilli: to - (at[i] ?? 0) }))),
  );
  return fc
    .tuple(...pieces)
    .map((all) => all.flat())
    .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }))
    .chain((all) =>
      fc
        .array(fc.integer({ min: 1, max: 3 }), { minLength: all.length, maxLength: all.length })
        .map((sizes) => {
          const returns: ReturnedLine[][] = [];
          let rest = [...all];
          for (const size of sizes) {
            if (rest.length === 0) break;
            returns.push(rest.slice(0, size));
            rest = rest.slice(size);
          }
          return returns;
        }),
    );
}

describe('returns', () => {
  test('of any split in any order take back what the lines got, and undoing takes the rest', () => {
    const split = anySale.chain(({ basket, earned }) => {
      const parts = saleParts(basket, earned.parts, totalPoints(earned));
      const returnable = parts.lines.filter(({ quantityMilli }) => quantityMilli > 0);
      return fc.record({
        parts: fc.constant(parts),
        total: fc.constant(totalPoints(earned)),
        returns: piecesOf(returnable.map(({ lineId, quantityMilli }) => ({ lineId, quantityMilli }))),
      });
    });
    fc.assert(
      fc.property(split, ({ parts, total, returns }) => {
        let returned: Returned = new Map();
        let back = 0;
        for (const lines of returns) {
          // Undone at any moment, a sale leaves nothing.
          expect(back + takeBackRest(parts, returned)).toBe(total);
          const taken = takeBack(parts, returned, lines);
          expect(taken.kind).toBe('taken');
          if (taken.kind === 'refused') return;
          expect(taken.points).toBeGreaterThanOrEqual(0);
          expect(taken.lines.reduce((sum, { points }) => sum + points, 0)).toBe(taken.points);
          back += taken.points;
          returned = taken.returned;
        }
        expect(back).toBe(total - parts.rest);
        expect(takeBackRest(parts, returned)).toBe(parts.rest);
        for (const { lineId } of parts.lines) {
          expect(takeBack(parts, returned, [{ lineId, quantityMilli: 1 }])).toEqual({
            kind: 'refused',
            code: 'RETURN_TOO_MUCH',
            lineId,
          });
        }
      }),
      { numRuns: 1_500 },
    );
  });

  test('that are refused leave what came back as it was', () => {
    const parts = { lines: [{ lineId: 'a', quantityMilli: 2_000, points: 5 }], rest: 0 };
    const returned = new Map([['a', 1_000]]);
    const codeOf = (...lines: ReturnedLine[]): string | number => {
      const taken = takeBack(parts, returned, lines);
      return taken.kind === 'refused' ? taken.code : taken.points;
    };
    expect(codeOf({ lineId: 'b', quantityMilli: 1 })).toBe('RETURN_LINE_UNKNOWN');
    for (const quantityMilli of [0, -1, 0.5, Number.NaN, Infinity]) {
      expect(codeOf({ lineId: 'a', quantityMilli })).toBe('RETURN_QUANTITY');
    }
    expect(codeOf({ lineId: 'a', quantityMilli: 1_001 })).toBe('RETURN_TOO_MUCH');
    expect(codeOf({ lineId: 'a', quantityMilli: 600 }, { lineId: 'a', quantityMilli: 600 })).toBe(
      'RETURN_TOO_MUCH',
    );
    expect([...returned]).toEqual([['a', 1_000]]);
    expect(codeOf({ lineId: 'a', quantityMilli: 1_000 })).toBe(3);
  });

  test('know a line by any id a basket allows', () => {
    const parts = { lines: [{ lineId: '__proto__', quantityMilli: 1_000, points: 5 }], rest: 0 };
    expect(takeBack(parts, new Map(), [{ lineId: '__proto__', quantityMilli: 1_000 }])).toMatchObject({
      points: 5,
    });
    expect(takeBack(parts, new Map(), [{ lineId: 'constructor', quantityMilli: 1 }])).toMatchObject({
      code: 'RETURN_LINE_UNKNOWN',
    });
  });
});
