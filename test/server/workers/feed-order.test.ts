// Goal: who reads the feed page by page misses no row and gets none twice, whatever writers do at once; and a writer that
// stands still holds the feed up, it does not make it skip.
// Method: writers on connections of their own whose transactions end in another order than they began; a reader beside
// them from the beginning to the end. The reader without its bound shows that the test would see it.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import type { Database } from '../../../server/database/database.ts';
import { readFeedPage } from '../../../server/feed/feed-store.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import { onPostgres, suitePorts } from '../suite-databases.ts';

const { database, another } = onPostgres();
const WRITERS = 6;
const TRANSACTIONS = 40;
const PAGE = 50;

function id(random: SeededRandom): string {
  return uuidV7(suitePorts.clock.now(), random);
}

async function addCustomer(db: Database['db'], customer: string): Promise<void> {
  await sql`insert into customer (id, status, tier, points_at, created_at) values (${customer}, 'active', 'basic', 0, 0)`.execute(
    db,
  );
}

/** All there is after a position, page by page, to where the feed ends for now. */
async function readOn(
  { db, epoch }: Pick<Database, 'db' | 'epoch'>,
  after: FeedPosition | null,
  take: (customer: string) => void,
): Promise<FeedPosition | null> {
  let position = after;
  for (;;) {
    const page = await readFeedPage(db, epoch, {
      kind: 'feed.page',
      collection: 'customers',
      after: position,
      limit: PAGE,
    });
    for (const document of page.documents) take(String(document['id']));
    position = page.position;
    if (!page.more) return position;
  }
}

/** Writers in transactions that overlap, each some customers; the order in which they end is chance. */
async function write(made: string[], seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const own = await another();
  try {
    for (let i = 0; i < TRANSACTIONS; i += 1) {
      const customers = Array.from({ length: 1 + Math.floor(random.next() * 4) }, () => id(random));
      await own.transaction(async (tx) => {
        for (const customer of customers) {
          await addCustomer(tx, customer);
          if (random.next() < 0.3) await sql`select pg_sleep(${random.next() * 0.02})`.execute(tx);
        }
      });
      made.push(...customers);
    }
  } finally {
    await own.close();
  }
}

/** Reads on from where it was; returns where it is. */
type Reader<P> = (position: P | null, take: (customer: string) => void) => Promise<P | null>;

const throughFeed: Reader<FeedPosition> = (position, take) => readOn(database(), position, take);

/** By the sequence alone, as one would without knowing better. */
const bySequence: Reader<number> = async (position, take) => {
  const { rows } = await sql<{ id: string; seq: number }>`
    select id, seq from customer where seq > ${position ?? 0}::bigint order by seq`.execute(database().db);
  for (const row of rows) take(row.id);
  return rows.at(-1)?.seq ?? position;
};

/** What a reader got that read on while all wrote, and what was made. */
async function race<P>(
  read: Reader<P>,
  seed: number,
): Promise<{ readonly made: readonly string[]; readonly got: readonly string[] }> {
  const made: string[] = [];
  const got: string[] = [];
  let position = await read(null, () => {});
  let isWriting = true;
  const writing = Promise.all(Array.from({ length: WRITERS }, (_, i) => write(made, seed + i))).finally(
    () => (isWriting = false),
  );
  while (isWriting) position = await read(position, (each) => got.push(each));
  await writing;
  await read(position, (each) => got.push(each));
  return { made, got };
}

test('beside writers whose transactions overlap, each row comes once', async () => {
  const { made, got } = await race(throughFeed, 100);
  expect(made.length).toBeGreaterThan(WRITERS * TRANSACTIONS);
  expect(got.toSorted()).toEqual(made.toSorted());
});

test('a reader by sequence alone misses some of them: the writers do overlap', async () => {
  const { made, got } = await race(bySequence, 200);
  expect(new Set(got).size).toBeLessThan(made.length);
});

test('a transaction that stands still holds the feed up and makes it skip nothing', async () => {
  const random = new SeededRandom(300);
  const [early, late] = [id(random), id(random)];
  const got: string[] = [];
  let position = await readOn(database(), null, () => {});
  const idle = await another();
  const [begun, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const standing = idle.transaction(async (tx) => {
    await addCustomer(tx, early);
    begun.resolve();
    await mayEnd.promise;
  });
  await begun.promise;
  await addCustomer(database().db, late);
  position = await readOn(database(), position, (each) => got.push(each));
  // Committed, but what stands still may yet come before it.
  expect(got).toEqual([]);
  mayEnd.resolve();
  await standing;
  await readOn(database(), position, (each) => got.push(each));
  expect(got).toEqual([early, late]);
  await idle.close();
});

test('a writer that was killed in its transaction holds nothing up', async () => {
  const random = new SeededRandom(400);
  const [lost, late] = [id(random), id(random)];
  const got: string[] = [];
  const position = await readOn(database(), null, () => {});
  const idle = await another();
  const [begun, over] = [Promise.withResolvers<number>(), Promise.withResolvers<never>()];
  const standing = idle.transaction(async (tx) => {
    await addCustomer(tx, lost);
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
    begun.resolve(rows[0]?.pid ?? 0);
    await over.promise;
  });
  const pid = await begun.promise;
  await sql`select pg_terminate_backend(${pid}, 10000)`.execute(database().db);
  await addCustomer(database().db, late);
  await readOn(database(), position, (each) => got.push(each));
  expect(got).toEqual([late]);
  over.reject(new Error('killed'));
  await expect(standing).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
  await idle.close();
});
