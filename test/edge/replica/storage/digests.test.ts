// Goal: the digests of a collection are those of its documents after every kind of write, and a recount of the disk
// says the same, or says that something is lost.
import { readFileSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3-multiple-ciphers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { differingBuckets } from '../../../../edge/replica/storage/digests.ts';
import { getRxStorageSqlite, sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import type { SqliteStore } from '../../../../edge/replica/storage/store.ts';
import type { RxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import { card, cardSchema } from './card-collection.ts';
import type { Card } from './card-collection.ts';
import { cardDigest, digestsOf } from './card-digests.ts';
import { cardDatabase, filled, instanceOf, sqliteStorage, temporaryFile } from './storage-fixtures.ts';

const digests = { cards: cardDigest, bare: cardDigest };

function storeOf(instance: Awaited<ReturnType<typeof instanceOf<Card>>>): SqliteStore<Card> {
  // The instance was made with the card's schema.
  return instance.internals.sqlite as unknown as SqliteStore<Card>;
}

function recounted(store: SqliteStore<Card>, rows = 7): ReturnType<SqliteStore<Card>['digests']> {
  const recount = store.recount();
  while (!recount.step(rows).done);
  const found = recount.found();
  recount.close();
  return found;
}

describe('the digests of a collection', () => {
  test('follow inserts, updates, deletions, loading, repair, revival and cleaning up', async () => {
    const storage = sqliteStorage({ digests });
    const { database, cards } = await cardDatabase(storage, 'shop');
    const store = sqliteStoreOf(cards);
    const check = (): void => {
      const present = Array.from({ length: 9 }, (_, n) => store.readById(card(n).id)).filter(
        (document) => document?._deleted === false,
      );
      expect(
        differingBuckets(store.digests(), digestsOf(present.flatMap((document) => document ?? []))),
      ).toEqual([]);
      expect(differingBuckets(store.digests(), recounted(store))).toEqual([]);
    };
    check();
    await cards.bulkInsert([card(1), card(2), card(3)]);
    check();
    await (await cards.findOne(card(1).id).exec(true)).patch({ points: 99 });
    await (await cards.findOne(card(2).id).exec(true)).remove();
    check();
    store.bulkLoad([card(2), card(3), card(4), card(5)]);
    check();
    await cards.insert({ ...card(2), note: 'again' });
    store.repair({ put: [card(1), card(6)], delete: [card(3).id, 'nobody'] });
    check();
    await (await cards.findOne(card(5).id).exec(true)).remove();
    await cards.storageInstance.cleanup(0);
    check();
    await cards.bulkRemove([card(1).id, card(2).id]);
    check();
    await database.close();
    const again = await cardDatabase(storage, 'shop');
    expect(sqliteStoreOf(again.cards).digests()).toEqual(digestsOf([card(4), card(6)]));
  });

  test('do not change with a write that is refused as a conflict', async () => {
    const instance = await instanceOf(sqliteStorage({ digests }), cardSchema);
    const rows = [1, 2].map((points) => ({ document: filled({ ...card(1), points }) }));
    await instance.bulkWrite(rows, 'test');
    await instance.bulkWrite(rows, 'test');
    expect(storeOf(instance).digests()).toEqual(digestsOf([{ ...card(1), points: 1 }]));
  });

  test('follow what was stored, not what the writer says was stored', async () => {
    const instance = await instanceOf(sqliteStorage({ digests }), cardSchema);
    const stored = filled(card(1));
    await instance.bulkWrite([{ document: stored }], 'test');
    const mistaken = { ...stored, points: 77 };
    await instance.bulkWrite([{ previous: mistaken, document: filled({ ...card(1), points: 2 }) }], 'test');
    expect(storeOf(instance).digests()).toEqual(digestsOf([{ ...card(1), points: 2 }]));
  });

  test('do not change with a write that fails half-way', async () => {
    const storage = sqliteStorage({
      digests,
      beforeStatement: (operation) => {
        if (operation === 'update bare') throw new Error('disk I/O error');
      },
    });
    const instance = await instanceOf(storage, cardSchema);
    const previous = filled(card(1));
    await instance.bulkWrite([{ document: previous }], 'test');
    const rows = [{ document: filled(card(2)) }, { previous, document: filled({ ...card(1), points: 5 }) }];
    await expect(instance.bulkWrite(rows, 'test')).rejects.toThrow('must be reopened');
    expect(storeOf(instance).digests()).toEqual(digestsOf([card(1)]));
  });

  test('are computed anew when they were not kept, or kept by another version', async () => {
    const file = temporaryFile();
    const open = (more: Parameters<typeof sqliteStorage>[0]) =>
      instanceOf(sqliteStorage({ file, ...more }), cardSchema, 'bare');
    const without = await open({});
    await without.bulkWrite(
      [{ document: filled(card(1)) }, { document: filled(card(2), { _deleted: true }) }],
      '',
    );
    expect(() => storeOf(without).digests()).toThrow('keeps no digests');
    await without.close();
    const with1 = await open({ digests });
    expect(storeOf(with1).digests()).toEqual(digestsOf([card(1)]));
    await with1.close();
    const of2 = { bare: () => ({ bucket: 3, hash: 2n ** 64n - 1n }) };
    const with2 = await open({ digests: of2, digestVersion: 2 });
    expect(storeOf(with2).digests()[3]).toEqual({ hash: 2n ** 64n - 1n, count: 1 });
    await with2.close();
    const none = await open({});
    await none.bulkWrite([{ document: filled(card(7)) }], 'test');
    await none.close();
    expect(storeOf(await open({ digests, digestVersion: 2 })).digests()).toEqual(
      digestsOf([card(1), card(7)]),
    );
  });

  test('are the same for two instances of one collection, whichever writes', async () => {
    const storage = sqliteStorage({ digests });
    const [one, two] = [await instanceOf(storage, cardSchema), await instanceOf(storage, cardSchema)];
    await one.bulkWrite([{ document: filled(card(1)) }], 'test');
    await two.bulkWrite([{ document: filled(card(2)) }], 'test');
    await one.bulkWrite([{ document: filled(card(3)) }], 'test');
    expect(storeOf(two).digests()).toEqual(digestsOf([card(1), card(2), card(3)]));
  });

  test('of a collection that was removed and made again are empty', async () => {
    const storage = sqliteStorage({ digests });
    const keeper = await instanceOf(storage, cardSchema, 'keeper');
    const first = await instanceOf(storage, cardSchema, 'cards');
    await first.bulkWrite([{ document: filled(card(1)) }], 'test');
    await first.remove();
    const second = await instanceOf(storage, cardSchema, 'cards');
    expect(storeOf(second).digests()).toEqual(digestsOf([]));
    await keeper.close();
  });
});

describe('a recount', () => {
  test('is right whatever is written while it runs', async () => {
    const write = fc.record({
      n: fc.nat({ max: 40 }),
      what: fc.constantFrom('put' as const, 'delete' as const, 'load' as const),
      points: fc.nat({ max: 5 }),
    });
    const storage: RxStorageSqlite = getRxStorageSqlite({ file: ':memory:', digests: { bare: cardDigest } });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 40 }), { maxLength: 30 }),
        fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        async (present, turns, slice) => {
          const instance = await instanceOf(storage, cardSchema);
          const store = storeOf(instance);
          store.bulkLoad(present.map(card));
          const recount = store.recount();
          const left = [...turns];
          for (let done = false; !done || left.length > 0;) {
            done = recount.step(slice).done;
            for (const { n, what, points } of left.shift() ?? []) {
              const changed = { ...card(n), points };
              if (what === 'load') store.bulkLoad([changed]);
              else if (what === 'put') store.repair({ put: [changed], delete: [] });
              else store.repair({ put: [], delete: [card(n).id] });
            }
          }
          expect(recount.found()).toEqual(store.digests());
          await instance.remove();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('finds a row that went from the disk behind the storage’s back, and names its bucket', async () => {
    const file = temporaryFile();
    const plain = { file, key: undefined, digests };
    const first = await instanceOf(getRxStorageSqlite({ file, digests }), cardSchema);
    storeOf(first).bulkLoad(Array.from({ length: 50 }, (_, n) => card(n)));
    await first.close();
    const vandal = new Database(file);
    vandal.prepare("DELETE FROM documents_1 WHERE id='card-000020'").run();
    vandal.close();
    const again = storeOf(await instanceOf(getRxStorageSqlite({ file: plain.file, digests }), cardSchema));
    const lost = cardDigest({ ...card(20) }).bucket;
    expect(differingBuckets(recounted(again), again.digests())).toEqual([lost]);
  });

  test('that finds no damage has read every page that point reads need', async () => {
    const file = temporaryFile();
    const first = await instanceOf(sqliteStorage({ file, digests }), { ...cardSchema, indexes: [] });
    storeOf(first).bulkLoad(Array.from({ length: 1500 }, (_, n) => card(n)));
    await first.close();
    const good = readFileSync(file);
    const pages = good.length / 4096;
    const found: unknown[] = [];
    let unseen = 0;
    // Pages 1 to 8 hold the catalogue and its like, which the opening reads or nobody does.
    for (let page = 8; page < pages; page += 5) {
      const bad = Buffer.from(good);
      bad.writeUInt8(bad.readUInt8(page * 4096 + 100) ^ 1, page * 4096 + 100);
      writeFileSync(file, bad);
      const storage = sqliteStorage({ file, digests });
      const store = storeOf(await instanceOf(storage, { ...cardSchema, indexes: [] }));
      try {
        recounted(store, 100);
        // A page of another index, which no point read needs.
        for (let n = 0; n < 1500; n += 1) expect(store.readById(card(n).id)).toMatchObject(card(n));
        unseen += 1;
      } catch (error) {
        found.push(error);
      }
      storage.abandon();
    }
    expect(found.length).toBeGreaterThan(unseen);
    const corrupt = expect.objectContaining({
      code: 'REP_POISONED',
      cause: expect.objectContaining({ code: 'REP_CORRUPT' }) as unknown,
    }) as unknown;
    expect(found).toEqual(found.map(() => corrupt));
  });

  test('ends the one before it, and steps no more once closed', async () => {
    const store = storeOf(await instanceOf(sqliteStorage({ digests }), cardSchema));
    const [first, second] = [store.recount(), store.recount()];
    expect(() => first.step(1)).toThrow('closed');
    first.close();
    expect(second.step(1)).toEqual({ rows: 0, done: true });
    second.close();
    second.close();
    expect(() => second.step(1)).toThrow('closed');
  });

  test('hears of what another instance of the collection writes', async () => {
    const storage = sqliteStorage({ digests });
    const [one, two] = [await instanceOf(storage, cardSchema), await instanceOf(storage, cardSchema)];
    storeOf(one).bulkLoad([card(1), card(5)]);
    const recount = storeOf(one).recount();
    recount.step(1);
    storeOf(two).bulkLoad([card(0), card(9)]);
    while (!recount.step(1).done);
    expect(recount.found()).toEqual(storeOf(two).digests());
  });

  test('of a collection that is removed ends without poisoning the others', async () => {
    const storage = sqliteStorage({ digests });
    const keeper = await instanceOf(storage, cardSchema, 'keeper');
    const instance = await instanceOf(storage, cardSchema);
    const recount = storeOf(instance).recount();
    await instance.remove();
    expect(() => recount.step(1)).toThrow('closed');
    expect(storage.poisonedBy).toBeUndefined();
    await keeper.close();
  });
});
