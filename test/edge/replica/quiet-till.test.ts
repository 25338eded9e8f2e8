// Goal: a till for which nothing changes keeps up with the server's horizon of deletions, running or restarted, and skips nothing.
// Method: a server that says of what lies outside the till's scope nothing but where the feed ends; and forgets deletions.
import { describe, expect, test } from 'vitest';
import type { CustomerReplica } from '../../../edge/replica/customer-replica.ts';
import type { ReplicaSource } from '../../../edge/replica/feed-source.ts';
import { replicaCollectionNames } from '../../../sync/contract/replica-documents.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { customer, customerId, shopServer } from './feed-server.ts';
import type { FeedServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper } from './replica-fixture.ts';

/** Customers from this number on are those of another region. */
const ELSEWHERE = 100;

function scoped(server: FeedServer): ReplicaSource {
  return {
    pull: async (...asked) => {
      const page = await server.pull(...asked);
      const documents = page.documents.filter(
        ({ id }) => String(id) < customerId(ELSEWHERE) || id === 'autumn',
      );
      // A last page ends where the whole feed does, however little of it was for this till.
      const heads = replicaCollectionNames.map((name) => Number(server.head(name).xid));
      const end = String(Math.max(Number(page.position.xid), ...heads));
      const position = page.more ? page.position : { ...page.position, xid: end };
      return asked[0] === 'customers' ? { ...page, documents, position } : { ...page, position };
    },
  };
}

describe('a till for which nothing changed', () => {
  const clock = new ManualClock();

  async function quiet() {
    const server = shopServer(5);
    const opened = await openKeeper({ clock });
    opened.keeper.follow(scoped(server));
    await eventually(() => expect(opened.keeper.caughtUpAt).not.toBeNull());
    await opened.keeper.idle();
    await caughtUpAgain(opened.keeper);
    server.put('customers', customer(ELSEWHERE));
    server.remove('customers', customerId(ELSEWHERE));
    await caughtUpAgain(opened.keeper);
    server.purge();
    return { server, ...opened };
  }

  /** Every collection was asked for, and what came is stored. */
  async function caughtUpAgain(keeper: CustomerReplica): Promise<void> {
    await clock.advance(1_000);
    keeper.resync();
    await eventually(() => expect(keeper.caughtUpAt).toBe(clock.now()));
  }

  test('goes on past a horizon that moved beyond its last change', async () => {
    const { server, keeper, log } = await quiet();
    await caughtUpAgain(keeper);
    server.put('customers', customer(1, { tier: 'gold' }));
    await caughtUpAgain(keeper);
    expect(keeper.customer(customerId(1))?.tier).toBe('gold');
    expect(log.count('replica.reseed')).toBe(0);
  });

  test('goes on past it after a restart, too, and lacks nothing', async () => {
    const { server, keeper, folder } = await quiet();
    await keeper.close();
    server.put('customers', customer(1, { tier: 'gold' }), customer(20));
    server.remove('customers', customerId(2));
    const next = await openKeeper({ folder, clock });
    server.asked.length = 0;
    next.keeper.follow(scoped(server));
    await eventually(() => expectSame(next.keeper, server));
    expect(next.log.count('replica.reseed')).toBe(0);
    for (const collection of replicaCollectionNames) {
      expect(Number(server.asks(collection)[0]?.after?.xid)).toBeGreaterThanOrEqual(server.purgedUpTo);
    }
  });

  test('asks from before what it could not store', async () => {
    const server = shopServer(5);
    let failing = false;
    const { keeper, folder, log } = await openKeeper({
      clock,
      beforeStatement: (operation) => {
        if (failing && operation === 'update customers') throw new Error('disk I/O error');
      },
    });
    keeper.follow(scoped(server));
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    await caughtUpAgain(keeper);
    failing = true;
    server.put('customers', customer(1, { tier: 'gold' }));
    keeper.resync();
    await eventually(() => expect(log.count('replica.poisoned')).toBeGreaterThan(0));
    server.put('customers', customer(ELSEWHERE));
    keeper.resync();
    await keeper.close();
    const next = await openKeeper({ folder, clock });
    next.keeper.follow(scoped(server));
    await eventually(() => expect(next.keeper.customer(customerId(1))?.tier).toBe('gold'));
  });

  test('in another history is loaded anew, however far it had come in the one before', async () => {
    const { server, keeper, log } = await quiet();
    server.startEpoch('second');
    server.purgedUpTo = 0;
    keeper.resync();
    await eventually(() => expect(log.count('replica.replaced')).toBe(2));
    expect(log.lines.find(({ event }) => event === 'replica.reseed')).toMatchObject({ reason: 'epoch' });
  });
});
