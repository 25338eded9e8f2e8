// Goal: whoever has a till in hand is given the customers of its store, whatever store they name.
import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import type { LogFields } from '../../../foundation/log.ts';
import { silentLog } from '../../../foundation/log.ts';
import type { Database } from '../../../server/database/database.ts';
import { scopeFor } from '../../../server/feed/programme-scope.ts';
import { EVERYTHING } from '../../../server/feed/scope.ts';
import { currentProgramme, putProgramme } from '../../../server/programme/programme-store.ts';
import { TillStores } from '../../../server/tills/till-stores.ts';
import type { ReplicaScope } from '../../../sync/contract/replica-scope.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { programme } from '../programme.ts';

const byStore: ReplicaScope = { by: 'store', activeWithinDays: 30 };

export function tillStoresSuite(database: () => Database): void {
  const clock = new ManualClock();
  let stores: TillStores;
  let logged: LogFields[];
  beforeEach(async () => {
    logged = [];
    const warn = (fields: LogFields): void => void logged.push(fields);
    stores = new TillStores({ database: database(), clock, log: { ...silentLog, warn } });
    await sql`delete from till_store`.execute(database().db);
    await scope(byStore);
  });
  async function scope(setting: ReplicaScope): Promise<void> {
    const version = ((await currentProgramme(database().db))?.version ?? 0) + 1;
    await database().transaction((tx) =>
      putProgramme(tx, { ...programme, version, replica: { scope: setting } }, 0),
    );
  }

  test('the first store a till names is its store, and another is refused', async () => {
    expect(await stores.scopeOf('till-1', 'graz')).toEqual(scopeFor(byStore, 'graz'));
    expect(await stores.scopeOf('till-1', 'graz')).toEqual(scopeFor(byStore, 'graz'));
    await expect(stores.scopeOf('till-1', 'kiel')).rejects.toMatchObject({ code: 'SCOPE_FOREIGN' });
    await expect(stores.scopeOf('till-1', 'nowhere')).rejects.toMatchObject({ code: 'SCOPE_FOREIGN' });
    expect(await stores.scopeOf('till-2', 'kiel')).toEqual(scopeFor(byStore, 'kiel'));
  });

  test('a till that leaves its store out is given no more than before', async () => {
    await stores.scopeOf('till-1', 'graz');
    expect(await stores.scopeOf('till-1', undefined)).toEqual(scopeFor(byStore, 'graz'));
    // One that never named any does not know of scopes.
    expect(await stores.scopeOf('till-old', undefined)).toEqual(EVERYTHING);
  });

  test('a till that was moved is given the customers of its new store, and its old one is refused', async () => {
    await stores.scopeOf('till-1', 'graz');
    const moved = { till: 'till-1', store: 'kiel', at: clock.now(), putBy: 'hq-1' };
    expect(await stores.move('till-1', 'kiel', 'hq-1')).toEqual(moved);
    expect(logged).toMatchObject([{ event: 'till.moved', till: 'till-1', store: 'kiel' }]);
    expect(await stores.scopeOf('till-1', 'kiel')).toEqual(scopeFor(byStore, 'kiel'));
    await expect(stores.scopeOf('till-1', 'graz')).rejects.toMatchObject({ code: 'SCOPE_FOREIGN' });
    expect(await stores.list()).toEqual([moved]);
    // Also before it was ever seen.
    await stores.move('till-new', 'kiel', 'hq-1');
    await expect(stores.scopeOf('till-new', 'graz')).rejects.toMatchObject({ code: 'SCOPE_FOREIGN' });
  });

  test('of two answers at once one counts', async () => {
    const other = new TillStores({ database: database(), clock, log: silentLog });
    const outcomes = await Promise.allSettled([
      stores.scopeOf('till-1', 'graz'),
      other.scopeOf('till-1', 'kiel'),
    ]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  test('while every till holds everybody, no till is bound to a store', async () => {
    await scope({ by: 'all' });
    for (const store of ['graz', 'kiel']) {
      expect(await stores.scopeOf('till-1', store)).toEqual(EVERYTHING);
    }
    expect(await stores.list()).toEqual([]);
  });
}
