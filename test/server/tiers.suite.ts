// Goal: everybody is in the tier they qualify for, up and down, by what was earned and not returned in its window; and
// what they earn next is calculated with it.
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../server/database/database.ts';
import { establishEpoch } from '../../server/database/epoch.ts';
import { qualifyTiers } from '../../server/programme/qualify-tiers.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LedgerWorld } from './ledger-world.ts';
import { suitePorts } from './suite-databases.ts';
import { TestTill } from './test-till.ts';

const AT = Date.UTC(2026, 10, 1);
const DAY = 86_400_000;
const name = { de: 'x', en: 'x' };
const rules = {
  points: { timeZone: 'Europe/Berlin' },
  tiers: [
    { id: 'basic', name, earnPercent: 100 },
    { id: 'staff', name, earnPercent: 300 },
    { id: 'silver', name, earnPercent: 100, qualify: { points: 100, windowMonths: 3 } },
    { id: 'gold', name, earnPercent: 200, qualify: { points: 300, windowMonths: 3 } },
  ],
};

export function tiersSuite(database: () => Database): void {
  let world: LedgerWorld;
  let till: TestTill;
  let index: string;
  let customer: string;
  beforeEach(async () => {
    world = new LedgerWorld(database(), new ManualClock(AT + DAY));
    till = new TestTill();
    index = till.index();
    customer = await world.customer(index);
    await world.rules(rules);
  });
  afterEach(async () => {
    expect(await world.trial()).toMatchObject({ balanced: true, accountsOff: 0, customersOff: 0 });
  });

  /** @returns how many tiers changed */
  const run = async (slice?: number): Promise<number> => {
    for (let changed = 0; ;) {
      const done = await database().transaction((tx) => qualifyTiers(tx, world.clock.now(), slice));
      changed += done.changed;
      if (!done.more) return changed;
    }
  };
  const row = () =>
    database()
      .db.selectFrom('customer')
      .select(['tier', 'points'])
      .where('id', '=', customer)
      .executeTakeFirstOrThrow();
  const tier = async (): Promise<string> => (await row()).tier;
  const sell = (euros: number) =>
    till.sell(index, euros * 100, {
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
    });

  test('who earns enough rises with the next run, and earns by the new tier from then on', async () => {
    sell(299);
    await world.commit(till);
    await run();
    expect(await tier()).toBe('silver');
    sell(1);
    await world.commit(till);
    expect(await run()).toBe(1);
    expect(await tier()).toBe('gold');
    sell(10);
    await world.commit(till);
    expect(await row()).toMatchObject({ points: 320 });
    expect(await run()).toBe(0);
  });

  test('who earns enough rises on the same day also after the database was put back elsewhere', async () => {
    await run();
    // As it comes from where many more transactions had been.
    await sql`update tier_run set xid = '900000000'`.execute(database().db);
    await establishEpoch(database().db, { ...suitePorts, restored: true });
    sell(300);
    await world.commit(till);
    expect(await run()).toBe(1);
    expect(await tier()).toBe('gold');
  });

  test('what comes back does not count, and who falls short of it falls', async () => {
    const sale = sell(300);
    sell(100);
    await world.commit(till);
    await run();
    expect(await tier()).toBe('gold');
    till.undo(sale);
    await world.commit(till);
    await run();
    expect(await tier()).toBe('silver');
  });

  test('the window rolls by the calendar of the programme: to the end of the day three months later', async () => {
    sell(300);
    await world.commit(till);
    await run();
    // 1 November 2026, 01:00 in Berlin; its last day is 1 February 2027, which ends at 23:00 UTC.
    world.clock.setWallClock(Date.UTC(2027, 1, 1, 23) - 1);
    await run();
    expect(await tier()).toBe('gold');
    world.clock.setWallClock(Date.UTC(2027, 1, 1, 23));
    await run();
    expect(await tier()).toBe('basic');
  });

  test('who was given a tier that nobody qualifies for keeps it', async () => {
    await database().db.updateTable('customer').set({ tier: 'staff' }).where('id', '=', customer).execute();
    sell(500);
    await world.commit(till);
    await run();
    expect(await tier()).toBe('staff');
  });

  test('new rules hold for everybody at the next run, in slices of any size', async () => {
    sell(150);
    await world.commit(till);
    await run();
    expect(await tier()).toBe('silver');
    const lower = { ...rules.tiers[3], id: 'gold', name, qualify: { points: 150, windowMonths: 3 } };
    await world.rules({ ...rules, tiers: [...rules.tiers.slice(0, 3), { earnPercent: 200, ...lower }] });
    await run(1);
    expect(await tier()).toBe('gold');
    expect(await run(1)).toBe(0);
  });
}
