// Goal: what is put into a collection beside RxDB is whole or not there, is durable when it says so, and RxDB's own
// documents, queries and later pulls go on from it.
import { copyFileSync, renameSync } from 'node:fs';
import { createRxDatabase } from 'rxdb';
import type { RxCollection, RxJsonSchema } from 'rxdb';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openReader } from '../../../../edge/replica/storage/reader.ts';
import { sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import { card } from './card-collection.ts';
import type { Card } from './card-collection.ts';
import { cardDatabase, key, sqliteStorage, temporaryFile } from './storage-fixtures.ts';

/** One pull to its end, of documents as a server sends them. */
function pull(
  cards: RxCollection<Card>,
  documents: readonly (Card & { readonly _deleted: boolean })[],
): Promise<void> {
  return replicateRxCollection<Card, { after: number }>({
    collection: cards,
    replicationIdentifier: 'server',
    live: false,
    waitForLeadership: false,
    pull: {
      batchSize: 50,
      handler: (checkpoint) =>
        Promise.resolve({
          documents: checkpoint === undefined ? [...documents] : [],
          checkpoint: { after: documents.length },
        }),
    },
  }).awaitInitialReplication();
}

describe('a loading with a mark', () => {
  test('is there with its mark after reopening, and both are not when it failed', async () => {
    let failing = false;
    const storage = sqliteStorage({
      beforeStatement: (operation) => {
        if (failing && operation === 'commit cards') throw new Error('disk I/O error');
      },
    });
    const first = await cardDatabase(storage, 'shop');
    const store = sqliteStoreOf(first.cards);
    expect(store.readMark('snapshot')).toBeUndefined();
    store.bulkLoad([card(1), card(2)], { name: 'snapshot', text: '{"chunk":1}' });
    failing = true;
    expect(() => store.bulkLoad([card(3)], { name: 'snapshot', text: '{"chunk":2}' })).toThrow('reopened');
    failing = false;
    expect(store.readMark('snapshot')).toBe('{"chunk":1}');
    await first.database.close();
    const again = sqliteStoreOf((await cardDatabase(storage, 'shop')).cards);
    expect([again.readMark('snapshot'), again.liveCount()]).toEqual(['{"chunk":1}', 2]);
    again.writeMark({ name: 'snapshot', text: null });
    again.writeMark({ name: 'other', text: '' });
    expect([again.readMark('snapshot'), again.readMark('other')]).toEqual([undefined, '']);
  });

  test('is in the file alone after sync: a copy of it, or the file renamed, has everything', async () => {
    const file = temporaryFile();
    const { database, cards } = await cardDatabase(sqliteStorage({ file, synchronous: 'OFF' }), 'shop');
    const store = sqliteStoreOf(cards);
    store.bulkLoad(
      Array.from({ length: 300 }, (_, n) => card(n)),
      { name: 'end', text: 'yes' },
    );
    const copied = (name: string): number => {
      copyFileSync(file, `${file}${name}`);
      const reader = openReader({ file: `${file}${name}`, key });
      onTestFinished(() => reader.close());
      return reader.liveCount('cards');
    };
    expect(() => copied('.before')).toThrow('has layout 0');
    store.sync();
    expect(copied('.after')).toBe(300);
    store.sync();
    await database.close();
    renameSync(file, `${file}.renamed`);
    const renamed = await cardDatabase(sqliteStorage({ file: `${file}.renamed` }), 'shop');
    expect(sqliteStoreOf(renamed.cards).liveCount()).toBe(300);
    expect(sqliteStoreOf(renamed.cards).readMark('end')).toBe('yes');
  });

  test('is overwritten and deleted by later pulls of a replication that only pulls', async () => {
    const { cards } = await cardDatabase(sqliteStorage());
    const store = sqliteStoreOf(cards);
    store.bulkLoad([card(1), card(2), card(3)]);
    store.repair({ put: [card(4)], delete: [card(3).id] });
    await pull(cards, [
      { ...card(1), points: 71, _deleted: false },
      { ...card(2), _deleted: true },
      { ...card(3), points: 73, _deleted: false },
      { ...card(4), points: 74, _deleted: false },
    ]);
    const found = await cards.find({ sort: [{ id: 'asc' }] }).exec();
    expect(found.map(({ points }) => points)).toEqual([71, 73, 74]);
  });
});

describe('a repair', () => {
  test('makes documents what they shall be, whatever they were, and tells what it did', async () => {
    const { cards } = await cardDatabase(sqliteStorage());
    const store = sqliteStoreOf(cards);
    await cards.bulkInsert([card(1), card(2), card(3), card(4)]);
    await (await cards.findOne(card(4).id).exec(true)).remove();
    const done = store.repair({
      put: [card(1), { ...card(2), note: 'right' }, card(4), card(5)],
      delete: [card(3).id, 'nobody'],
    });
    expect(done).toEqual({ written: 3, deleted: 1, unchanged: 2 });
    expect(store.liveCount()).toBe(4);
    expect(store.readById(card(2).id)).toMatchObject({
      note: 'right',
      _rev: expect.stringMatching(/^2-/) as string,
    });
    expect(store.readById(card(4).id)).toMatchObject({ ...card(4), _deleted: false });
    expect(store.readById(card(5).id)).toMatchObject({ ...card(5), _deleted: false });
  });

  test('leaves of a deleted document nothing but its key', async () => {
    const { cards } = await cardDatabase(sqliteStorage());
    await cards.insert({ ...card(1), note: 'secret' });
    sqliteStoreOf(cards).repair({ put: [], delete: [card(1).id] });
    const { _meta, _rev, ...tombstone } = sqliteStoreOf(cards).readById(card(1).id) ?? {};
    expect(tombstone).toEqual({ id: card(1).id, _deleted: true, _attachments: {} });
  });

  test('keeps of a deleted document the fields its composite key is made of', async () => {
    interface Visit {
      readonly id: string;
      readonly shop: string;
      readonly day: string;
      readonly note: string;
    }
    const schema: RxJsonSchema<Visit> = {
      version: 0,
      primaryKey: { key: 'id', fields: ['shop', 'day'], separator: '|' },
      type: 'object',
      properties: {
        id: { type: 'string', maxLength: 40 },
        shop: { type: 'string' },
        day: { type: 'string' },
        note: { type: 'string' },
      },
      required: ['id', 'shop', 'day', 'note'],
    };
    const database = await createRxDatabase({ name: 'shop', storage: sqliteStorage(), multiInstance: false });
    onTestFinished(async () => {
      await database.close();
    });
    const { visits } = await database.addCollections<{ visits: RxCollection<Visit> }>({ visits: { schema } });
    const visit = { id: 'a|1', shop: 'a', day: '1', note: 'x' };
    await visits.insert({ ...visit, id: '' });
    const store = sqliteStoreOf(visits);
    expect(store.repair({ put: [visit], delete: [] })).toMatchObject({ unchanged: 1 });
    store.repair({ put: [], delete: ['a|1'] });
    expect(store.readById('a|1')).toMatchObject({ id: 'a|1', shop: 'a', day: '1', _deleted: true });
    expect(store.readById('a|1')).not.toHaveProperty('note');
  });

  test('is seen by RxDB’s documents, running queries and cached answers', async () => {
    const { cards } = await cardDatabase(sqliteStorage());
    await cards.bulkInsert([card(1), card(2)]);
    const one = await cards.findOne(card(1).id).exec(true);
    const answers: number[][] = [];
    const query = cards.find({ sort: [{ id: 'asc' }] });
    const watching = query.$.subscribe((documents) => answers.push(documents.map(({ points }) => points)));
    await query.exec();
    sqliteStoreOf(cards).repair({ put: [{ ...card(1), points: 11 }, card(3)], delete: [card(2).id] });
    expect((await cards.findOne(card(1).id).exec(true)).points).toBe(11);
    expect(one.getLatest().points).toBe(11);
    expect((await query.exec()).map(({ points }) => points)).toEqual([11, 3]);
    watching.unsubscribe();
    expect(answers.at(-1)).toEqual([11, 3]);
    // RxDB's next write of the document builds on the repaired one.
    await one.getLatest().patch({ note: 'on' });
    expect(sqliteStoreOf(cards).readById(card(1).id)).toMatchObject({ points: 11, note: 'on' });
  });

  test('that fails changes nothing, and poisons', async () => {
    let failing = false;
    const storage = sqliteStorage({
      beforeStatement: (operation) => {
        if (failing && operation === 'update cards') throw new Error('disk I/O error');
      },
    });
    const { cards } = await cardDatabase(storage);
    await cards.bulkInsert([card(1), card(2)]);
    failing = true;
    const store = sqliteStoreOf(cards);
    expect(() => store.repair({ put: [card(3)], delete: [card(2).id] })).toThrow('must be reopened');
    expect([store.liveCount(), store.readById(card(3).id)]).toEqual([2, undefined]);
    expect(storage.poisonedBy).toBeDefined();
  });
});
