import { sql } from 'kysely';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { foldRanges } from '../../../server/feed/fold-ranges.ts';
import { ModelTill } from './model-till.ts';
import { perform, write } from './random-writes.ts';
import type { Write } from './random-writes.ts';
import { rangesSuite } from './ranges.suite.ts';
import { recount } from './recount.ts';
import { onPostgres } from '../suite-databases.ts';

describe('range hashes on PostgreSQL', () => {
  const { database: opened, another } = onPostgres();

  rangesSuite(opened, 4);

  // Eight writers, each on a connection of its own, some holding their transaction open for a while or taking it back;
  // beside them somebody folds, tills pull and compare at whatever position they are, and everything is counted anew.
  // Writers take turns on a customer, as the server's own do, so a deadlock would be the hashes' doing.
  test('the hashes are those of the rows in every snapshot, whoever writes and folds meanwhile', async () => {
    const database = opened();
    for (let i = 0; i < 20; i += 1) await perform(database.db, { kind: 'register', cards: 2 });
    const deadlocks = async (): Promise<number> => {
      const { rows } = await sql<{ n: number }>`
        select deadlocks as n from pg_stat_database where datname = current_database()`.execute(database.db);
      return rows[0]?.n ?? -1;
    };
    const before = await deadlocks();
    const others = await Promise.all([0, 1].map(() => another()));
    const connections = [database, ...others];
    let writing = true;
    let comparisons = 0;
    const writer = async (n: number): Promise<void> => {
      const own = connections[n % connections.length] ?? database;
      const writes: readonly Write[] = fc.sample(write, 60);
      for (const [i, each] of writes.entries()) {
        await own.db
          .transaction()
          .execute(async (tx) => {
            await perform(tx, each);
            if ((i + n) % 5 === 0) await sql`select pg_sleep(0.003)`.execute(tx);
            if ((i + n) % 7 === 0) throw new Error('taken back');
          })
          .catch((error: unknown) => {
            // Two writers that meet on one customer: the database refuses a foreign key or a second deletion.
            const told = error instanceof Error ? error.message : '';
            if (!/taken back|foreign key/.test(told)) throw error;
          });
      }
    };
    const verifier = async (collection: 'credentials' | 'customers'): Promise<void> => {
      const till = new ModelTill(database, collection);
      await till.pullAll(7);
      while (writing) {
        expect(await recount(database, collection)).toMatchObject({ off: 0 });
        expect(await till.differing()).toEqual([]);
        await till.pullPage(7);
        comparisons += 1;
      }
      await till.pullAll(7);
      expect(await till.differing()).toEqual([]);
    };
    const folder = async (): Promise<void> => {
      while (writing) await foldRanges(others[0] ?? database);
    };
    try {
      const beside = [verifier('credentials'), verifier('customers'), folder()];
      await Promise.all(Array.from({ length: 8 }, (_, n) => writer(n)));
      writing = false;
      await Promise.all(beside);
      expect(comparisons).toBeGreaterThan(10);
      expect(await deadlocks()).toBe(before);
    } finally {
      writing = false;
      for (const other of others) await other.close();
    }
  });
});
