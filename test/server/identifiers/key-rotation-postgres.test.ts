import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { eraseCustomer } from '../../../server/customers/erase-customer.ts';
import { insertCustomers } from '../../../server/customers/insert-customers.ts';
import type { Database } from '../../../server/database/database.ts';
import { moveEverybody, moveVisitors } from '../../../server/feed/scope-sweep.ts';
import { KeyRotation } from '../../../server/identifiers/key-rotation.ts';
import { reKey } from '../../../server/identifiers/re-key.ts';
import { commitBatches } from '../../../server/intake/commit-batches.ts';
import { changeOwnership, holdOwnership } from '../../../server/ledger/claim.ts';
import { putProgramme } from '../../../server/programme/programme-store.ts';
import { BlindIndexer, identifierKeyName } from '../../../sync/contract/blind-index.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { programme } from '../programme.ts';
import { onPostgres, withoutRetry } from '../suite-databases.ts';
import { TestTill } from '../test-till.ts';
import { rotationSuite } from './key-rotation.suite.ts';
import { NEW_KEY, numberOf, OLD_KEY, RotationWorld, TENANT } from './rotation-world.ts';

describe('while the identifier key is rotated on PostgreSQL', () => {
  const { database, another } = onPostgres();

  rotationSuite(database, 4);

  describe('beside others', () => {
    const clock = new ManualClock();
    const random = new SystemRandom();
    const keys = [OLD_KEY, NEW_KEY];
    const old = new BlindIndexer(OLD_KEY, TENANT);
    const indexer = new BlindIndexer(keys, TENANT);

    async function open(own: Database, held = keys): Promise<KeyRotation> {
      return KeyRotation.open({
        database: own,
        indexer: new BlindIndexer(held, TENANT),
        keyNames: held.map(identifierKeyName),
        changes: { changed: () => {} },
        clock,
        log: silentLog,
        sliceRows: 7,
      });
    }

    /** Customers with two cards each under the old key, and points that wait under numbers nobody has yet. */
    async function populate(customers: number): Promise<readonly string[]> {
      // Nothing of another test is there.
      await RotationWorld.fresh(database(), 0);
      await sql`truncate customer, customer_activity, index_form cascade`.execute(database().db);
      await (await open(database(), [OLD_KEY])).close();
      await sql`delete from programme`.execute(database().db);
      const scoped = { ...programme, replica: { scope: { by: 'store' } } } as const;
      await database().transaction((tx) => putProgramme(tx, scoped, 0));
      const ids = Array.from({ length: customers }, () => randomUUID());
      const cardOf = (n: number): string => old.index('card', numberOf(n));
      const prepared = ids.map((id, n) => ({
        id,
        customer: { tier: 'basic', purposes: [], greeting: null, cards: [] },
        cards: [n, n + customers].map((number) => ({
          id: randomUUID(),
          index: cardOf(number),
          kind: 'card' as const,
          scheme: 'house',
          validUntil: null,
        })),
      }));
      await database().transaction((tx) => insertCustomers(tx, prepared, { clock, random }));
      const till = new TestTill();
      for (let n = 0; n < customers; n += 1) till.sell(cardOf(10_000 + n), 1_000);
      await commitBatches(database(), [till.batch()], clock);
      return ids;
    }

    async function waiting(n: number): Promise<void> {
      for (;;) {
        const { rows } = await sql<{ n: number }>`
          select count(*) as n from pg_stat_activity where wait_event_type = 'Lock'`.execute(database().db);
        if ((rows[0]?.n ?? 0) >= n) return;
      }
    }

    test('a slice that comes while a customer is erased waits with nothing in hand', async () => {
      const [id = ''] = await populate(3);
      const rotation = await open(withoutRetry(database()));
      const { slice } = await database()
        .db.transaction()
        .execute(async (tx) => {
          await changeOwnership(tx);
          await sql`select from customer where id = ${id} for update`.execute(tx);
          const step = rotation.step();
          for (let waiting = 0; waiting === 0;) {
            const { rows } = await sql<{ n: number }>`
            select count(*) as n from pg_stat_activity where wait_event_type = 'Lock'`.execute(database().db);
            waiting = rows[0]?.n ?? 0;
          }
          await eraseCustomer(tx, id, clock.now());
          return { slice: step };
        });
      expect(await slice).toBe(4);
      await rotation.close();
    });

    // Each has noted the first of its numbers when both wait for the one in the middle.
    test('what older indexes have become is noted in one order, in whatever order it is learned', async () => {
      await populate(3);
      const steps = [10_000, 10_001, 10_002]
        .map((n) => ({
          from: old.index('card', numberOf(n)),
          to: indexer.index('card', numberOf(n)),
          version: 2,
        }))
        .toSorted((a, b) => (a.from < b.from ? -1 : 1));
      for (const { from } of steps) {
        await sql`insert into index_form (previous, index) values (${from}, 'x')`.execute(database().db);
      }
      const both = await database()
        .db.transaction()
        .execute(async (tx) => {
          await sql`select from index_form where previous = ${steps[1]?.from} for update`.execute(tx);
          const noting = [steps, steps.toReversed(), [...steps, ...steps]].map((each) =>
            withoutRetry(database()).transaction(async (own) => {
              await holdOwnership(own);
              return reKey(own, each);
            }),
          );
          await Promise.race([waiting(3), ...noting]);
          return { noting };
        });
      expect(await Promise.all(both.noting)).toEqual([0, 0, 0]);
      const { rows } = await sql`select from index_form where index = 'x'`.execute(database().db);
      expect(rows).toEqual([]);
    });

    // Two servers move the same cards and name the same accounts, a third erases customers, a fourth moves them between
    // stores, and sales come in; nobody is given a second try.
    test('two rotations, an eraser, a sweep and sales make no deadlock, and every card ends under its newest index', async () => {
      const ids = await populate(60);
      const others = await Promise.all([another(), another()]);
      const own = others.map(withoutRetry);
      const rotations = await Promise.all(own.map((each) => open(each)));
      const rotate = async (rotation: KeyRotation): Promise<void> => {
        while ((await rotation.step()) > 0);
      };
      const erase = async (): Promise<void> => {
        for (const id of ids.slice(0, 20)) {
          await withoutRetry(database()).transaction((tx) => eraseCustomer(tx, id, clock.now()));
        }
      };
      const sell = async (): Promise<void> => {
        const till = new TestTill();
        for (let n = 20; n < 60; n += 1)
          till.sell(old.index('card', numberOf(n)), 1_000, { storeId: 'graz' });
        for (let from = 1; from <= 40; from += 4) {
          const some = [till.batch(from, from + 3)];
          await commitBatches(withoutRetry(database()), some, clock, undefined, TENANT, indexer);
        }
      };
      const sweep = async (): Promise<void> => {
        for (let i = 0; i < 6; i += 1) {
          await moveVisitors(withoutRetry(database()), clock.now());
          await moveEverybody(withoutRetry(database()), clock.now());
        }
      };
      const ended = await Promise.allSettled([...rotations.map(rotate), erase(), sweep(), sell()]);
      expect(ended.filter(({ status }) => status === 'rejected')).toEqual([]);
      for (const rotation of rotations) await rotate(rotation);
      const { rows } = await sql`
        select (count(*) filter (where key_version = 2 and alias_of is null))::int as newest,
               (count(*) filter (where alias_of is not null))::int as older, count(*)::int as n
        from credential`.execute(database().db);
      expect(rows).toEqual([{ newest: 80, older: 80, n: 160 }]);
      for (const rotation of rotations) await rotation.close();
      for (const other of others) await other.close();
    });

    test('the next slice is found at once, however much was moved; and what was moved is not looked for each time', async () => {
      await populate(60);
      const rotation = await open(database());
      for (let i = 0; i < 10; i += 1) await rotation.step();
      await sql`vacuum analyze credential`.execute(database().db);
      const { rows } = await sql<{ 'QUERY PLAN': string }>`
        explain select index from credential where key_version < 2 and alias_of is null
        order by key_version, id limit 7`.execute(database().db);
      expect(rows.map((row) => row['QUERY PLAN']).join()).not.toMatch(/Seq Scan|Sort/);
      while ((await rotation.step()) > 0);
      await rotation.step();
      // A server that was not started with the new key yet links a card.
      await sql`
        insert into credential (id, index, kind, scheme, status, issued_at)
        values (${randomUUID()}, ${old.index('card', numberOf(7_000))}, 'card', 'house', 'active', 0)`.execute(
        database().db,
      );
      expect(await rotation.step()).toBe(0);
      await expect(rotation.end(new Set())).rejects.toThrow('1 credentials are still to be moved');
      expect(await rotation.step()).toBe(1);
      expect(await rotation.end(new Set())).toMatchObject({ waiting: 0, floor: 2 });
      await rotation.close();
    });
  });
});
