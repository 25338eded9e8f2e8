import { expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../foundation/random.ts';
import { silentLog } from '../../foundation/log.ts';
import type { LogFields } from '../../foundation/log.ts';
import { Database } from '../../server/database/database.ts';
import { LedgerKeeper } from '../../server/ledger/ledger-keeper.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LedgerWorld } from './ledger-world.ts';
import { TestTill } from './test-till.ts';

test('what the keeper fails at keeps nothing else from falling due, and people are told which it was', async () => {
  const clock = new ManualClock();
  const database = await Database.open(
    { memory: true },
    { clock, random: new SeededRandom(1), log: silentLog },
  );
  onTestFinished(() => database.close());
  const world = new LedgerWorld(database, clock);
  const till = new TestTill();
  const index = till.index();
  const customer = await world.customer(index);
  await world.rules({
    tiers: [
      { id: 'basic', name: { de: 'x', en: 'x' }, earnPercent: 100 },
      {
        id: 'gold',
        name: { de: 'x', en: 'x' },
        earnPercent: 200,
        qualify: { points: 10, windowMonths: 3 },
      },
    ],
  });
  till.sell(index, 2_000, {
    earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
  });
  await world.commit(till);

  const logged: LogFields[] = [];
  let told = 0;
  const keeper = new LedgerKeeper({
    database,
    clock,
    log: { ...silentLog, error: (fields: LogFields) => void logged.push(fields) },
    reservations: { expire: () => Promise.reject(new Error('a lot that cannot be')) },
    claims: { indexer: singleForm, receiptKeyOf: undefined },
    onCommitted: () => (told += 1),
  });
  onTestFinished(() => keeper.close());
  await keeper.run();
  const row = database.db.selectFrom('customer').select('tier').where('id', '=', customer);
  expect(await row.executeTakeFirstOrThrow()).toEqual({ tier: 'gold' });
  expect(logged).toMatchObject([{ event: 'ledger.keeping_failed', step: 'reservations' }]);
  expect(told).toBe(1);
});
