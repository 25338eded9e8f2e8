// Goal: what two servers do at the same moment comes out as if one had been first. One of the two is held just before
// its commit, while the other does its work on a connection of its own.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '../../foundation/log.ts';
import type { Database } from '../../server/database/database.ts';
import { commitBatches } from '../../server/intake/commit-batches.ts';
import { holdAccount, memberAccount } from '../../server/ledger/accounts.ts';
import { adjust } from '../../server/ledger/adjust.ts';
import { settleDue } from '../../server/ledger/due.ts';
import { contentOf, enter } from '../../server/ledger/enter.ts';
import { LedgerKeeper } from '../../server/ledger/ledger-keeper.ts';
import { mergeCustomers } from '../../server/ledger/merge-customers.ts';
import { qualifyTiers } from '../../server/programme/qualify-tiers.ts';
import { Reservations } from '../../server/redemption/reservations.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import { makeReceiptCode, receiptKey } from '../../sync/contract/receipt-code.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { heldBeforeCommit, untilSomebodyWaits } from './held-transaction.ts';
import { LedgerWorld, saleIdOf } from './ledger-world.ts';
import { onPostgres } from './suite-databases.ts';
import { TestTill } from './test-till.ts';

const AT = Date.UTC(2026, 10, 1);
const HOUR = 3_600_000;
const receiptKeyOf = (till: string): Uint8Array => receiptKey(`token of ${till}`);

