// What people correct by hand, and what the programme owes by its lots.
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../foundation/log.ts';
import { Erasures } from '../../server/customers/erasures.ts';
import { REDACTED_INDEX } from '../../server/customers/redact-indexes.ts';
import { insertCustomers } from '../../server/customers/insert-customers.ts';
import type { Database } from '../../server/database/database.ts';
import {
  adjustAccount,
  holdAccount,
  memberAccount,
  pendingAccount,
  unclaimedAccount,
} from '../../server/ledger/accounts.ts';
import { claimPoints } from '../../server/ledger/claim.ts';
import { adjust } from '../../server/ledger/adjust.ts';
import { mergeCustomers } from '../../server/ledger/merge-customers.ts';
import { Reservations } from '../../server/redemption/reservations.ts';
import { readLiability } from '../../server/reports/liability.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import type { SaleCompleted } from '../../sync/contract/transaction.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LedgerWorld, saleIdOf } from './ledger-world.ts';
import { TestTill } from './test-till.ts';

const AT = Date.UTC(2026, 10, 1);
const burn = { points: 100, minor: 50, minPoints: 2, stepPoints: 2, maxPercent: 100, excludedCategories: [] };

export function correctionsSuite(database: () => Database): void {
  let world: LedgerWorld;
  beforeEach(async () => {
    world = new LedgerWorld(database(), new ManualClock(AT));
    await world.rules({ burn });
  });
  afterEach(async () => {
    expect(await world.trial()).toMatchObject({ balanced: true, accountsOff: 0, customersOff: 0 });
    expect(await world.lotsOff()).toBe(0);
    expect((await readLiability(database().db)).agrees).toBe(true);
  });
  const give = async (customerId: string, points: number, id = world.id(), reason = 'goodwill') => {
    const outcome = await database().transaction((tx) => adjust(tx, { id, customerId, points, reason }, AT));
    return outcome.kind === 'refused' ? outcome.code : outcome.kind;
  };
  const merge = async (from: string, to: string): Promise<string> => {
    const merged = await database().transaction((tx) => mergeCustomers(tx, { from, to }, world.clock.now()));
    return merged.kind === 'refused' ? merged.code : merged.kind;
  };
  const sell = (
    till: TestTill,
    index: string,
    totalMinor: number,
    changes: Partial<SaleCompleted> = {},
  ): JournalEntry =>
    till.sell(index, totalMinor, {
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
      ...changes,
    });
  const reservations = () =>
    new Reservations({
      database: database(),
      clock: world.clock,
      indexer: singleForm,
      onCommitted: () => {},
    });
  const reserve = (
    till: TestTill,
    index: string,
    what: { readonly redemptionId: string; readonly saleId: string; readonly points: number },
  ) =>
    reservations().reserve(till.till, {
      kind: 'points.reserve',
      ...what,
      index,
      identifier: 'app',
      trust: 'L4',
    });
  const erasures = () => {
    const { clock, random } = world;
    const changes = { changed: () => {}, urgent: () => {} };
    return new Erasures({ database: database(), changes, clock, random, log: silentLog });
  };
  const erase = (id: string) => erasures().erase(id);
  /** Makes a customer under the id of one who was erased, and gives them the card. */
  const anew = async (id: string, index: string): Promise<void> => {
    const customer = { tier: 'basic', purposes: [], greeting: null, cards: [], afterErasure: true };
    const card = { id: world.id(), index, kind: 'card' as const, scheme: 'house', validUntil: null };
    const [outcome] = await database().transaction((tx) =>
      insertCustomers(tx, [{ id, customer, cards: [card] }], world),
    );
    expect(outcome?.verdict).toBe('created');
  };
  const balances = (id: string) =>
    Promise.all([memberAccount, pendingAccount, holdAccount].map((of) => world.balance(of(id))));

  test('an adjustment takes place once, against the account of its reason', async () => {
    const customer = await world.customer();
    const id = world.id();
    const before = await world.balance(adjustAccount('goodwill'));
    expect(await give(customer, 30, id)).toBe('created');
    expect(await give(customer, 30, id)).toBe('exists');
    expect(await give(customer, 31, id)).toBe('conflict');
    expect(await give(customer, -31)).toBe('BURN_BALANCE');
    expect(await give(customer, -10)).toBe('created');
    expect(await world.member(customer)).toBe(20);
    expect((await world.balance(adjustAccount('goodwill'))) - before).toBe(-20);
  });

  test('nothing is given to who was merged away, is closed or never was; what was given before is said again', async () => {
    const [absorbed, survivor] = [await world.customer(), await world.customer()];
    const id = world.id();
    expect(await give(absorbed, 30, id)).toBe('created');
    await merge(absorbed, survivor);
    expect(await give(absorbed, 30, id)).toBe('exists');
    expect(await give(absorbed, 100)).toBe('CUSTOMER_NOT_FOUND');
    expect(await give(absorbed, -1)).toBe('CUSTOMER_NOT_FOUND');
    expect(await give(world.id(), 100)).toBe('CUSTOMER_NOT_FOUND');
    expect(await world.member(absorbed)).toBe(0);
    expect(await world.member(survivor)).toBe(30);
  });

  test('what another company bears is on its account', async () => {
    const customerId = await world.customer();
    const adjustment = {
      id: world.id(),
      customerId,
      points: 25,
      reason: 'fuel',
      partner: `p-${customerId.slice(-6)}`,
    };
    await database().transaction((tx) => adjust(tx, adjustment, AT));
    expect(await world.balance(`partner:${adjustment.partner}`)).toBe(-25);
  });

  test('two customers become one while a till is away with sales for both, and returns take from who they are now', async () => {
    const till = new TestTill();
    const [first, second] = [till.index(), till.index()];
    const [absorbed, survivor] = [await world.customer(first), await world.customer(second)];
    const early = sell(till, first, 1_000);
    await world.commit(till);
    sell(till, first, 2_000);
    sell(till, second, 3_000);
    till.add({
      kind: 'sale.returned',
      returnId: till.id(),
      saleId: saleIdOf(early),
      storeId: 'store-1',
      at: AT,
      lines: [{ lineId: '1', quantityMilli: 500 }],
      reversed: null,
    });
    expect(await merge(absorbed, survivor)).toBe('created');
    expect(await merge(absorbed, survivor)).toBe('exists');
    expect(await merge(survivor, absorbed)).toBe('CUSTOMER_NOT_FOUND');
    expect(await merge(survivor, survivor)).toBe('CUSTOMER_NOT_FOUND');
    await world.commit(till);
    await world.commit(till);
    expect(await world.member(absorbed)).toBe(0);
    expect(await world.member(survivor)).toBe(10 + 20 + 30 - 5);
    const { rows } = await sql<{ status: string; purposes: string[] }>`
      select status, purposes from customer where id = ${absorbed}::uuid`.execute(database().db);
    expect(rows).toEqual([{ status: 'closed', purposes: [] }]);
  });

  test('what is pending, owed or kept for a sale is merged as well', async () => {
    const till = new TestTill();
    const [first, second] = [till.index(), till.index()];
    const [absorbed, survivor] = [await world.customer(first), await world.customer(second)];
    await give(absorbed, 100);
    const redemptionId = world.id();
    await reserve(till, first, { redemptionId, saleId: world.id(), points: 40 });
    await world.rules({ burn, points: { timeZone: 'UTC', vestAfterDays: 14 } });
    sell(till, first, 700);
    await world.commit(till);
    await merge(absorbed, survivor);
    expect(await world.member(survivor)).toBe(60);
    expect(await world.balance(pendingAccount(survivor))).toBe(7);
    expect(await world.balance(holdAccount(survivor))).toBe(40);
    await reservations().release(till.till, { kind: 'points.release', redemptionId });
    expect(await world.member(survivor)).toBe(100);
  });

  test('who is made anew after an erasure begins with nothing, and the erased one’s points are owed to nobody', async () => {
    const till = new TestTill();
    const index = till.index();
    const customer = await world.customer(index);
    const before = await readLiability(database().db);
    await give(customer, 100);
    const redemptionId = world.id();
    const saleId = till.id();
    await reserve(till, index, { redemptionId, saleId, points: 40 });
    expect(await world.balance(holdAccount(customer))).toBe(40);
    await world.rules({ burn, points: { timeZone: 'UTC', vestAfterDays: 14 } });
    const sale = sell(till, index, 700);
    await world.commit(till);
    expect((await readLiability(database().db)).points - before.points).toBe(107);
    await erase(customer);
    expect(await readLiability(database().db)).toEqual(before);
    expect(await balances(customer)).toEqual([0, 0, 0]);

    await anew(customer, index);
    await world.rules({ burn });
    sell(till, index, 1_000);
    // What comes back of the erased one's sale, and a sale that was on its way, are not theirs.
    till.undo(sale);
    await world.commit(till);
    await reservations().release(till.till, { kind: 'points.release', redemptionId });
    expect(await balances(customer)).toEqual([10, 0, 0]);
    await erase(customer);
    expect(await readLiability(database().db)).toEqual(before);
    await anew(customer, index);
    expect(await balances(customer)).toEqual([0, 0, 0]);
  });

  test('what the erased owed, and what they had paid with points, stays with nobody', async () => {
    const till = new TestTill();
    const index = till.index();
    const customer = await world.customer(index);
    const before = await readLiability(database().db);
    await give(customer, 50);
    const paid = sell(till, index, 1_000, {
      redeemed: {
        redemptionId: till.id(),
        points: 80,
        minor: 40,
        parts: [80],
        authorised: 'allowance',
        allowanceVersion: 1,
      },
    });
    await world.commit(till);
    expect(await world.member(customer)).toBe(-20);
    await erase(customer);
    expect(await readLiability(database().db)).toEqual(before);
    await anew(customer, index);
    till.undo(paid);
    await world.commit(till);
    expect(await balances(customer)).toEqual([0, 0, 0]);
    expect(await readLiability(database().db)).toEqual(before);
  });

  test('what was paid with a card that nobody had comes back to whoever has it by then', async () => {
    const till = new TestTill();
    const index = till.index();
    const paid = sell(till, index, 1_000, {
      redeemed: {
        redemptionId: till.id(),
        points: 80,
        minor: 40,
        parts: [80],
        authorised: 'allowance',
        allowanceVersion: 1,
      },
    });
    await world.commit(till);
    const customer = await world.customer(index);
    expect(await world.member(customer)).toBe(-70);
    till.undo(paid);
    await world.commit(till);
    expect(await world.member(customer)).toBe(0);
    expect(await world.balance(unclaimedAccount(index))).toBe(0);
  });

  test('a sale whose card was erased before it was taken in earns nobody anything', async () => {
    const till = new TestTill();
    sell(till, REDACTED_INDEX, 1_000);
    expect(await world.commit(till)).toEqual(['created']);
    expect(await world.balance(unclaimedAccount(REDACTED_INDEX))).toBe(0);
  });

  test('a sale from before there were lots is taken back from who its customer is by now, or from nobody who was erased', async () => {
    const till = new TestTill();
    const [first, second, third, nobodys] = [till.index(), till.index(), till.index(), till.index()];
    const [one, two, last] = [
      await world.customer(first),
      await world.customer(second),
      await world.customer(third),
    ];
    const sales = [sell(till, first, 2_000), sell(till, second, 3_000), sell(till, nobodys, 4_000)];
    await world.commit(till);
    await sql`update point_lot set id = gen_random_uuid()
      where id = any(${sales.map(({ id }) => id)}::uuid[])`.execute(database().db);
    await merge(one, two);
    expect(await world.member(two)).toBe(50);
    // A card that nobody had is theirs by now.
    await database().transaction((tx) =>
      claimPoints(tx, [{ index: nobodys, customerId: two }], { clock: world.clock, random: world.random }),
    );
    await merge(two, last);
    expect(await world.member(last)).toBe(90);
    for (const sale of sales.slice(0, 2)) till.undo(sale);
    await world.commit(till);
    expect([await world.member(one), await world.member(two), await world.member(last)]).toEqual([0, 0, 40]);
    await erase(last);
    for (const sale of sales.slice(2)) till.undo(sale);
    await world.commit(till);
    await anew(last, till.index());
    expect(await balances(last)).toEqual([0, 0, 0]);
    expect(await world.balance(unclaimedAccount(nobodys))).toBe(0);
  });

  test('the liability is what lots hold and what is kept for sales, at the worth of points', async () => {
    const before = await readLiability(database().db);
    const till = new TestTill();
    const [own, nobodys] = [till.index(), till.index()];
    await world.customer(own);
    sell(till, own, 60_000);
    sell(till, nobodys, 20_000);
    await world.commit(till);
    const after = await readLiability(database().db);
    expect(after.points - before.points).toBe(800);
    expect(after.usable - before.usable).toBe(600);
    expect(after.unclaimed - before.unclaimed).toBe(200);
    expect(after.minor).toBe(Math.floor(after.points / 2));
    expect(after.byExpiry.reduce((sum, { points }) => sum + points, 0)).toBe(after.points - after.held);
  });
}
