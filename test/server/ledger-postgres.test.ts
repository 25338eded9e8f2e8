import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { memberAccount } from '../../server/ledger/accounts.ts';
import { settleDue } from '../../server/ledger/due.ts';
import { contentOf, enter } from '../../server/ledger/enter.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LedgerWorld, saleIdOf } from './ledger-world.ts';
import { ledgerSuite } from './ledger.suite.ts';
import { onPostgres } from './suite-databases.ts';
import { TestTill } from './test-till.ts';

const AT = Date.UTC(2026, 10, 1);

describe('the ledger on PostgreSQL', () => {
  const { database } = onPostgres();

  ledgerSuite(database);

  test('a sale and its return that are committed at once by two servers meet, whichever is first', async () => {
    const world = new LedgerWorld(database(), new ManualClock(AT));
    await world.rules({});
    for (let round = 0; round < 10; round += 1) {
      const [till, other] = [new TestTill(), new TestTill()];
      const index = till.index();
      const customer = await world.customer(index);
      const sale = till.sell(index, 1_000);
      other.add({
        kind: 'sale.returned',
        returnId: other.id(),
        saleId: saleIdOf(sale),
        storeId: 'store-2',
        at: AT,
        lines: [{ lineId: '1', quantityMilli: 1_000 }],
        reversed: null,
      });
      await Promise.all([world.commit(till), world.commit(other)]);
      expect(await world.member(customer)).toBe(0);
    }
  });

  test('several servers that settle at once vest each lot once, and take no points twice', async () => {
    const world = new LedgerWorld(database(), new ManualClock(AT));
    await world.rules({ points: { timeZone: 'UTC', vestAfterDays: 1, expiry: { months: 1, end: 'day' } } });
    const till = new TestTill();
    const customers: string[] = [];
    for (let i = 0; i < 12; i += 1) {
      const index = till.index();
      customers.push(await world.customer(index));
      till.sell(index, 1_000);
    }
    await world.commit(till);
    for (const [at, balance] of [
      [AT + 2 * 86_400_000, 10],
      [AT + 40 * 86_400_000, 0],
    ] as const) {
      world.clock.setWallClock(at);
      const run = async (): Promise<void> => {
        for (let more = true; more;) {
          ({ more } = await database().transaction((tx) => settleDue(tx, at, 3)));
        }
      };
      await Promise.all([run(), run(), run()]);
      for (const customer of customers) expect(await world.member(customer)).toBe(balance);
    }
    expect(await world.lotsOff()).toBe(0);
  });

  test('of ten that spend the last points at once one does', async () => {
    const world = new LedgerWorld(database(), new ManualClock(AT));
    const account = memberAccount(await world.customer());
    const life = { vestsAt: 0, expiresAt: null };
    const change = { kind: 'earn' as const, account, points: 100, earnedAt: AT, life, from: 'adjust:test' };
    const head = { kind: 'adjust' as const, at: AT, content: contentOf(account) };
    const id = world.id();
    await database().transaction((tx) => enter(tx, [{ ...head, id, key: id, changes: [change] }], AT));
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => {
        const own = world.id();
        const spend = {
          kind: 'spend' as const,
          account,
          points: 100,
          at: AT,
          overdraw: 'refuse' as const,
          to: 'redeemed',
        };
        return database().transaction((tx) =>
          enter(tx, [{ ...head, id: own, key: own, changes: [spend] }], AT),
        );
      }),
    );
    expect(outcomes.flat().filter(({ kind }) => kind === 'created')).toHaveLength(1);
    const { rows } = await sql<{ remaining: number }>`
      select remaining from point_lot where id = ${id}::uuid`.execute(database().db);
    expect(rows[0]?.remaining).toBe(0);
  });
});
