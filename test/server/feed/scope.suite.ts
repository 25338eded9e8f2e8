// What tills hold when each is to hold a part of the customer base, held against a real database.
import fc from 'fast-check';
import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { isBehind } from '../../../sync/contract/feed.ts';
import type { ReplicaScope } from '../../../sync/contract/replica-scope.ts';
import { insertCustomers } from '../../../server/customers/insert-customers.ts';
import type { Database } from '../../../server/database/database.ts';
import { FeedKeeper } from '../../../server/feed/feed-keeper.ts';
import { readFeedHeads } from '../../../server/feed/feed-store.ts';
import { scopeFor, scopeOfStore } from '../../../server/feed/programme-scope.ts';
import { EVERYTHING } from '../../../server/feed/scope.ts';
import { commitBatches } from '../../../server/intake/commit-batches.ts';
import { currentProgramme, putProgramme } from '../../../server/programme/programme-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { programme } from '../programme.ts';
import { TestTill } from '../test-till.ts';
import { ModelTill } from './model-till.ts';
import { clear } from './random-writes.ts';

const DAY_MS = 86_400_000;
const random = new SeededRandom(99);
const REGIONS = [
  { id: 'alps', stores: ['graz', 'linz'] },
  { id: 'coast', stores: ['kiel'] },
];

interface World {
  readonly clock: ManualClock;
  readonly keeper: FeedKeeper;
  /** Customers with where and when they bought last, as the model has it. */
  readonly people: Map<string, { readonly card: string; store: string | null; at: number }>;
}

