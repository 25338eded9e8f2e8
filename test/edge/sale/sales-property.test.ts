// Goal: the order of basket and identification does not matter, and no sequence of repeated calls and restarts gives a
// sale more than one effect. Method: fast-check over the steps, a real journal underneath.
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { isFault } from '../../../foundation/errors.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import type { SaleView } from '../../../edge/api/events.ts';
import type { Journal } from '../../../edge/journal/journal.ts';
import type { Identified } from '../../../edge/sale/identified.ts';
import type { Sales } from '../../../edge/sale/sales.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openJournal, temporaryFolder } from '../journal/journal-fixture.ts';
import { basketOf, identified, newId, newSales } from './sale-fixture.ts';

const steps = ['open', 'part', 'basket', 'present'] as const;
type Step = (typeof steps)[number];

/** Any order in which a basket is put into an open sale and its last state comes last. */
const order = fc
  .shuffledSubarray([...steps, ...steps], { minLength: 8, maxLength: 8 })
  .filter(
    (all) =>
      all.lastIndexOf('part') < all.lastIndexOf('basket') &&
      all.indexOf('open') < Math.min(all.indexOf('part'), all.indexOf('basket')),
  );

test('a customer identified before, during or after the basket gives the same sale and the same entry', async () => {
  const clock = new ManualClock();
  const journal = await openJournal(temporaryFolder(onTestFinished), { clock });
  onTestFinished(() => journal.close());
  const card = identified(clock);
  const reference = run(journal, clock, card, ['open', 'present', 'part', 'basket']);
  fc.assert(
    fc.property(order, (sequence) => {
      expect(run(journal, clock, card, sequence)).toEqual(reference);
    }),
    { numRuns: 60 },
  );
  expect(journal.verify()).toBe(journal.lastSeq);
});

function run(
  journal: Journal,
  clock: ManualClock,
  card: Identified,
  sequence: readonly Step[],
): { readonly view: SaleView; readonly body: string } {
  journal.confirm(journal.lastSeq, clock.now());
  const sales = newSales(journal, clock);
  const saleId = newId(clock);
  for (const step of sequence) {
    switch (step) {
      case 'open':
        sales.open({ saleId });
        break;
      case 'part':
        sales.putBasket(saleId, basketOf(300));
        break;
      case 'basket':
        sales.putBasket(saleId, basketOf(300, 900));
        break;
      case 'present':
        sales.present(card);
        break;
    }
  }
  const view = sales.complete(saleId);
  const [entry] = journal.read(journal.lastSeq - 1, 1);
  return { view: { ...view, saleId: '', entry: null }, body: entry?.body.replaceAll(saleId, '') ?? '' };
}

test('any sequence of repeated calls and restarts gives each sale at most one entry of a kind', async () => {
  const clock = new ManualClock();
  const folder = temporaryFolder(onTestFinished);
  let starts = 0;
  const reopen = (): Promise<Journal> =>
    openJournal(folder, { clock, random: new SeededRandom((starts += 1)), unconfirmedMax: 1_000_000 });
  let journal = await reopen();
  onTestFinished(() => journal.close());
  const call = fc.constantFrom('open', 'basket', 'complete', 'void', 'detach', 'restart');
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 25 }), async (calls) => {
      const from = journal.lastSeq;
      const saleId = newId(clock);
      let sales = newSales(journal, clock);
      const answers = new Map<string, SaleView>();
      for (const name of calls) {
        if (name === 'restart') {
          await journal.close();
          journal = await reopen();
          sales = newSales(journal, clock);
          continue;
        }
        const answer = attempt(sales, saleId, name);
        if (answer === undefined || (name !== 'complete' && name !== 'void')) continue;
        expect(answer).toEqual(answers.get(name) ?? answer);
        answers.set(name, answer);
      }
      const kinds = journal.read(from, 100).map((entry) => Transaction.parse(JSON.parse(entry.body)).kind);
      expect(new Set(kinds).size).toBe(kinds.length);
      expect(kinds.includes('sale.completed')).toBe(answers.has('complete'));
      expect(kinds.includes('sale.voided')).toBe(answers.has('void'));
      if (sales.openViews().length > 0) sales.void(saleId);
    }),
    { numRuns: 60 },
  );
  expect(journal.verify()).toBe(journal.lastSeq);
}, 60_000);

/** The answer, or undefined when the call is refused as it may be. */
function attempt(
  sales: Sales,
  saleId: string,
  name: 'open' | 'basket' | 'complete' | 'void' | 'detach',
): SaleView | undefined {
  try {
    switch (name) {
      case 'open':
        return sales.open({ saleId });
      case 'basket':
        return sales.putBasket(saleId, basketOf(1_000));
      case 'complete':
        return sales.complete(saleId);
      case 'void':
        return sales.void(saleId);
      case 'detach':
        return sales.detach(saleId);
    }
  } catch (error) {
    if (isFault(error, 'SALE_NOT_FOUND') || isFault(error, 'SALE_CLOSED')) return undefined;
    throw error;
  }
}
