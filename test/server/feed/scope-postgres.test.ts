import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { eraseCustomer } from '../../../server/customers/erase-customer.ts';
import { insertCustomers } from '../../../server/customers/insert-customers.ts';
import { FeedKeeper } from '../../../server/feed/feed-keeper.ts';
import { moveVisitors } from '../../../server/feed/scope-sweep.ts';
import { reKey } from '../../../server/identifiers/re-key.ts';
import { changeOwnership, holdOwnership } from '../../../server/ledger/claim.ts';
import { putProgramme } from '../../../server/programme/programme-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { programme } from '../programme.ts';
import { onPostgres, withoutRetry } from '../suite-databases.ts';
import { TestTill } from '../test-till.ts';
import { scopeSuite } from './scope.suite.ts';

describe('the scope of replicas on PostgreSQL', () => {
  const { database } = onPostgres();

  scopeSuite(database, 5);

  describe('beside others', () => {
    const clock = new ManualClock();
    const random = new SeededRandom(17);

    /** A customer who bought somewhere, and is still to be moved there. */
    async function astray(): Promise<{ readonly id: string; readonly card: string }> {
      const till = new TestTill();
      const [id, card] = [till.id(), till.index()];
      const cards = [
        { id: till.id(), index: card, kind: 'card', scheme: 'house', validUntil: null } as const,
      ];
      const customer = { tier: 'basic', purposes: [], greeting: null, cards: [] };
      await database().transaction((tx) => insertCustomers(tx, [{ id, customer, cards }], { clock, random }));
      await sql`
        insert into customer_activity (customer_id, store, at, moved)
        values (${id}, 'graz', ${clock.now()}, true)`.execute(database().db);
      return { id, card };
    }

    async function keeper(): Promise<FeedKeeper> {
      await sql`delete from programme`.execute(database().db);
      const scoped = { ...programme, replica: { scope: { by: 'store' } } } as const;
      await database().transaction((tx) => putProgramme(tx, scoped, 0));
      return new FeedKeeper({ database: database(), clock, log: silentLog, tombstoneDays: 180 });
    }

    async function partOf(id: string): Promise<string | undefined> {
      const { rows } = await sql<{ part: string }>`
        select string_agg(distinct c.feed_part || '/' || k.feed_part, ' ') as part
        from customer c join credential k on k.customer_id = c.id where c.id = ${id}`.execute(database().db);
      return rows[0]?.part;
    }

    async function waiting(n: number): Promise<void> {
      for (;;) {
        const { rows } = await sql<{ n: number }>`
          select count(*) as n from pg_stat_activity where wait_event_type = 'Lock'`.execute(database().db);
        if ((rows[0]?.n ?? 0) >= n) return;
      }
    }

    test('a customer somebody was writing to is moved the next time, not when all are looked at again', async () => {
      const [one, other] = [await astray(), await astray()];
      const own = await keeper();
      await database().transaction(async (tx) => {
        await sql`select from customer where id = ${one.id} for update`.execute(tx);
        await own.move();
      });
      expect([await partOf(one.id), await partOf(other.id)]).toEqual(['/', 'graz/graz']);
      // Their mark is of no use here: it may have gone with an earlier sweep.
      await sql`update customer_activity set moved = false`.execute(database().db);
      await own.move();
      expect(await partOf(one.id)).toBe('graz/graz');
      await own.close();
    });

    test('a sweep that comes while a customer is erased waits with nothing in hand', async () => {
      const { id } = await astray();
      const own = await keeper();
      const { sweep } = await database()
        .db.transaction()
        .execute(async (tx) => {
          await changeOwnership(tx);
          const visitors = moveVisitors(withoutRetry(database()), clock.now());
          await Promise.race([waiting(1), visitors]);
          await eraseCustomer(tx, id, clock.now());
          return { sweep: visitors };
        });
      expect(await sweep).toMatchObject({ leftOut: [] });
      expect(await partOf(id)).toBeNull();
      await own.close();
    });

    test('a card is moved to another key while its customer is moved to another part', async () => {
      const { id, card } = await astray();
      const own = await keeper();
      const { sweep } = await database()
        .db.transaction()
        .execute(async (tx) => {
          await holdOwnership(tx);
          await sql`select from credential where index = ${card} for update`.execute(tx);
          const visitors = moveVisitors(withoutRetry(database()), clock.now());
          await Promise.race([waiting(1), visitors]);
          expect(await reKey(tx, [{ from: card, to: new TestTill().index(), version: 2 }])).toBe(1);
          return { sweep: visitors };
        });
      await sweep;
      expect(await partOf(id)).toBe('graz/graz');
      await own.close();
    });
  });
});