describe('two servers at the same moment', () => {
  const postgres = onPostgres();
  const database = (): Database => postgres.database();
  let world: LedgerWorld;
  let other: Database;
  let till: TestTill;
  let desk: TestTill;
  let index: string;
  let customer: string;
  beforeEach(async () => {
    world = new LedgerWorld(database(), new ManualClock(AT + HOUR));
    other = await postgres.another();
    [till, desk] = [new TestTill(), new TestTill()];
    index = till.index();
    customer = await world.customer(index);
    await world.rules({ lateCredit: { withinHours: 72 } });
  });
  const balanced = async (): Promise<void> => {
    expect(await world.trial()).toMatchObject({ balanced: true, accountsOff: 0, customersOff: 0 });
    expect(await world.lotsOff()).toBe(0);
  };
  afterEach(async () => {
    await other.close();
    await balanced();
  });

  const commit = (at: Database, from: TestTill) =>
    commitBatches(at, [from.batch()], world.clock, new Set(), 'test', singleForm, receiptKeyOf);
  const keep = async (): Promise<void> => {
    const { clock } = world;
    const shared = { database: database(), clock, indexer: singleForm, onCommitted: () => {} };
    const reservations = new Reservations(shared);
    const claims = { indexer: singleForm, receiptKeyOf };
    const keeper = new LedgerKeeper({ ...shared, log: silentLog, reservations, claims });
    await keeper.run();
    await keeper.close();
  };

  test('a claim and its sale that are committed at once do not see each other, and the next run credits it', async () => {
    const sale = till.sell(null, 2_000, {
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
    });
    const claimed = desk.add({
      kind: 'sale.claimed',
      claimId: desk.id(),
      saleId: saleIdOf(sale),
      storeId: 'store-2',
      at: AT + HOUR,
      customer: { index, kind: 'card', trust: 'L1', customerId: customer },
      code: makeReceiptCode(receiptKeyOf(till.till), {
        saleId: saleIdOf(sale),
        till: till.till,
        at: sale.at,
      }),
    });
    const held = heldBeforeCommit(other);
    const selling = commit(held.database, till);
    await held.worked;
    await commit(database(), desk);
    held.go();
    await selling;
    expect(await world.member(customer)).toBe(0);
    await keep();
    await keep();
    const { rows } = await sql<{ state: string }>`
      select state from sale_claim where entry_id = ${claimed.id}::uuid`.execute(database().db);
    expect(rows).toEqual([{ state: 'posted' }]);
    expect(await world.member(customer)).toBe(20);
  });

  test('nothing is given to who is being merged away', async () => {
    const survivor = await world.customer();
    const held = heldBeforeCommit(other);
    const merging = held.database.transaction((tx) =>
      mergeCustomers(tx, { from: customer, to: survivor }, AT),
    );
    await held.worked;
    const adjustment = { id: world.id(), customerId: customer, points: 100, reason: 'goodwill' };
    const adjusting = database().transaction((tx) => adjust(tx, adjustment, AT));
    await untilSomebodyWaits(other);
    held.go();
    await merging;
    expect(await adjusting).toEqual({ kind: 'refused', code: 'CUSTOMER_NOT_FOUND' });
    expect(await world.member(customer)).toBe(0);
  });

  test('a tier that is given by hand while tiers are looked at stays', async () => {
    const name = { de: 'x', en: 'x' };
    await world.rules({
      tiers: [
        { id: 'basic', name, earnPercent: 100 },
        { id: 'staff', name, earnPercent: 300 },
        { id: 'gold', name, earnPercent: 200, qualify: { points: 10, windowMonths: 3 } },
      ],
    });
    till.sell(index, 2_000, {
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
    });
    await commit(database(), till);
    const held = heldBeforeCommit(other);
    const giving = held.database.transaction((tx) =>
      tx.updateTable('customer').set({ tier: 'staff' }).where('id', '=', customer).execute(),
    );
    await held.worked;
    const qualifying = database().transaction((tx) => qualifyTiers(tx, world.clock.now(), 10_000));
    await untilSomebodyWaits(other);
    held.go();
    await giving;
    await qualifying;
    for (let more = true; more;) {
      ({ more } = await database().transaction((tx) => qualifyTiers(tx, world.clock.now())));
    }
    const row = database().db.selectFrom('customer').select('tier').where('id', '=', customer);
    expect(await row.executeTakeFirstOrThrow()).toEqual({ tier: 'staff' });
  });

  describe('over points that are kept for a sale', () => {
    const points = { points: 1, minor: 1, minPoints: 1, stepPoints: 1 };
    beforeEach(() =>
      world.rules({
        earn: { points: 0, perMinor: 100, excludedCategories: [] },
        burn: { ...points, maxPercent: 100, excludedCategories: [] },
        redemption: { reservationMs: HOUR },
      }),
    );
    const at = (place: Database) =>
      new Reservations({ database: place, clock: world.clock, indexer: singleForm, onCommitted: () => {} });
    const give = async (amount: number, expiresAt: number | null = null): Promise<void> => {
      const id = world.id();
      const account = memberAccount(customer);
      const earned = { account, points: amount, earnedAt: AT, life: { vestsAt: 0, expiresAt } };
      const change = { kind: 'earn' as const, ...earned, from: 'adjust:test' };
      const effect = { id, key: `adjust:${id}`, kind: 'adjust' as const, at: AT, content: contentOf(amount) };
      await database().transaction((tx) => enter(tx, [{ ...effect, changes: [change] }], AT));
    };
    const ids = () => ({ redemptionId: till.id(), saleId: till.id() });
    const reserve = async (place: Database, kept: ReturnType<typeof ids>): Promise<string> => {
      const question = {
        kind: 'points.reserve',
        ...kept,
        index,
        identifier: 'app',
        trust: 'L4',
        points: 200,
      } as const;
      return (await at(place).reserve(till.till, question)).outcome.verdict;
    };
    const pay = ({ redemptionId, saleId }: ReturnType<typeof ids>, amount = 200) =>
      till.sell(index, 1_000, {
        saleId,
        earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
        redeemed: {
          redemptionId,
          points: amount,
          minor: amount,
          parts: [amount],
          authorised: 'allowance',
          allowanceVersion: 1,
        },
      });
    const held = () => world.balance(holdAccount(customer));

    test('a reservation that was still on its way when its sale was posted keeps nothing', async () => {
      await give(500);
      const kept = ids();
      const sale = pay(kept);
      const slow = heldBeforeCommit(other);
      const selling = commit(slow.database, till);
      await slow.worked;
      const reserving = reserve(database(), kept);
      await untilSomebodyWaits(other);
      slow.go();
      await selling;
      expect(await reserving).toBe('refused');
      expect([await world.member(customer), await held()]).toEqual([300, 0]);
      till.undo(sale);
      await commit(database(), till);
      expect(await world.member(customer)).toBe(500);
    });

    test('a sale right behind its reservation, before that is committed, is paid once', async () => {
      await give(500);
      const kept = ids();
      const slow = heldBeforeCommit(other);
      const reserving = reserve(slow.database, kept);
      await slow.worked;
      pay(kept);
      const selling = commit(database(), till);
      await untilSomebodyWaits(other);
      slow.go();
      expect(await reserving).toBe('reserved');
      await selling;
      expect([await world.member(customer), await held()]).toEqual([300, 0]);
    });

    test('the same question twice at once is answered the same', async () => {
      await give(500);
      const kept = ids();
      const slow = heldBeforeCommit(other);
      const first = reserve(slow.database, kept);
      await slow.worked;
      const second = reserve(database(), kept);
      await untilSomebodyWaits(other);
      slow.go();
      expect([await first, await second]).toEqual(['reserved', 'reserved']);
      expect([await world.member(customer), await held()]).toEqual([300, 200]);
      await at(database()).release(till.till, { kind: 'points.release', redemptionId: kept.redemptionId });
    });

    test('points let go by a clock that is behind, while they expire, keep nothing else from falling due', async () => {
      const midnight = AT + 10 * HOUR;
      await give(210, midnight);
      const kept = ids();
      world.clock.setWallClock(midnight - 1_000);
      expect(await reserve(database(), kept)).toBe('reserved');
      const slow = heldBeforeCommit(database());
      const settling = slow.database.transaction((tx) => settleDue(tx, midnight));
      await slow.worked;
      world.clock.setWallClock(midnight - 1);
      const question = { kind: 'points.release', redemptionId: kept.redemptionId } as const;
      const releasing = at(other).release(till.till, question);
      await untilSomebodyWaits(other);
      slow.go();
      await Promise.all([settling, releasing]);
      world.clock.setWallClock(midnight + HOUR);
      await keep();
      expect([await world.member(customer), await held()]).toEqual([0, 0]);
      pay(ids(), 1);
      const [judged] = await commit(database(), till);
      expect(judged).toMatchObject([{ kind: 'accepted' }]);
    });
  });
});
