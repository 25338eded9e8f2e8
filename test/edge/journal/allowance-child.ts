// Gets allowances and gives points out under them, and says after each step what stands by its word.
import { writeSync } from 'node:fs';
import { SystemRandom } from '../../../foundation/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { CUSTOMER, allowanceOf, standing } from './allowance-standing.ts';
import { completedSale, openJournal } from './journal-fixture.ts';

const clock = new ManualClock();
const journal = await openJournal(process.argv[2] ?? '', { clock, random: new SystemRandom() });
const say = (step: string): void => {
  const report = { step, code: null, removed: 0, ...standing(journal) };
  writeSync(1, `${JSON.stringify(report)}\n`);
};
const giveOut = (version: number, points: number): void => {
  journal.append(completedSale(clock), (entry) => {
    journal.allowances.note(
      { redemptionId: `redemption-${entry.seq}`, customerId: CUSTOMER, points, version },
      entry.seq,
    );
  });
  say('give out');
};

say('open');
journal.allowances.replace(allowanceOf(1));
say('first allowance');
giveOut(1, 100);
giveOut(1, 30);
journal.confirm(1, clock.now());
say('confirm');
// What the server knows of is forgotten in the same step, the rest counts against this one too.
journal.allowances.replace(allowanceOf(2));
say('second allowance');
giveOut(2, 7);
journal.allowances.replace(null);
say('no allowance');
await journal.close();
