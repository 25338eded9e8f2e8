import { expect, onTestFinished, test } from 'vitest';
import { ReceiptClaims } from '../../../edge/sale/claims.ts';
import type { ClaimReceiptRequest } from '../../../edge/sale/claims.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { isReceiptCode, makeReceiptCode, receiptKey } from '../../../sync/contract/receipt-code.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openJournal, temporaryFolder } from '../journal/journal-fixture.ts';
import { basketOf, identified, newId, newSales, programme, rules } from './sale-fixture.ts';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const key = receiptKey('a token');

test('a receipt without a customer has a code the server knows, and is claimed once at a till', async () => {
  const clock = new ManualClock();
  const journal = await openJournal(temporaryFolder(onTestFinished), { clock });
  onTestFinished(() => journal.close());
  const sales = newSales(journal, clock, {
    rules: () => ({ ...rules, programme: { ...programme, lateCredit: { withinHours: 72 } } }),
    receiptCode: (sale) => makeReceiptCode(key, { ...sale, till: 'till-1' }),
  });
  const claims = new ReceiptClaims({
    journal,
    store: journal.openSales,
    identified: (id) => sales.identified(id),
    storeId: 'store-1',
    clock,
    random: new SeededRandom(3),
  });
  const { saleId } = sales.open({});
  sales.putBasket(saleId, basketOf(700));
  const { receiptCode = '', closedAt } = sales.complete(saleId, { shift: 'early' });
  expect(isReceiptCode(key, { saleId, till: 'till-1', at: closedAt ?? 0 }, receiptCode)).toBe(true);
  expect(isReceiptCode(key, { saleId, till: 'till-2', at: closedAt ?? 0 }, receiptCode)).toBe(false);

  const card = identified(clock);
  sales.present(card);
  const wish = {
    claimId: newId(clock),
    code: receiptCode,
    identificationId: card.identificationId,
    shift: 'late',
  };
  expect(claims.take(wish)).toMatchObject({ saleId, status: 'accepted' });
  claims.take(wish);
  expect(() => claims.take({ ...wish, claimId: newId(clock), identificationId: newId(clock) })).toThrow(
    code('API_NOT_FOUND'),
  );
  expect(() => claims.take({ ...wish, claimId: newId(clock), code: '4111' })).toThrow(code('LATE_CODE'));

  const second = sales.open({});
  expect(second.customer).not.toBeNull();
  expect(sales.complete(second.saleId)).not.toHaveProperty('receiptCode');
  const ofSecond = makeReceiptCode(key, { saleId: second.saleId, till: 'till-1', at: clock.now() });
  expect(() => claims.take({ ...wish, claimId: newId(clock), code: ofSecond })).toThrow(code('LATE_TAKEN'));
  const entries = journal.read(0, 10).map(({ body }) => Transaction.parse(JSON.parse(body)));
  expect(entries).toMatchObject([
    { kind: 'sale.completed', shift: 'early' },
    { kind: 'sale.claimed', saleId, code: receiptCode, shift: 'late' },
    { kind: 'sale.completed' },
  ]);
});

test('a claim id that was used for another receipt, or another card, is refused', async () => {
  const clock = new ManualClock();
  const journal = await openJournal(temporaryFolder(onTestFinished), { clock });
  onTestFinished(() => journal.close());
  const sales = newSales(journal, clock, {
    rules: () => ({ ...rules, programme: { ...programme, lateCredit: { withinHours: 72 } } }),
    receiptCode: (sale) => makeReceiptCode(key, { ...sale, till: 'till-1' }),
  });
  const take = (wish: ClaimReceiptRequest): unknown =>
    new ReceiptClaims({
      journal,
      store: journal.openSales,
      identified: (id) => sales.identified(id),
      storeId: 'store-1',
      clock,
      random: new SeededRandom(3),
    }).take(wish);
  const [receipt = '', otherReceipt = ''] = [1, 2].map(() => {
    const { saleId } = sales.open({});
    sales.putBasket(saleId, basketOf(700));
    return sales.complete(saleId).receiptCode;
  });
  const card = identified(clock);
  const sameCard = identified(clock);
  const otherCard = identified(clock, { verdict: 'unknown' }, 'B');
  for (const each of [card, sameCard, otherCard]) sales.note(each);
  const wish = { claimId: newId(clock), code: receipt, identificationId: card.identificationId };
  const first = take(wish);
  expect(take(wish)).toEqual(first);
  expect(take({ ...wish, identificationId: sameCard.identificationId })).toEqual(first);
  // An identification is forgotten; the claim stands.
  expect(take({ ...wish, identificationId: newId(clock) })).toEqual(first);
  for (const other of [
    { ...wish, code: otherReceipt },
    { ...wish, code: makeReceiptCode(key, { saleId: newId(clock), till: 'till-2', at: 1 }) },
    { ...wish, identificationId: otherCard.identificationId },
    { ...wish, shift: 'late' },
  ]) {
    expect(() => take(other)).toThrow(code('LATE_CONFLICT'));
  }
  expect(journal.lastSeq).toBe(3);
});
