import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { insertCustomers } from '../../server/customers/insert-customers.ts';
import { readFeedHeads } from '../../server/feed/feed-store.ts';
import { commitBatches } from '../../server/intake/commit-batches.ts';
import { readTrialBalance } from '../../server/ledger/ledger-store.ts';
import { prepared, pull, storesSuite } from './stores.suite.ts';
import { TestTill } from './test-till.ts';
import { onPostgres, suitePorts } from './suite-databases.ts';

describe('the stores on PostgreSQL', () => {
  const { database: opened, another } = onPostgres();

  storesSuite(opened);

  // The feed is read while many write, some of them holding their transaction open for a while. A reader that went by
  // the sequence alone would pass rows that are committed later.
  test('a reader of the feed misses nothing that concurrent writers commit', async () => {
    const database = opened();
    const start = (await readFeedHeads(database.db, database.epoch)).heads.customers;
    const seen = new Set<unknown>();
    const written: string[] = [];
    const till = new TestTill();
    let writing = true;
    const reader = (async () => {
      let position: Awaited<ReturnType<typeof pull>>['position'] = start;
      for (let last = false; ; last = !writing) {
        const page = await pull(database, 'customers', position, 50);
        for (const document of page.documents) {
          expect(seen.has(document['id'])).toBe(false);
          seen.add(document['id']);
        }
        position = page.position;
        if (last) return;
      }
    })();
    const writer = async (n: number): Promise<void> => {
      for (let i = 0; i < 25; i += 1) {
        const id = till.id();
        await database.db.transaction().execute(async (tx) => {
          await sql`insert into customer (id, status, tier, points_at, created_at) values (${id}, 'active', 'basic', 0, 0)`.execute(
            tx,
          );
          if ((i + n) % 3 === 0) await sql`select pg_sleep(0.004)`.execute(tx);
        });
        written.push(id);
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5].map(writer));
    writing = false;
    await reader;
    expect(written.filter((id) => !seen.has(id))).toEqual([]);
    expect(seen.size).toBe(written.length);
  });

  test('servers that take in the same journals at once count each sale once', async () => {
    const database = opened();
    const other = await another();
    try {
      const tills = Array.from({ length: 4 }, () => new TestTill());
      for (const till of tills) for (let i = 0; i < 20; i += 1) till.sell(till.index(), 100 * i);
      const before = await readTrialBalance(database.db);
      const rounds = [database, other, database, other].map(async (server, n) => {
        for (let from = 1; from <= 20; from += 5) {
          const batches = tills.map((till) => till.batch(from, Math.min(20, from + 4 + n)));
          await commitBatches(server, n % 2 === 0 ? batches : batches.toReversed(), suitePorts.clock);
        }
      });
      await Promise.all(rounds);
      const after = await readTrialBalance(database.db);
      expect(after.transactions - before.transactions).toBe(80);
    } finally {
      await other.close();
    }
  });

  test('a card given away while a sale with it is being posted leaves no points behind', async () => {
    const database = opened();
    const till = new TestTill();
    const index = till.index();
    till.sell(index, 1_000);
    const waiting = async (): Promise<number> => {
      const { rows } = await sql<{ n: number }>`
        select count(*) as n from pg_stat_activity where wait_event_type = 'Lock'`.execute(database.db);
      return rows[0]?.n ?? 0;
    };
    let given = false;
    let posted: Promise<unknown> = Promise.resolve();
    let giving: Promise<unknown> = Promise.resolve();
    // Holding this account stops the posting after it has looked up whose the card is.
    await database.transaction(async (tx) => {
      await sql`select from ledger_account where id = 'issued' for update`.execute(tx);
      posted = commitBatches(database, [till.batch()], suitePorts.clock);
      while ((await waiting()) < 1);
      giving = database
        .transaction((own) => insertCustomers(own, [prepared(till.id(), [index])], suitePorts))
        .then(() => (given = true));
      while ((await waiting()) < 2 && !given);
    });
    await Promise.all([posted, giving]);
    const { rows } = await sql`
      select from ledger_account where balance <> 0 and id = ${`unclaimed:${index}`}`.execute(database.db);
    expect(rows).toHaveLength(0);
  });
});
