// Goal: a clock that is anywhere changes nothing of order, ids, sessions, receipts, and removes nothing.
import { expect, onTestFinished, test } from 'vitest';
import { RETENTION_MS } from '../../../edge/journal/journal.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { JournalBatch } from '../../../sync/contract/messages.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { completedSale, openJournal, quickFolder } from './journal-fixture.ts';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const TRUE_NOW = new ManualClock().now();

test.for([
  ['stands at 1970', 0],
  ['is a year ahead', TRUE_NOW + YEAR_MS],
  ['was set back an hour', TRUE_NOW - HOUR_MS],
] as const)(
  'when the clock %s, entries keep their order, ids are unique, and what is confirmed stays',
  async ([, wrong]) => {
    const folder = quickFolder(onTestFinished);
    const clock = new ManualClock();
    const random = new SeededRandom(21);
    const journal = await openJournal(folder, { clock, random });
    const sell = (): unknown =>
      journal.append({ ...completedSale(clock), saleId: uuidV7(clock.now(), random) } as ReturnType<
        typeof completedSale
      >);
    for (let i = 0; i < 3; i += 1) sell();
    journal.confirm(2, TRUE_NOW);
    const session = journal.nextSession();
    clock.setWallClock(wrong);
    for (let i = 0; i < 3; i += 1) sell();
    // The server's receipts speak of its own time, which is right.
    journal.confirm(4, TRUE_NOW + HOUR_MS);
    expect(journal.removeOld()).toBe(0);
    expect(journal.nextSession()).toBe(session + 1);
    const entries = journal.read(0, 10);
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(entries.map(({ id }) => id)).size).toBe(6);
    expect(journal.verify()).toBe(6);
    // It can be told to the server as it is.
    const batch = { ...journal.owner, entries: [...entries] };
    expect(JournalBatch.parse(batch)).toEqual(batch);
    await journal.close();
    const again = await openJournal(folder, { clock });
    expect([again.lastSeq, again.confirmedSeq, again.removeOld()]).toEqual([6, 4, 0]);
    expect(again.nextSession()).toBe(session + 2);
    await again.close();
  },
);

test('a server whose clock was a year ahead for a while removes nothing, and ends retention for no longer than that', async () => {
  const clock = new ManualClock();
  const journal = await openJournal(quickFolder(onTestFinished), { clock });
  for (let i = 0; i < 4; i += 1) journal.append(completedSale(clock));
  journal.confirm(1, clock.now() + YEAR_MS);
  expect(journal.removeOld()).toBe(0);
  await journal.close();
});

test('after that server’s clock was put right, entries go again when they are old', async () => {
  const folder = quickFolder(onTestFinished);
  const clock = new ManualClock();
  const wrong = await openJournal(folder, { clock });
  for (let i = 0; i < 4; i += 1) wrong.append(completedSale(clock));
  wrong.confirm(1, clock.now() + YEAR_MS);
  await wrong.close();
  const journal = await openJournal(folder, { clock, random: new SeededRandom(6) });
  journal.confirm(2, clock.now());
  await clock.advance(RETENTION_MS);
  journal.confirm(3, clock.now());
  expect(journal.removeOld()).toBe(2);
  await journal.close();
});
