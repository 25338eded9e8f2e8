// Goal: what is pulled never runs ahead of what is stored, and no outcome of the storing leaves the pulling waiting for ever.
// Method: real RxDB on a real file, and a server that answers at once, so that only the till itself can hold it back.
import { describe, expect, test, vi } from 'vitest';
import { RxStorageInstanceSqlite } from '../../../edge/replica/storage/instance.ts';
import type { FeedPage } from '../../../sync/contract/feed.ts';
import type { ReplicaSource } from '../../../edge/replica/feed-source.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { customer, customerId, shopServer } from './feed-server.ts';
import type { FeedServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper, openReplica } from './replica-fixture.ts';

const PAGE = 3;
/** One is being stored while the next one is fetched. */
const PAGES_UNSTORED_MAX = 2;

/** The same server, in small pages. */
function inSmallPages(server: FeedServer, onPage: (page: FeedPage) => void = () => {}): ReplicaSource {
  return {
    pull: async (collection, after) => {
      const page = await server.pull(collection, after, PAGE);
      if (collection === 'customers') onPage(page);
      return page;
    },
  };
}

describe('a feed of 200 pages', () => {
  test('is pulled no faster than it is stored', async () => {
    const server = shopServer(200 * PAGE);
    const { replica, reader } = await openReplica();
    let handedOut = 0;
    let unstoredMost = 0;
    replica.follow(
      inSmallPages(server, ({ documents }) => {
        handedOut += documents.length;
        unstoredMost = Math.max(unstoredMost, handedOut - replica.store('customers').liveCount());
      }),
    );
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    expectSame(reader, server);
    expect(handedOut).toBe(200 * PAGE);
    expect(unstoredMost).toBeGreaterThan(0);
    expect(unstoredMost).toBeLessThanOrEqual(PAGES_UNSTORED_MAX * PAGE);
  });

  test('is pulled to its end though notices come all the while', async () => {
    const server = shopServer(200 * PAGE);
    const { replica, reader } = await openReplica();
    replica.follow(
      inSmallPages(server, ({ more }) => {
        if (more) replica.resync(['customers']);
      }),
    );
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    expectSame(reader, server);
  });

  test('is pulled on where it ended when the till is closed in the midst of it', async () => {
    const server = shopServer(200 * PAGE);
    const first = await openReplica();
    const midst = Promise.withResolvers<void>();
    first.replica.follow(
      inSmallPages(server, () => {
        if (server.asks('customers').length === 100) midst.resolve();
      }),
    );
    await midst.promise;
    await first.replica.close();
    const { replica, reader } = await openReplica({ file: first.file });
    const stored = reader.count('customers');
    expect(stored).toBeGreaterThanOrEqual((100 - PAGES_UNSTORED_MAX - 1) * PAGE);
    server.asked.length = 0;
    replica.follow(inSmallPages(server));
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    expectSame(reader, server);
    expect(server.asks('customers').length).toBeLessThanOrEqual(200 - stored / PAGE + 1);
  });
});

test('a replica is as old as the server says that it holds changes back', async () => {
  const server = shopServer(3);
  const clock = new ManualClock();
  const { replica } = await openReplica({ clock });
  let behindMs = 60_000;
  replica.follow({
    pull: async (collection, after, limit) => ({
      ...(await server.pull(collection, after, limit)),
      behindMs,
    }),
  });
  await eventually(() => expect(replica.note.caughtUpAt).toBe(clock.now() - 60_000));
  behindMs = 0;
  replica.resync();
  await eventually(() => expect(replica.note.caughtUpAt).toBe(clock.now()));
});

describe('a page that', () => {
  test('ends where it began holds up nothing', async () => {
    const server = shopServer(3);
    const { replica, reader } = await openReplica();
    replica.follow(server);
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    const standing = server.head('customers');
    const pull = server.pull.bind(server);
    server.pull = async (...ask) => {
      const page = await pull(...ask);
      return page.documents.length === 0 ? page : { ...page, position: ask[1] ?? standing };
    };
    for (let n = 1; n < 2 * PAGES_UNSTORED_MAX; n += 1) {
      server.put('customers', customer(1, { points: 100 * n }));
      replica.resync(['customers']);
      await eventually(() => expect(reader.customer(customerId(1))?.points).toBe(100 * n));
    }
  });

  test('meets a conflict holds up nothing', async () => {
    const server = shopServer(10 * PAGE);
    const { replica, reader } = await openReplica();
    let conflicts = 0;
    const write = RxStorageInstanceSqlite.prototype.bulkWrite;
    const spy = vi.spyOn(RxStorageInstanceSqlite.prototype, 'bulkWrite').mockImplementation(async function (
      this: RxStorageInstanceSqlite<unknown>,
      rows,
      context,
    ) {
      if (this.collectionName === 'customers' && conflicts < 4) {
        conflicts += 1;
        // Somebody else writes the page's documents while RxDB is about to.
        await write.call(this, rows, context);
      }
      return write.call(this, rows, context);
    });
    try {
      replica.follow(inSmallPages(server));
      await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
      expect(conflicts).toBe(4);
      expectSame(reader, server);
    } finally {
      spy.mockRestore();
    }
  });

  test('RxDB itself gives up is never passed: the replica is opened again, and goes on before it', async () => {
    const server = shopServer(40 * PAGE);
    let lost = 0;
    const find = RxStorageInstanceSqlite.prototype.findDocumentsById;
    const spy = vi
      .spyOn(RxStorageInstanceSqlite.prototype, 'findDocumentsById')
      .mockImplementation(async function (this: RxStorageInstanceSqlite<unknown>, ids, withDeleted) {
        if (this.collectionName === 'customers' && lost === 0 && ids.includes(customerId(20 * PAGE))) {
          lost += 1;
          throw new Error('a fault of RxDB’s own');
        }
        return find.call(this, ids, withDeleted);
      });
    try {
      const { keeper, log } = await openKeeper();
      keeper.follow(inSmallPages(server));
      await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
      expect(lost).toBe(1);
      expect(log.count('replica.poisoned')).toBe(1);
      expectSame(keeper, server);
      await settle();
      await keeper.close();
    } finally {
      spy.mockRestore();
    }
  });
});
