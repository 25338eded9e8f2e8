import { describe, expect, test } from 'vitest';
import { Basket } from '../../../sync/contract/basket.ts';
import { EarnedPoints, SaleReturned, subjectOf, Transaction } from '../../../sync/contract/transaction.ts';

const SALE = '0190f8a0-0000-7000-8000-000000000001';
const RETURN = '0190f8a0-0000-7000-8000-000000000002';
const returned = {
  kind: 'sale.returned',
  returnId: RETURN,
  saleId: SALE,
  storeId: 'store-1',
  at: 1_780_000_000_000,
  lines: [{ lineId: 'l1', quantityMilli: 1_000 }],
  reversed: 12,
} as const;

describe('a return', () => {
  test('is a transaction of the journal, about itself: a sale has many', () => {
    const transaction = Transaction.parse(returned);
    expect(transaction).toEqual(returned);
    expect(subjectOf(transaction)).toBe(RETURN);
    expect(Transaction.parse({ ...returned, reversed: null })).toMatchObject({ reversed: null });
  });

  test.each([
    ['of nothing', { lines: [] }],
    ['of no quantity', { lines: [{ lineId: 'l1', quantityMilli: 0 }] }],
    ['of a quantity below zero', { lines: [{ lineId: 'l1', quantityMilli: -1_000 }] }],
    ['of a fraction of a thousandth', { lines: [{ lineId: 'l1', quantityMilli: 0.5 }] }],
    ['of more than any line has', { lines: [{ lineId: 'l1', quantityMilli: 1_000_000_001 }] }],
    ['of a line without a name', { lines: [{ lineId: '', quantityMilli: 1 }] }],
    ['that gives points', { reversed: -1 }],
  ])('%s is none', (_, more) => {
    expect(SaleReturned.safeParse({ ...returned, ...more }).success).toBe(false);
  });
});

test('what was written before there were parts and payments is valid still', () => {
  const earned = { programmeVersion: 1, base: 3, bonuses: [] };
  expect(EarnedPoints.parse(earned)).toEqual(earned);
  expect(EarnedPoints.parse({ ...earned, parts: [3] })).toEqual({ ...earned, parts: [3] });
  expect(EarnedPoints.safeParse({ ...earned, parts: [-1, 4] }).success).toBe(false);
  const basket = { currency: 'EUR', lines: [], totalMinor: 0 };
  expect(Basket.parse(basket)).toEqual(basket);
});

test('a payment names how and how much, and no number', () => {
  const withPayment = (tender: string, amountMinor: number): boolean =>
    Basket.safeParse({ currency: 'EUR', lines: [], totalMinor: 0, payments: [{ tender, amountMinor }] })
      .success;
  expect(withPayment('gift-card', 100)).toBe(true);
  expect(withPayment('gift-card', 0)).toBe(false);
  expect(withPayment('gift-card', -100)).toBe(false);
  expect(withPayment('4111111111111111', 100)).toBe(false);
});
