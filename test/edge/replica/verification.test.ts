// Goal: what a replica lacks, holds too much of, or holds otherwise than the server is found, mended, and told.
// Method: a replica harmed behind the replication's back, on real files, compared with a server in memory.
import { describe, expect, test, vi } from 'vitest';
import { StammkundeError } from '../../../foundation/errors.ts';
import { bucketOf } from '../../../sync/contract/range-hash.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { cardIndex, credential, customer, customerId, offer, shopServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper, openReplica } from './replica-fixture.ts';

async function caughtUp(customers: number) {
  const server = shopServer(customers);
  const opened = await openReplica();
  opened.replica.follow(server);
  await eventually(() => expect(opened.replica.note.caughtUpAt).not.toBeNull());
  return { server, ...opened };
}

describe('a comparison', () => {
  test('of what is the same says so, and fetches nothing', async () => {
    const { server, replica } = await caughtUp(300);
    for (const name of ['credentials', 'customers', 'offers', 'programme'] as const) {
      expect(await replica.verify(name, server)).toEqual({ kind: 'same' });
      expect(replica.note.verifiedAt[name]).toBeDefined();
    }
    expect(server.fetched).toEqual([]);
  });

  test('fetches the buckets that differ, and no other, and makes them the same', async () => {
    const { server, replica, reader } = await caughtUp(300);
    const store = replica.store('customers');
    store.repair({
      put: [customer(5, { points: 1_000_000 }), customer(9_999)],
      delete: [customerId(7), customerId(8)],
    });
    const harmed = [5, 9_999, 7, 8].map((n) => bucketOf(customerId(n)));
    const verification = await replica.verify('customers', server);
    expect(verification).toEqual({
      kind: 'repaired',
      buckets: [...new Set(harmed)].toSorted((a, b) => a - b),
      documents: 4,
    });
    expectSame(reader, server);
    expect(new Set(server.fetched.map(({ bucket }) => bucket))).toEqual(new Set(harmed));
    expect(await replica.verify('customers', server)).toEqual({ kind: 'same' });
    // What was mended is updated by the feed as before.
    server.put('customers', customer(7, { tier: 'gold' }));
    server.remove('customers', customerId(5));
    replica.resync();
    await eventually(() => expectSame(reader, server));
  });

  test('leaves out what changed since the till’s position, on either side', async () => {
    const { server, replica } = await caughtUp(50);
    server.put('customers', customer(3, { tier: 'gold' }), customer(77));
    server.remove('customers', customerId(4));
    expect(await replica.verify('customers', server)).toEqual({ kind: 'same' });
    for (let n = 100; n < 2_200; n += 1) server.put('customers', customer(n));
    expect(await replica.verify('customers', server)).toEqual({ kind: 'behind' });
  });

  test('waits for its turn: not while a page is under way, and no page while it is', async () => {
    const opened = await caughtUp(20);
    const { server, replica, reader } = opened;
    const page = Promise.withResolvers<void>();
    server.beforeAnswer = () => page.promise;
    server.put('customers', customer(3, { tier: 'gold' }));
    replica.resync(['customers']);
    await settle();
    expect(await replica.verify('customers', server)).toBeUndefined();
    page.resolve();
    await eventually(() => expectSame(reader, server));
    await eventually(() => expect(opened.caughtUp.length).toBeGreaterThan(4));

    server.beforeAnswer = () => {};
    const ranges = Promise.withResolvers<void>();
    server.beforeRanges = () => ranges.promise;
    const asked = server.asks('customers').length;
    const verifying = replica.verify('customers', server);
    server.put('customers', customer(4, { tier: 'gold' }));
    replica.resync(['customers']);
    await settle();
    expect(server.asks('customers')).toHaveLength(asked);
    ranges.resolve();
    expect(await verifying).toEqual({ kind: 'same' });
    await eventually(() => expectSame(reader, server));
  });

  test('that a server’s nonsense would spoil leaves the replica as it is', async () => {
    const { server, replica } = await caughtUp(20);
    replica.store('customers').repair({ put: [], delete: [customerId(7)] });
    server.onTheWay = (change) => ({ ...change, points: 'many' });
    await expect(replica.verify('customers', server)).rejects.toMatchObject({ code: 'WIRE_MALFORMED' });
    server.onTheWay = (change) => ({ ...change, id: customerId(4_711) });
    await expect(replica.verify('customers', server)).rejects.toMatchObject({ code: 'WIRE_MALFORMED' });
    server.onTheWay = (change) => change;
    expect(await replica.verify('customers', server)).toMatchObject({ kind: 'repaired', documents: 1 });
  });

  test('says so when fetching did not help', async () => {
    const { server, replica } = await caughtUp(20);
    replica.store('customers').repair({ put: [customer(5, { points: 9 })], delete: [] });
    server.onTheWay = (change) => ({ ...change, points: -1 });
    expect(await replica.verify('customers', server)).toMatchObject({ kind: 'diverged' });
  });
});

