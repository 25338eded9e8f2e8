// What is promised to who is erased, of snapshots: from that moment none tells a till of them, and none is made that does.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { seedReplica } from '../../../edge/replica/seeding/seed-replica.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { eraseCustomer } from '../../../server/customers/erase-customer.ts';
import { insertCustomers } from '../../../server/customers/insert-customers.ts';
import type { Database } from '../../../server/database/database.ts';
import { answerFeedPage } from '../../../server/feed/feed-store.ts';
import { EVERYTHING } from '../../../server/feed/scope.ts';
import { BuildLease } from '../../../server/snapshots/build-lease.ts';
import { buildSnapshot } from '../../../server/snapshots/build-snapshot.ts';
import { Snapshots } from '../../../server/snapshots/snapshots.ts';
import { Tickets } from '../../../server/snapshots/ticket.ts';
import { CHUNK_BYTES_MAX } from '../../../sync/contract/snapshot.ts';
import { openSeedFile } from '../../edge/replica/seeding/seed-fixture.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { chunksWith } from './chunks-with.ts';

const cutRule = { documentsMin: 2, documentsMean: 4, documentsMax: 12, textBytesMax: 2_000 };
const random = new SeededRandom(99);

interface Person {
  readonly id: string;
  readonly card: string;
}