export function scopeSuite(database: () => Database, runs: number): void {
  beforeEach(async () => {
    await clear(database().db);
    await sql`delete from customer_activity`.execute(database().db);
  });

  async function setScope(scope: ReplicaScope): Promise<void> {
    const version = ((await currentProgramme(database().db))?.version ?? 0) + 1;
    await database().transaction((tx) => putProgramme(tx, { ...programme, version, replica: { scope } }, 0));
  }

  function world(): World {
    const clock = new ManualClock(Date.UTC(2026, 5, 1));
    const keeper = new FeedKeeper({ database: database(), clock, log: silentLog, tombstoneDays: 180 });
    return { clock, keeper, people: new Map() };
  }

  async function register({ clock, people }: World): Promise<string> {
    const till = new TestTill();
    const id = uuidV7(clock.now(), random);
    const card = till.index();
    const cards = [{ id: till.id(), index: card, kind: 'card', scheme: 'house', validUntil: null } as const];
    await database().transaction((tx) =>
      insertCustomers(
        tx,
        [{ id, customer: { tier: 'basic', purposes: [], greeting: null, cards: [] }, cards }],
        {
          clock,
          random,
        },
      ),
    );
    people.set(id, { card, store: null, at: clock.now() });
    return id;
  }

  async function buy({ clock, people }: World, id: string, store: string, lateMs = 0): Promise<void> {
    const person = people.get(id);
    if (person === undefined) return;
    const till = new TestTill();
    const at = clock.now() - lateMs;
    till.sell(person.card, 1_000, { storeId: store, at });
    await commitBatches(database(), [till.batch()], clock);
    if (person.store === null || at >= person.at) Object.assign(person, { store, at });
  }

  test('the parts of a scope are its stores, those who never bought, and who is not active any more', () => {
    expect(scopeFor(undefined, 'graz')).toBe(EVERYTHING);
    expect(scopeFor({ by: 'all' }, 'graz')).toBe(EVERYTHING);
    expect(scopeFor({ by: 'store' }, undefined)).toBe(EVERYTHING);
    expect(scopeFor({ by: 'store' }, 'graz').parts).toEqual(['', 'graz', 'graz~', '~']);
    expect(scopeFor({ by: 'store', activeWithinDays: 90 }, 'graz').parts).toEqual(['', 'graz']);
    const region = { by: 'region', regions: REGIONS, activeWithinDays: 90 } as const;
    expect(scopeFor(region, 'graz').parts).toEqual(['', 'graz', 'linz']);
    expect(scopeFor(region, 'linz')).toEqual(scopeFor(region, 'graz'));
    expect(scopeFor(region, 'wien').parts).toEqual(['', 'wien']);
    const names = ['graz', 'kiel', 'wien'].map((store) => scopeFor(region, store).name);
    expect(new Set(names).size).toBe(3);
  });

  // Tills in three stores pull a page now and then while customers register, buy here and there (some sales arriving
  // late), and time passes. After each sweep and a complete pull, every till holds exactly who belongs to it.
  test('each till holds the customers of its scope and nobody else, and its hashes agree at any time', async () => {
    const stores = ['graz', 'linz', 'kiel'] as const;
    const scope: fc.Arbitrary<ReplicaScope> = fc.constantFrom<ReplicaScope>(
      { by: 'store' },
      { by: 'store', activeWithinDays: 30 },
      { by: 'region', regions: REGIONS, activeWithinDays: 30 },
      { by: 'region', regions: REGIONS },
    );
    const step = fc.oneof(
      { weight: 2, arbitrary: fc.constant({ kind: 'register' } as const) },
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('buy' as const),
          who: fc.nat(),
          store: fc.constantFrom(...stores),
          lateDays: fc.constantFrom(0, 0, 0, 20, 60),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('pull' as const),
          till: fc.nat(5),
          limit: fc.constantFrom(1, 3),
        }),
      },
      { weight: 2, arbitrary: fc.constant({ kind: 'sweep' } as const) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('days' as const), days: fc.integer({ min: 1, max: 40 }) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(scope, fc.array(step, { minLength: 8, maxLength: 16 }), async (setting, steps) => {
        await clear(database().db);
        await sql`delete from customer_activity`.execute(database().db);
        await setScope(setting);
        const own = world();
        const { clock, keeper, people } = own;
        await register(own);
        const tills = await Promise.all(
          stores.flatMap((store) =>
            (['customers', 'credentials'] as const).map(async (collection) => ({
              store,
              collection,
              till: new ModelTill(database(), collection, await scopeOfStore(database().db, store)),
            })),
          ),
        );
        for (const { till } of tills) await till.pullPage(2);
        for (const each of steps) {
          switch (each.kind) {
            case 'register':
              await register(own);
              break;
            case 'buy':
              await buy(
                own,
                [...people.keys()][each.who % people.size] ?? '',
                each.store,
                each.lateDays * DAY_MS,
              );
              break;
            case 'pull':
              await tills[each.till]?.till.pullPage(each.limit);
              break;
            case 'sweep':
              await keeper.move();
              break;
            case 'days':
              clock.setWallClock(clock.now() + each.days * DAY_MS);
              break;
          }
          const one = tills[steps.indexOf(each) % tills.length];
          expect(await one?.till.differing()).toEqual([]);
        }
        // As the hourly look at everybody does.
        const last = new FeedKeeper({ database: database(), clock, log: silentLog, tombstoneDays: 180 });
        await last.move();
        await last.close();
        await keeper.close();
        const days = setting.by === 'all' ? undefined : setting.activeWithinDays;
        for (const { store, collection, till } of tills) {
          await till.pullAll(3);
          expect(await till.differing()).toEqual([]);
          const near =
            setting.by === 'region'
              ? (REGIONS.find((region) => region.stores.includes(store))?.stores ?? [])
              : [store];
          const expected = [...people]
            .filter(([, person]) => person.store === null || near.includes(person.store))
            .filter(([, person]) => days === undefined || person.at >= clock.now() - days * DAY_MS)
            .map(([id, person]) => (collection === 'customers' ? id : person.card));
          expect([...till.documents.keys()].toSorted()).toEqual(expected.toSorted());
        }
      }),
      { numRuns: runs },
    );
  }, 90_000);

  test('who leaves goes as a key alone, who comes comes whole, and a new card lies where its customer does', async () => {
    await setScope({ by: 'store' });
    const own = world();
    const id = await register(own);
    await buy(own, id, 'graz');
    await own.keeper.move();
    const graz = new ModelTill(database(), 'credentials', await scopeOfStore(database().db, 'graz'));
    const kiel = new ModelTill(database(), 'credentials', await scopeOfStore(database().db, 'kiel'));
    for (const till of [graz, kiel]) await till.pullAll();
    expect([graz.documents.size, kiel.documents.size]).toEqual([1, 0]);
    // Nothing of the feed was for this till, and yet it is not behind: it would pull for ever.
    const { heads } = await readFeedHeads(database().db, database().epoch);
    expect(isBehind(kiel.position ?? undefined, heads.credentials)).toBe(false);
    await buy(own, id, 'kiel');
    await own.keeper.move();
    for (const till of [graz, kiel]) await till.pullAll();
    expect([graz.documents.size, kiel.documents.size]).toEqual([0, 1]);
    await sql`insert into credential (id, index, kind, scheme, customer_id, status, issued_at)
              values (${uuidV7(0, random)}, ${new TestTill().index()}, 'card', 'house', ${id}, 'active', 0)`.execute(
      database().db,
    );
    for (const till of [graz, kiel]) await till.pullAll();
    expect([graz.documents.size, kiel.documents.size]).toEqual([0, 2]);
    await own.keeper.close();
  });

  test('a till whose scope changed is refused and loads anew; while all hold all, nothing is moved', async () => {
    await setScope({ by: 'all' });
    const own = world();
    const id = await register(own);
    await buy(own, id, 'graz');
    await own.keeper.move();
    const parts = async () =>
      (await sql<{ feed_part: string }>`select feed_part from customer`.execute(database().db)).rows;
    expect(await parts()).toEqual([{ feed_part: '' }]);
    const before = new ModelTill(database(), 'customers', await scopeOfStore(database().db, 'kiel'));
    await before.pullAll();
    await setScope({ by: 'store' });
    await own.keeper.move();
    expect(await parts()).toEqual([{ feed_part: 'graz' }]);
    const after = new ModelTill(database(), 'customers', await scopeOfStore(database().db, 'kiel'));
    Object.assign(after, { position: before.position });
    await expect(after.pullPage(10)).rejects.toMatchObject({ code: 'REP_SNAPSHOT_REQUIRED' });
    after.position = null;
    await after.pullAll();
    expect(after.documents.size).toBe(0);
    await own.keeper.close();
  });

  async function populate(customers: number): Promise<void> {
    await sql`
      insert into customer (id, status, tier, points_at, created_at)
      select md5(n::text)::uuid, 'active', 'basic', 0, 0 from generate_series(1, ${customers}::int) n`.execute(
      database().db,
    );
    await sql`
      insert into customer_activity (customer_id, store, at, moved) select id, 'graz', 0, false from customer`.execute(
      database().db,
    );
  }

  test('all are moved a few at a time, so that nobody waits for long; and who is right is not touched', async () => {
    await setScope({ by: 'store' });
    await populate(1_200);
    const own = world();
    await own.keeper.move();
    // The last who locked a row, or wrote to it, stands in its xmax.
    const standing = async () =>
      (
        await sql<{ n: number; lockers: string }>`
          select count(*)::int as n, string_agg(distinct xmax::text, ' ') as lockers from customer
          where feed_part = 'graz' group by customer.xid order by 1`.execute(database().db)
      ).rows;
    const before = await standing();
    expect(before.map(({ n }) => n)).toEqual([200, 500, 500]);
    const again = world();
    await again.keeper.move();
    expect(await standing()).toEqual(before);
    for (const { keeper } of [own, again]) await keeper.close();
  });

  test('a sweep that is under way when the server ends does not hold it up', async () => {
    await setScope({ by: 'store' });
    await populate(1_200);
    const own = world();
    const sweep = own.keeper.move();
    await own.keeper.close();
    await sweep;
    const { rows } = await sql<{ n: number }>`
      select count(*)::int as n from customer where feed_part = 'graz'`.execute(database().db);
    expect(rows[0]?.n).toBeLessThan(1_200);
  });
}
