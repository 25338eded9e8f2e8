import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Basket, addsUp, emptyBasket } from '../../../sync/contract/basket.ts';

const line = (id: string, totalMinor: number) => ({
  id,
  article: '4000000000013',
  quantityMilli: 1_000,
  totalMinor,
});

describe('a basket', () => {
  test('adds up when it is empty', () => {
    expect(addsUp(emptyBasket('EUR'))).toBe(true);
    expect(addsUp({ ...emptyBasket('EUR'), totalMinor: 1 })).toBe(false);
  });

  test('adds up when the total is the sum of its lines, returns and discounts included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { maxLength: 50 }),
        fc.integer({ min: 1, max: 999 }),
        (totals, off) => {
          const lines = totals.map((total, i) => line(`${i}`, total));
          const totalMinor = totals.reduce((sum, total) => sum + total, 0);
          const basket = Basket.parse({ currency: 'EUR', lines, totalMinor });
          expect(addsUp(basket)).toBe(true);
          expect(addsUp({ ...basket, totalMinor: totalMinor + off })).toBe(false);
        },
      ),
    );
  });

  test('does not add up with a line id used twice', () => {
    expect(addsUp({ currency: 'EUR', lines: [line('1', 5), line('1', 5)], totalMinor: 10 })).toBe(false);
  });

  test.each([
    ['a fraction of a cent', { totalMinor: 0.5 }],
    ['a total in text', { totalMinor: '5' }],
    ['a currency in lower case', { currency: 'eur' }],
    ['a field nobody knows', { loyalty: true }],
  ])('is refused with %s', (_what, fields) => {
    expect(Basket.safeParse({ ...emptyBasket('EUR'), ...fields }).success).toBe(false);
  });
});
