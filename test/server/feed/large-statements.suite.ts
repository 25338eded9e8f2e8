// Goal: what is done with many rows costs as much for each of them as with few. Method: rows the database says it read
// where it says so; elsewhere time for eight times as many rows held against time for few in one run, where something
// quadratic takes sixty-four times as long.
import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import { RANGE_CHANGED_MAX } from '../../../sync/contract/ranges.ts';
import type { Database, DatabaseTransaction, Queries } from '../../../server/database/database.ts';
import { answerFeedPage, readFeedHeads } from '../../../server/feed/feed-store.ts';
import { readRangeState } from '../../../server/feed/range-state.ts';
import { EVERYTHING } from '../../../server/feed/scope.ts';

const clock = new SystemClock();

export function largeStatementsSuite(database: () => Database): void {
  beforeEach(async () => {
    await sql`truncate credential, customer cascade`.execute(database().db);
    await sql`delete from feed_tombstone`.execute(database().db);
  });

  async function fill(customers: number): Promise<void> {
    await sql`
      insert into customer (id, status, tier, points_at, created_at)
      select md5(n::text)::uuid, 'active', 'basic', 0, 0 from generate_series(1, ${customers}::int) n`.execute(
      database().db,
    );
    await sql`
      insert into credential (id, index, kind, scheme, customer_id, status, issued_at)
      select gen_random_uuid(), repeat('-', 11) || md5(id::text), 'card', 'house', id, 'active', 0 from customer`.execute(
      database().db,
    );
  }

  /** The shortest of three times: what else the machine has to do makes any of them longer, and none shorter. */
  async function timeOf(work: () => Promise<unknown>): Promise<number> {
    const times: number[] = [];
    while (times.length < 3) {
      const began = clock.monotonicMs();
      await work();
      times.push(clock.monotonicMs() - began);
    }
    return Math.min(...times);
  }

  test.each(['customer', 'credential'])(
    'many rows of %s changed at once cost no more each than few, on a connection that began with one',
    async (table) => {
      await fill(4_000);
      await database()
        .db.connection()
        .execute(async (db) => {
          const update = (rows: number): Promise<unknown> =>
            sql`update ${sql.table(table)} set xid = xid
                where id in (select id from ${sql.table(table)} order by id limit ${rows}::int)`.execute(db);
          for (let i = 0; i < 8; i += 1) await update(1);
          const few = await timeOf(() => update(500));
          const many = await timeOf(() => update(4_000));
          expect(many / few).toBeLessThan(24);
        });
    },
  );

  /** How many rows of a table this transaction read so far. */
  async function rowsRead(tx: Queries, table: string): Promise<number> {
    const { rows } = await sql<{ n: number }>`
      select (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as n from pg_stat_xact_user_tables
      where relname = ${table}`.execute(tx);
    return rows[0]?.n ?? 0;
  }

  /** Moves everybody to another part, some at a time; every move leaves a tombstone that nobody with all parts needs. */
  async function moveAll(): Promise<void> {
    for (let i = 0; i < 16; i += 1) {
      await sql`update credential set feed_part = 'north' where range_bucket % 16 = ${i}::int`.execute(
        database().db,
      );
    }
  }

  /** Nothing is read beside: other processes' readings are not counted. */
  async function alone<T>(work: (tx: DatabaseTransaction) => Promise<T>): Promise<T> {
    return database().transaction(async (tx) => {
      await sql`set local max_parallel_workers_per_gather = 0`.execute(tx);
      return work(tx);
    });
  }

  test('a page behind a move of everybody reads what is in it, not all that moved', async () => {
    await fill(2_000);
    const { heads } = await readFeedHeads(database().db, database().epoch);
    await moveAll();
    await sql`vacuum analyze`.execute(database().db);
    await alone(async (tx) => {
      const own = { db: tx, epoch: database().epoch };
      const before = [await rowsRead(tx, 'credential'), await rowsRead(tx, 'feed_tombstone')] as const;
      const question = { kind: 'feed.page', collection: 'credentials', limit: 100 } as const;
      let { page } = await answerFeedPage(own, { ...question, after: heads.credentials });
      for (let i = 0; i < 4; i += 1) {
        ({ page } = await answerFeedPage(own, { ...question, after: page.position }));
        expect(page.documents).toHaveLength(100);
        expect(page.documents.every(({ _deleted: deleted }) => !deleted)).toBe(true);
      }
      expect((await rowsRead(tx, 'credential')) - before[0]).toBeLessThan(3_000);
      expect((await rowsRead(tx, 'feed_tombstone')) - before[1]).toBeLessThan(2_000);
    });
  });

  test('of a till that is too far behind to compare, tombstones are not looked at', async () => {
    await fill(RANGE_CHANGED_MAX + 100);
    const { heads } = await readFeedHeads(database().db, database().epoch);
    await moveAll();
    await sql`vacuum analyze`.execute(database().db);
    await alone(async (tx) => {
      const before = await rowsRead(tx, 'feed_tombstone');
      const { changed, gone } = await readRangeState(tx, 'credentials', heads.credentials, EVERYTHING);
      expect([changed.length, gone.length]).toEqual([RANGE_CHANGED_MAX + 1, 0]);
      expect((await rowsRead(tx, 'feed_tombstone')) - before).toBe(0);
    });
  });
}
