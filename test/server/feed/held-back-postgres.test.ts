// Goal: a transaction somewhere in the PostgreSQL that does not end keeps changes from tills, but not that it does.
// Method: a real PostgreSQL with somebody in another database of it; a publisher whose time the test makes go on.
import { generateKeyPairSync } from 'node:crypto';
import { sql } from 'kysely';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { connectForUpkeep } from '../../../server/database/postgres.ts';
import { FeedPublisher } from '../../../server/feed/feed-publisher.ts';
import { answerFeedPage } from '../../../server/feed/feed-store.ts';
import { EVERYTHING } from '../../../server/feed/scope.ts';
import { HeldBack } from '../../../server/feed/held-back.ts';
import { Statements } from '../../../server/statements.ts';
import type { Bus } from '../../../sync/bus.ts';
import { FeedPage } from '../../../sync/contract/feed.ts';
import { topicsOf } from '../../../sync/contract/topics.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ToldEvents } from '../database/postgres-world.ts';
import { onPostgres, suitePorts } from '../suite-databases.ts';

const postgres = onPostgres();
const random = new SeededRandom(1);

const bus: Bus = {
  connected: true,
  onConnection: () => () => {},
  publish: () => Promise.resolve('sent'),
  close: () => Promise.resolve(),
};

test('tills are told for how long somebody in another database holds changes back, and whoever is on call', async () => {
  const database = postgres.database();
  const clock = new ManualClock();
  const log = new ToldEvents();
  const statements = new Statements(database, {
    clock,
    signingKey: generateKeyPairSync('ed25519').privateKey,
  });
  const publisher = new FeedPublisher({
    database,
    topics: topicsOf('kaufhaus'),
    statements,
    bus,
    clock,
    log,
  });
  onTestFinished(() => publisher.close());
  const passUntil = (holds: () => boolean): Promise<void> =>
    vi.waitFor(
      async () => {
        await clock.advance(2_000);
        if (!holds()) throw new Error('not yet');
      },
      { timeout: 15_000, interval: 5 },
    );
  const pull = async (): Promise<FeedPage> => {
    const question = { kind: 'feed.page', collection: 'customers', after: null, limit: 10 } as const;
    return FeedPage.parse((await answerFeedPage(database, question, EVERYTHING, publisher.heldBackMs)).page);
  };
  await passUntil(() => publisher.heads !== undefined);

  await sql`create database another`.execute(database.db);
  const elsewhere = connectForUpkeep(postgres.url().replace('/postgres?', '/another?'), suitePorts);
  onTestFinished(() => elsewhere.close());
  await elsewhere.db.transaction().execute(async (tx) => {
    await sql`create table forgotten (n int)`.execute(tx);
    // Nothing of ours waits for it yet.
    await passUntil(() => publisher.heldBackMs === 0);
    expect(await pull()).not.toHaveProperty('behindMs');
    const id = uuidV7(clock.now(), random);
    await sql`insert into customer (id, status, tier, points_at, created_at)
      values (${id}, 'active', 'basic', 0, 0)`.execute(database.db);
    await passUntil(() => log.events.includes('feed.held_back'));
    const page = await pull();
    expect(page).toMatchObject({ documents: [], more: false });
    expect(page.behindMs).toBeGreaterThanOrEqual(30_000);
    await passUntil(() => publisher.heldBackMs > 60_000);
    expect((await pull()).behindMs).toBeGreaterThan(60_000);
  });
  await passUntil(() => log.events.includes('feed.released'));
  expect(await pull()).toMatchObject({ documents: [{}] });
  expect(await pull()).not.toHaveProperty('behindMs');
  expect(log.events.filter((event) => event === 'feed.held_back')).toHaveLength(1);
});

test('what is given is as old as the last look before whoever holds it back had begun', () => {
  const held = new HeldBack();
  held.saw(1_000, { oldest: 50n, next: 50n });
  held.saw(2_000, { oldest: 60n, next: 60n });
  held.saw(3_000, { oldest: 61n, next: 70n });
  for (let atMs = 4_000; atMs <= 10_000_000; atMs += 1_000) {
    held.saw(atMs, { oldest: 61n, next: 70n + BigInt(atMs) });
  }
  expect(held.ageMs(10_000_000)).toBe(9_998_000);
  held.saw(10_001_000, { oldest: 20_000_000n, next: 20_000_001n });
  expect(held.ageMs(10_001_000)).toBeLessThanOrEqual(10_000);
});
