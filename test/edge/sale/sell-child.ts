// Sells without end over one data folder and prints each answer once it is given; its parent kills it.
import { writeSync } from 'node:fs';
import { SystemRandom } from '../../../foundation/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openJournal } from '../journal/journal-fixture.ts';
import { basketOf, identified, newSales } from './sale-fixture.ts';

const clock = new ManualClock();
const random = new SystemRandom();
const journal = await openJournal(process.argv[2] ?? '', { clock, random, unconfirmedMax: 1_000_000 });
const sales = newSales(journal, clock, { random });
const say = (did: string, saleId: string): number => writeSync(1, `${did} ${saleId}\n`);

for (;;) {
  const { saleId } = sales.open({});
  say('opened', saleId);
  sales.present(identified(clock));
  sales.putBasket(saleId, basketOf(700, 350));
  say('basket', saleId);
  sales.complete(saleId);
  say('completed', saleId);
}