export function forgottenSuite(database: () => Database): void {
  let clock: ManualClock;
  let people: readonly Person[];
  beforeEach(async () => {
    clock = new ManualClock(Date.now());
    for (const table of ['snapshot', 'snapshot_chunk', 'snapshot_build', 'credential', 'customer']) {
      await sql`delete from ${sql.table(table)}`.execute(database().db);
    }
    people = await joined(40);
  });

  async function joined(count: number): Promise<readonly Person[]> {
    const made = Array.from({ length: count }, () => ({
      // Spread over all of the order of keys, as ids of an import may be, and the same each time: keys decide on the cuts.
      id: `${Buffer.from(random.bytes(4)).toString('hex')}${uuidV7(1, random).slice(8)}`,
      card: Buffer.from(random.bytes(32)).toString('base64url'),
    }));
    const customer = { tier: 'basic', purposes: [], greeting: null, cards: [] };
    await database().transaction((tx) =>
      insertCustomers(
        tx,
        made.map(({ id, card }) => ({
          id,
          customer,
          cards: [
            { id: uuidV7(clock.now(), random), index: card, kind: 'card', scheme: 'house', validUntil: null },
          ],
        })),
        { clock, random },
      ),
    );
    return made;
  }

  const openSnapshots = (): Snapshots =>
    new Snapshots({
      database: database(),
      settings: { maxAgeMs: 86_400_000, documentsMin: 1, url: undefined },
      tickets: new Tickets(new Uint8Array(32), 'shop'),
      scopeOf: () => Promise.resolve(EVERYTHING),
      clock,
      random,
      log: silentLog,
      cutRule,
    });
  const erase = (person: Person) => database().transaction((tx) => eraseCustomer(tx, person.id, clock.now()));
  const inChunks = (person: Person) => chunksWith(database(), [person.id, person.card]);
  const chunkCount = async (): Promise<number> =>
    (await database().db.selectFrom('snapshot_chunk').select('sha256').execute()).length;
  const build = (lease: Parameters<typeof buildSnapshot>[1]['lease'], renewed = () => Promise.resolve()) =>
    buildSnapshot(database(), {
      base: 'all',
      part: null,
      // Whether the lease is lost is found out at the next chunk, as late as that may be.
      lease: {
        hold: (tx) => lease.hold(tx),
        renew: async () => {
          await renewed();
          return true;
        },
      },
      clock,
      signal: new AbortController().signal,
      cutRule,
    });
  async function lease(): Promise<BuildLease> {
    const taken = await BuildLease.take(database().db, 'all', uuidV7(clock.now(), random));
    if (taken === undefined) throw new Error('somebody else builds');
    return taken;
  }

  test('no chunk holds who was erased, and those that never did stay for the next snapshot', async () => {
    const sorted = people.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    let left = people.length;
    // Also where they are the first or the last of their chunk.
    for (const person of [sorted[0], sorted[20], sorted.at(-1)].map((each) => each ?? raise())) {
      const outcome = await build(await lease());
      expect(outcome).toMatchObject({ kind: 'made', documents: 2 * left });
      // More, where a chunk of the snapshot before was cut otherwise, and nobody names it any more.
      expect((await inChunks(person)).length).toBeGreaterThanOrEqual(2);
      // All of the first time, and few of those that follow.
      const share = left === people.length ? 1 : 0.5;
      const made = outcome.kind === 'made' ? outcome.newChunks : Infinity;
      expect(made).toBeLessThanOrEqual((await chunkCount()) * share);
      const before = await chunkCount();
      await erase(person);
      expect(await inChunks(person)).toEqual([]);
      // The others stay, but for those no snapshot named.
      expect(await chunkCount()).toBeLessThanOrEqual(before - 2);
      expect(await chunkCount()).toBeGreaterThan(before / 2);
      expect(await database().db.selectFrom('snapshot').select('id').execute()).toEqual([]);
      await sql`delete from snapshot_build`.execute(database().db);
      left -= 1;
    }
  });

  test('a snapshot in which they cannot be is left alone', async () => {
    const outcome = await build(await lease());
    const last = people.toSorted((a, b) => (a.id < b.id ? -1 : 1)).at(-1) ?? raise();
    // As of a part they are not in.
    await sql`delete from snapshot_entry where collection = 'credentials' or last_key >= ${last.id}`.execute(
      database().db,
    );
    await erase(last);
    const kept = await database().db.selectFrom('snapshot').select('id').execute();
    expect(kept).toEqual(outcome.kind === 'made' ? [{ id: outcome.id }] : []);
  });

  test('a build under way while somebody is erased leaves neither a snapshot nor a chunk, however far it is', async () => {
    await build(await lease());
    const chunks = await chunkCount();
    expect(chunks).toBeGreaterThan(8);
    for (let at = 1; at <= chunks; at += 1) {
      const person = people[at] ?? raise();
      await sql`delete from snapshot`.execute(database().db);
      await sql`delete from snapshot_chunk`.execute(database().db);
      await sql`delete from snapshot_build`.execute(database().db);
      let renewals = 0;
      const outcome = await build(await lease(), async () => {
        renewals += 1;
        if (renewals === at) await erase(person);
      });
      if (renewals < at) break; // fewer chunks than at first, for there are fewer people
      expect(outcome).toEqual({ kind: 'lost' });
      expect(await inChunks(person)).toEqual([]);
      expect(await database().db.selectFrom('snapshot').select('id').execute()).toEqual([]);
      await joined(1);
    }
  });

  test('a till in the middle of a download asks again, and ends up without them', async () => {
    const snapshots = openSnapshots();
    const folder = mkdtempSync(join(tmpdir(), 'forgotten-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = await openSeedFile(join(folder, 'replica-000002.db.part'));
    onTestFinished(() => file.close());
    const loaded: string[] = [];
    let offers = 0;
    let gone: Person | undefined;
    const source = {
      isOfferOld: false,
      offer: async (have: string | null) => {
        offers += 1;
        let answer = await snapshots.offer('till-1', { kind: 'snapshot.offer', have });
        if (answer.offer === 'making') {
          await snapshots.idle();
          answer = await snapshots.offer('till-1', { kind: 'snapshot.offer', have });
        }
        return answer;
      },
      chunk: async ({ sha256 }: { readonly sha256: string }) => {
        // Somebody who is on the till already.
        const onTill = people.find(
          ({ id, card }) =>
            file.stores.customers.readById(id) !== undefined &&
            file.stores.credentials.readById(card) !== undefined,
        );
        if (gone === undefined && onTill !== undefined) {
          gone = onTill;
          await erase(gone);
        }
        const range = { offset: 0, length: CHUNK_BYTES_MAX };
        const { bytes } = await snapshots.chunk({ kind: 'snapshot.chunk', sha256, ...range });
        loaded.push(sha256);
        return Buffer.from(bytes, 'base64');
      },
    };
    const outcome = await seedReplica({
      stores: file.stores,
      source,
      clock,
      random,
      log: silentLog,
      signal: new AbortController().signal,
      sliceMs: 2,
    });
    const person = gone ?? raise();
    if (outcome.kind !== 'loaded') throw new Error(`it is ${outcome.kind}`);
    // Then it follows the feed from where it is told to.
    const pages = {
      customers: await pulled('customers', outcome.positions.customers),
      credentials: await pulled('credentials', outcome.positions.credentials),
    };
    const lost = (collection: 'customers' | 'credentials', key: string): boolean =>
      file.stores[collection].readById(key) === undefined || pages[collection].has(key);
    expect([lost('customers', person.id), lost('credentials', person.card)]).toEqual([true, true]);
    for (const { id, card } of people) {
      if (id === person.id) continue;
      expect([lost('customers', id), lost('credentials', card)]).toEqual([false, false]);
    }
    expect(offers).toBeLessThanOrEqual(3);
    await snapshots.close();
  });

  /** The keys the feed says are gone from a position on. */
  async function pulled(
    collection: 'customers' | 'credentials',
    after: Parameters<typeof answerFeedPage>[1]['after'],
  ): Promise<ReadonlySet<string>> {
    const { page } = await answerFeedPage(database(), { kind: 'feed.page', collection, after, limit: 1_000 });
    expect(page.more).toBe(false);
    return new Set(
      page.documents.flatMap((each) =>
        each._deleted ? [String(Reflect.get(each, collection === 'customers' ? 'id' : 'index'))] : [],
      ),
    );
  }
}

function raise(): never {
  throw new Error('there is somebody');
}
