// Goal: what RxDB keeps in memory does not grow with lookups or changes.
// Method: 100,000 lookups and 20,000 changes; then the sizes of its caches, by the names of RxDB 17.6.
import { RxCollectionBase } from 'rxdb';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { cardIndex, customer, customerId, shopServer } from './feed-server.ts';
import { eventually, openReplica } from './replica-fixture.ts';

interface Cached {
  readonly name: string;
  readonly _docCache: { readonly cacheItemByDocId: ReadonlyMap<string, unknown> };
  readonly _queryCache: { readonly _map: ReadonlyMap<string, unknown> };
}

describe('RxDB’s caches', () => {
  test('stay empty, however much is looked up and changed', async () => {
    const prepare = vi.spyOn(RxCollectionBase.prototype, 'prepare');
    onTestFinished(() => prepare.mockRestore());
    const server = shopServer(1_000);
    const { replica, reader } = await openReplica();
    replica.follow(server);
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    for (let round = 1; round <= 20; round += 1) {
      for (let n = 0; n < 1_000; n += 1) server.put('customers', customer(n, { points: round * 10_000 + n }));
      replica.resync(['customers']);
      for (let n = 0; n < 2_500; n += 1) {
        reader.credential(cardIndex(n % 1_000));
        reader.customer(customerId(n % 1_000));
      }
      await eventually(() => expect(reader.customer(customerId(999))?.points).toBe(round * 10_000 + 999));
    }
    // RxDB's own type does not name its caches.
    const collections = prepare.mock.contexts as unknown as readonly Cached[];
    expect(collections.map(({ name }) => name).toSorted()).toEqual([
      'credentials',
      'customers',
      'offers',
      'programme',
    ]);
    for (const { _docCache, _queryCache } of collections) {
      expect(_docCache.cacheItemByDocId.size).toBeLessThan(100);
      expect(_queryCache._map.size).toBeLessThan(10);
    }
  });
});