describe('a till', () => {
  async function serving(customers: number) {
    const clock = new ManualClock();
    const server = shopServer(customers);
    const opened = await openKeeper({ clock });
    opened.keeper.follow(server);
    await eventually(() => expect(opened.keeper.caughtUpAt).not.toBeNull());
    await opened.keeper.idle();
    await advanceUntil(clock, 100, () => opened.keeper.status.verifiedAt !== null);
    return { clock, server, ...opened };
  }

  async function advanceUntil(clock: ManualClock, stepMs: number, reached: () => boolean): Promise<void> {
    // RxDB says when it is in sync on the real clock.
    await vi.waitFor(
      async () => {
        if (reached()) return;
        await clock.advance(stepMs);
        expect(reached()).toBe(true);
      },
      { timeout: 10_000, interval: 3 },
    );
    expect(reached()).toBe(true);
  }

  test('compares after changes, but at most once a minute, and every hour without any', async () => {
    const { clock, server, keeper } = await serving(20);
    const compared = (): number => server.compared.filter((name) => name === 'customers').length;
    const first = compared();
    for (let n = 0; n < 10; n += 1) {
      server.put('customers', customer(n, { points: 7_000 + n }));
      keeper.resync();
      await eventually(() => expect(keeper.customer(customerId(n))?.points).toBe(7_000 + n));
      await clock.advance(1_000);
    }
    expect(compared()).toBe(first);
    await advanceUntil(clock, 5_000, () => compared() === first + 1);
    await clock.advance(1_000_000);
    await settle();
    expect(compared()).toBe(first + 1);
    await advanceUntil(clock, 60_000, () => compared() > first + 1);
  });

  test('that loads everything anew when mending does not help says so, once an hour at most', async () => {
    const { clock, server, keeper, log } = await serving(20);
    server.onTheWay = (change) => (change['id'] === customerId(3) ? { ...change, points: -1 } : change);
    server.put('customers', customer(3, { points: 5 }));
    keeper.resync();
    await eventually(() => expect(keeper.customer(customerId(3))?.points).toBe(-1));
    await advanceUntil(clock, 5_000, () => log.count('replica.diverged') === 1);
    expect(log.lines.find(({ event }) => event === 'replica.diverged')).toMatchObject({
      error: { code: 'REP_DIVERGED' },
    });
    expect(keeper.status.lastDifference).toMatchObject({ collection: 'customers' });
    await eventually(() => expect(log.count('replica.replaced')).toBe(2));
    await advanceUntil(clock, 5_000, () => log.count('replica.diverged') === 2);
    await settle();
    expect(log.count('replica.replaced')).toBe(2);
    server.onTheWay = (change) => change;
    await advanceUntil(clock, 60_000, () => keeper.customer(customerId(3))?.points === 5);
    expectSame(keeper, server);
  });

  test('that is told too much has changed asks again once it has caught up, and once a minute at most', async () => {
    const { clock, server, keeper } = await serving(20);
    const then = keeper.status.verifiedAt ?? 0;
    const ranges = server.ranges.bind(server);
    let isBehind = true;
    server.ranges = async (...asked) => {
      const answer = await ranges(...asked);
      return isBehind ? { kind: 'feed.ranges', behind: true } : answer;
    };
    const compared = (): number => server.compared.filter((name) => name === 'customers').length;
    await clock.advance(60_000);
    const first = compared();
    server.put('customers', customer(3, { tier: 'gold' }));
    keeper.resync();
    await advanceUntil(clock, 1_000, () => compared() > first);
    // Told nothing new, it asks nothing again.
    const told = compared();
    await clock.advance(10 * 60_000);
    await settle();
    expect(compared()).toBe(told);
    // Two minutes of polls.
    for (let polls = 0; polls < 12; polls += 1) {
      await clock.advance(10_000);
      keeper.resync();
      await eventually(() => expect(keeper.caughtUpAt).toBe(clock.now()));
    }
    expect(compared()).toBeGreaterThan(told);
    expect(compared()).toBeLessThanOrEqual(told + 3);
    expect(keeper.status.verifiedAt).toBe(then);
    isBehind = false;
    await clock.advance(60_000);
    keeper.resync();
    // The collections in which nothing changed are compared within the hour.
    await advanceUntil(clock, 60_000, () => (keeper.status.verifiedAt ?? 0) > then);
  });

  test('without a network stays what it is, and compares when it is back', async () => {
    const { clock, server, keeper, log } = await serving(20);
    const then = keeper.status.verifiedAt ?? 0;
    server.beforeRanges = () => {
      throw new StammkundeError('BUS_TIMEOUT', 'no answer');
    };
    server.put('customers', customer(3, { tier: 'gold' }));
    keeper.resync();
    await advanceUntil(clock, 60_000, () => log.count('replica.verify.offline') > 0);
    expect(keeper.status.verifiedAt).toBe(then);
    server.beforeRanges = () => {};
    keeper.resync();
    await advanceUntil(clock, 60_000, () => (keeper.status.verifiedAt ?? 0) > then);
  });

  test('reads its rows through from the disk soon after it opened', async () => {
    const { clock, log, keeper } = await serving(30);
    await advanceUntil(clock, 10_000, () => log.count('replica.walked') === 1);
    expect(log.lines.find(({ event }) => event === 'replica.walked')).toMatchObject({ rows: 62 });
    expect(log.count('replica.diverged')).toBe(0);
    await keeper.close();
  });

  test('shows the rules as mended, too', async () => {
    const { clock, server, keeper } = await serving(3);
    server.onTheWay = (change) => (change['id'] === offer.id ? { ...change, validUntil: 1 } : change);
    server.put('offers', offer);
    keeper.resync();
    await eventually(() => expect(keeper.offers[0]?.validUntil).toBe(1));
    server.onTheWay = (change) => change;
    await advanceUntil(clock, 5_000, () => keeper.offers[0]?.validUntil === offer.validUntil);
    expect(keeper.status.lastDifference).toMatchObject({ collection: 'offers', repaired: 1 });
    expect(keeper.credential(cardIndex(1))).toEqual(credential(1));
  });
});
