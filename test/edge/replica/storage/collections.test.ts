// Goal: what RxDB asks of a storage, seen through RxDB where it can be, at the instance where it cannot.
import { addRxPlugin } from 'rxdb';
import type { EventBulk, RxCollection, RxJsonSchema, RxStorageChangeEvent } from 'rxdb';
import { RxDBAttachmentsPlugin } from 'rxdb/plugins/attachments';
import { RxDBMigrationSchemaPlugin } from 'rxdb/plugins/migration-schema';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import { describe, expect, test } from 'vitest';
import { createRxDatabase } from 'rxdb';
import { sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { card, cardSchema } from './card-collection.ts';
import type { Card } from './card-collection.ts';
import { cardDatabase, filled, instanceOf, sqliteStorage, temporaryFile } from './storage-fixtures.ts';

addRxPlugin(RxDBAttachmentsPlugin);
addRxPlugin(RxDBMigrationSchemaPlugin);

describe('a collection', () => {
  test('holds after reopening what was inserted, changed and removed', async () => {
    const storage = sqliteStorage();
    const first = await cardDatabase(storage, 'shop');
    await first.cards.bulkInsert([card(1), card(2), card(3)]);
    await (await first.cards.findOne(card(1).id).exec(true)).patch({ points: 99 });
    await (await first.cards.findOne(card(2).id).exec(true)).remove();
    await first.database.close();
    const second = await cardDatabase(storage, 'shop');
    const found = await second.cards.find({ sort: [{ points: 'asc' }] }).exec();
    expect(found.map(({ id, points }) => [id, points])).toEqual([
      [card(3).id, 3],
      [card(1).id, 99],
    ]);
  });

  test('knows how many documents are not deleted, after every kind of write and after reopening', async () => {
    const storage = sqliteStorage();
    const first = await cardDatabase(storage, 'shop');
    const live = (cards: RxCollection<Card>): number => sqliteStoreOf(cards).liveCount();
    sqliteStoreOf(first.cards).bulkLoad([card(1), card(2)]);
    sqliteStoreOf(first.cards).bulkLoad([card(2), card(3)]);
    await first.cards.bulkInsert([card(3), card(4), card(5)]);
    expect(live(first.cards)).toBe(5);
    await (await first.cards.findOne(card(1).id).exec(true)).patch({ points: 99 });
    await (await first.cards.findOne(card(2).id).exec(true)).remove();
    expect(live(first.cards)).toBe(4);
    await first.cards.insert(card(2));
    await (await first.cards.findOne(card(3).id).exec(true)).remove();
    await first.database.close();
    const second = await cardDatabase(storage, 'shop');
    expect(live(second.cards)).toBe(4);
    expect(live(second.cards)).toBe((await second.cards.find().exec()).length);
  });

  test('takes a deleted document back in when it is inserted again', async () => {
    const { cards } = await cardDatabase(sqliteStorage());
    await (await cards.insert(card(1))).remove();
    await cards.insert({ ...card(1), points: 7 });
    expect((await cards.findOne(card(1).id).exec(true)).points).toBe(7);
  });

  test('keeps attachments, changed and removed with their document', async () => {
    const storage = sqliteStorage();
    const schema = { ...cardSchema, attachments: {} };
    const open = async (): Promise<RxCollection<Card>> => {
      const database = await createRxDatabase({ name: 'shop', storage, multiInstance: false });
      return (await database.addCollections<{ cards: RxCollection<Card> }>({ cards: { schema } })).cards;
    };
    const cards = await open();
    const holder = await cards.insert(card(1));
    const put = (text: string): Promise<unknown> =>
      holder
        .getLatest()
        .putAttachment({ id: 'photo', data: new Blob([text], { type: 'text/plain' }), type: 'text/plain' });
    await put('first');
    await put('second');
    await cards.database.close();
    const again = await open();
    const photo = (await again.findOne(card(1).id).exec(true)).getAttachment('photo');
    expect(await photo?.getStringData()).toBe('second');
    expect(photo?.type).toBe('text/plain');
    await photo?.remove();
    expect((await again.findOne(card(1).id).exec(true)).allAttachments()).toEqual([]);
    await again.database.close();
  });

  test('migrates to a new schema version and leaves nothing of the old one', async () => {
    const storage = sqliteStorage();
    const first = await cardDatabase(storage, 'shop');
    await first.cards.bulkInsert([card(1), card(2)]);
    await first.database.close();
    const database = await createRxDatabase({ name: 'shop', storage, multiInstance: false });
    const schema: RxJsonSchema<Card> = {
      ...cardSchema,
      version: 1,
      indexes: ['note'],
      properties: { ...cardSchema.properties, note: { type: 'string', maxLength: 20 } },
    };
    const { cards } = await database.addCollections<{ cards: RxCollection<Card> }>({
      cards: {
        schema,
        migrationStrategies: { 1: (old: Card): Card => ({ ...old, note: `was ${old.points}` }) },
      },
    });
    expect(sqliteStoreOf(cards).readById(card(2).id)).toMatchObject({ note: 'was 2' });
    expect(await cards.count({ selector: { note: 'was 2' } }).exec()).toBe(1);
    const old = await instanceOf(storage, cardSchema, 'cards');
    expect((await old.findDocumentsById([card(1).id], true)).length).toBe(0);
    await old.close();
    await database.close();
  });

  test('removed with its database leaves no row in the file', async () => {
    const storage = sqliteStorage();
    const first = await cardDatabase(storage, 'shop');
    await first.cards.bulkInsert([card(1), card(2)]);
    await first.database.remove();
    const second = await cardDatabase(storage, 'shop');
    expect(await second.cards.count().exec()).toBe(0);
  });

  test('resumes a pull after reopening where its checkpoint stands', async () => {
    const storage = sqliteStorage();
    const asked: number[] = [];
    const pull = (cards: RxCollection<Card>, available: number): Promise<void> =>
      replicateRxCollection<Card, { after: number }>({
        collection: cards,
        replicationIdentifier: 'server',
        live: false,
        waitForLeadership: false,
        pull: {
          batchSize: 50,
          handler: async (checkpoint, batchSize) => {
            const from = checkpoint?.after ?? 0;
            asked.push(from);
            const to = Math.min(available, from + batchSize);
            return {
              documents: Array.from({ length: to - from }, (_, i) => ({
                ...card(from + i),
                _deleted: false,
              })),
              checkpoint: { after: to },
            };
          },
        },
      }).awaitInitialReplication();
    const first = await cardDatabase(storage, 'shop');
    await pull(first.cards, 120);
    await first.database.close();
    const second = await cardDatabase(storage, 'shop');
    await pull(second.cards, 170);
    expect(await second.cards.count().exec()).toBe(170);
    expect(asked).toEqual([0, 50, 100, 120, 170]);
  });
});

describe('a storage instance', () => {
  test('answers a write without the newest revision with a conflict, and writes the others', async () => {
    const instance = await instanceOf(sqliteStorage(), cardSchema);
    const first = filled(card(1), { _rev: '1-a' });
    await instance.bulkWrite([{ document: first }], 'test');
    const { error } = await instance.bulkWrite(
      [
        { document: filled(card(1), { _rev: '1-b' }) },
        { document: filled(card(2)) },
        { previous: filled(card(1), { _rev: '1-z' }), document: filled(card(1), { _rev: '2-z' }) },
      ],
      'test',
    );
    expect(error.map(({ status, documentId }) => [status, documentId])).toEqual([
      [409, card(1).id],
      [409, card(1).id],
    ]);
    expect(error[0]).toMatchObject({ documentInDb: first });
    expect(
      (await instance.findDocumentsById([card(1).id, card(2).id], false)).map(({ _rev }) => _rev)[0],
    ).toBe('1-a');
  });

  test('answers the second of two inserts of one document in the same call with a conflict', async () => {
    const instance = await instanceOf(sqliteStorage(), cardSchema);
    const rows = [1, 2].map((points) => ({ document: filled({ ...card(1), points }) }));
    const { error } = await instance.bulkWrite(rows, 'test');
    expect(error).toHaveLength(1);
    expect((await instance.findDocumentsById([card(1).id], false))[0]?.points).toBe(1);
  });

  test('tells ids apart that differ in a lone surrogate or a NUL only', async () => {
    const instance = await instanceOf(sqliteStorage(), cardSchema);
    const ids = ['a\uD800', 'a\uDFFF', 'a\uFFFD', 'a\0', 'a', 'a\0b'];
    const { error } = await instance.bulkWrite(
      ids.map((id) => ({ document: filled({ ...card(1), id }) })),
      'test',
    );
    expect(error).toEqual([]);
    expect((await instance.findDocumentsById(ids, true)).map(({ id }) => id)).toEqual(ids);
  });

  test('emits one bulk a write, with its context, its events and the checkpoint of its last document', async () => {
    const instance = await instanceOf(sqliteStorage(), cardSchema);
    const bulks: EventBulk<RxStorageChangeEvent<Card>, unknown>[] = [];
    instance.changeStream().subscribe((bulk) => bulks.push(bulk));
    const one = filled(card(1));
    const two = filled(card(2));
    await instance.bulkWrite([{ document: one }, { document: two }], 'here');
    await instance.bulkWrite([{ previous: one, document: filled(card(1), { _deleted: true }) }], 'there');
    expect(bulks.map(({ context, events }) => [context, events.map(({ operation }) => operation)])).toEqual([
      ['here', ['INSERT', 'INSERT']],
      ['there', ['DELETE']],
    ]);
    expect(bulks[0]?.checkpoint).toEqual({ id: two.id, lwt: two._meta.lwt });
  });

  test('pages through changes without loss or repetition, however many share a time, also after reopening', async () => {
    const storage = sqliteStorage();
    let instance = await instanceOf(storage, cardSchema);
    const documents = Array.from({ length: 50 }, (_, n) =>
      filled(card(n), { lwt: 1000 + (n % 3), _deleted: n % 5 === 0 }),
    );
    await instance.bulkWrite(
      documents.map((document) => ({ document })),
      'test',
    );
    const seen: string[] = [];
    let checkpoint: unknown;
    for (;;) {
      const page = await instance.getChangedDocumentsSince?.(7, checkpoint);
      if (page === undefined || page.documents.length === 0) break;
      seen.push(...page.documents.map(({ id }) => id));
      checkpoint = page.checkpoint;
      await instance.close();
      instance = await instanceOf(storage, cardSchema);
    }
    expect(seen.toSorted()).toEqual(documents.map(({ id }) => id));
    expect(await instance.getChangedDocumentsSince?.(7, checkpoint)).toEqual({ documents: [], checkpoint });
  });

  test('cleans up old tombstones in bounded slices, and nothing else', async () => {
    const instance = await instanceOf(sqliteStorage({ cleanupSliceRows: 10 }), cardSchema);
    const old = Array.from({ length: 25 }, (_, n) => filled(card(n), { lwt: 1000, _deleted: true }));
    const kept = [filled(card(100), { lwt: 1000 }), filled(card(101), { lwt: Date.now(), _deleted: true })];
    await instance.bulkWrite(
      [...old, ...kept].map((document) => ({ document })),
      'test',
    );
    const answers = [];
    do answers.push(await instance.cleanup(60_000));
    while (answers.at(-1) === false);
    expect(answers).toEqual([false, false, true]);
    const left = await instance.findDocumentsById(
      [...old, ...kept].map(({ id }) => id),
      true,
    );
    expect(left.map(({ id }) => id)).toEqual(kept.map(({ id }) => id));
  });

  test('works on nothing once closed, and closes twice without complaint', async () => {
    const instance = await instanceOf(sqliteStorage(), cardSchema);
    await Promise.all([instance.close(), instance.close()]);
    await expect(instance.findDocumentsById(['x'], true)).rejects.toThrow('closed');
  });

  test('of another schema with the same version is refused', async () => {
    const storage = sqliteStorage();
    const instance = await instanceOf(storage, cardSchema);
    await expect(instanceOf(storage, { ...cardSchema, indexes: ['holder'] })).rejects.toThrow(
      'raise the schema’s version'.replace('’', "'"),
    );
    await instance.close();
  });
});

describe('the way in beside RxDB', () => {
  test('reads one document at once, as it was last written', async () => {
    const { cards } = await cardDatabase(sqliteStorage());
    const inserted = await cards.insert(card(1));
    const store = sqliteStoreOf(cards);
    expect(store.readById(card(1).id)).toMatchObject({ ...card(1), _deleted: false });
    await inserted.remove();
    expect(store.readById(card(1).id)).toMatchObject({ _deleted: true });
    expect(store.readById('nobody')).toBeUndefined();
  });

  test('loads documents that RxDB then queries, changes and removes as its own', async () => {
    const { cards } = await cardDatabase(sqliteStorage());
    const store = sqliteStoreOf(cards);
    expect(store.bulkLoad(Array.from({ length: 100 }, (_, n) => card(n)))).toEqual({
      loaded: 100,
      skipped: 0,
    });
    expect(store.bulkLoad([{ ...card(5), points: -5 }, card(100)])).toEqual({ loaded: 1, skipped: 1 });
    expect(await cards.count({ selector: { holder: 'h5' } }).exec()).toBe(14);
    const five = await cards.findOne(card(5).id).exec(true);
    expect(five.points).toBe(5);
    await five.patch({ points: 6 });
    expect(store.readById(card(5).id)).toMatchObject({
      points: 6,
      _rev: expect.stringMatching(/^2-/) as string,
    });
    await (await cards.findOne(card(6).id).exec(true)).remove();
    expect(await cards.count().exec()).toBe(100);
  });

  test('is not to be had for a collection of another storage', async () => {
    const { cards } = await cardDatabase(getRxStorageMemory());
    expect(() => sqliteStoreOf(cards)).toThrow('not stored in sqlite-encrypted');
  });
});

test('a file abandoned under its collections refuses them, reports no error, and opens anew', async () => {
  const reported: Error[] = [];
  const storage = sqliteStorage({ onPoisoned: (error) => reported.push(error) });
  const old = await instanceOf(storage, cardSchema);
  await old.bulkWrite([{ document: filled(card(1)) }], 'test');
  storage.abandon();
  await expect(old.findDocumentsById([card(1).id], true)).rejects.toMatchObject({ code: 'REP_POISONED' });
  expect(reported).toEqual([]);
  const anew = await instanceOf(storage, cardSchema);
  await old.close();
  expect(await anew.findDocumentsById([card(1).id], true)).toHaveLength(1);
  await anew.close();
});

test('two databases in one file do not see each other', async () => {
  const storage = sqliteStorage({ file: temporaryFile() });
  const one = await cardDatabase(storage);
  const two = await cardDatabase(storage);
  await one.cards.insert(card(1));
  expect(await two.cards.count().exec()).toBe(0);
});
