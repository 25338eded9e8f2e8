import { expect, onTestFinished, test, vi } from 'vitest';
import { LINES_MAX } from '../../sync/contract/basket.ts';
import { readBody } from '../../server/intake/read-body.ts';

const returned = {
  kind: 'sale.returned',
  returnId: '0190f8a0-0000-7000-8000-000000000002',
  saleId: '0190f8a0-0000-7000-8000-000000000001',
  storeId: 'store-1',
  at: 1_780_000_000_000,
  lines: [{ lineId: 'l1', quantityMilli: 1_000 }],
  reversed: null,
};

test('a return of lines is understood', () => {
  expect(readBody(JSON.stringify(returned))).toEqual({ kind: 'transaction', transaction: returned });
});

test('a return that names a payment card number is refused as such', () => {
  const lines = [{ lineId: '4111111111111111', quantityMilli: 1_000 }];
  expect(readBody(JSON.stringify({ ...returned, lines }))).toEqual({ kind: 'refused', code: 'PAN_REJECTED' });
});

test('a body that would take long to read is refused unread', () => {
  const json = vi.spyOn(JSON, 'parse');
  onTestFinished(() => json.mockRestore());
  expect(readBody(`[${'{},'.repeat(300_000)}{}]`)).toEqual({ kind: 'refused', code: 'WIRE_MALFORMED' });
  expect(json).not.toHaveBeenCalled();
});

test('a return of as many lines as a sale may have is understood', () => {
  const lines = Array.from({ length: LINES_MAX }, (_, i) => ({ lineId: `l${i}`, quantityMilli: 1_000 }));
  expect(readBody(JSON.stringify({ ...returned, lines }))).toMatchObject({ kind: 'transaction' });
});
