// Goal: what RxDB's interface RxStorageInstance promises of writes, events, changes and lifecycle, claim by claim, at the
// bare instance. Attachments and odd contents have files of their own.
import {
  createRevision,
  deepFreeze,
  fillWithDefaultSettings,
  normalizeMangoQuery,
  now,
  prepareQuery,
} from 'rxdb';
import type { EventBulk, RxDocumentData, RxJsonSchema, RxStorageChangeEvent, RxStorageInstance } from 'rxdb';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import { filled, instanceOf, sqliteStorage } from './storage-fixtures.ts';

interface Entry {
  readonly key: string;
  readonly value?: string;
}
type Stored = RxDocumentData<Entry>;
type Bulk = EventBulk<RxStorageChangeEvent<Stored>, { readonly id: string; readonly lwt: number }>;

const schema: RxJsonSchema<Entry> = {
  version: 0,
  primaryKey: 'key',
  type: 'object',
  properties: { key: { type: 'string', maxLength: 100 }, value: { type: 'string', maxLength: 100 } },
  required: ['key'],
  indexes: ['value'],
};

const entry = (key: string, value?: string): Entry => (value === undefined ? { key } : { key, value });
/** The next state of a document: changed fields, a later write time, the next revision. */
const next = (from: Stored, change: Partial<Stored>): Stored => ({
  ...from,
  _meta: { lwt: now() },
  _rev: createRevision('token', from),
  ...change,
});

async function opened(storage: RxStorageSqlite = sqliteStorage()) {
  const instance = await instanceOf(storage, schema);
  const bulks: Bulk[] = [];
  // The checkpoint is this storage's own.
  instance.changeStream().subscribe((bulk) => bulks.push(bulk as Bulk));
  onTestFinished(() => instance.close());
  return { instance, bulks };
}

async function everything(instance: RxStorageInstance<Entry, unknown, object>): Promise<Stored[]> {
  const query = normalizeMangoQuery<Stored>(instance.schema, { selector: {}, sort: [{ key: 'asc' }] });
  return (await instance.query(prepareQuery(instance.schema, query))).documents;
}

describe('a conflict', () => {
  test('names the document, the row, the context, and the stored state with no field more or less', async () => {
    const { instance } = await opened();
    const first = filled(entry('a', '1'), { _rev: '1-a' });
    await instance.bulkWrite([{ document: first }], 'first');
    const row = { document: filled(entry('a', '2'), { _rev: '1-b' }) };
    const { error } = await instance.bulkWrite([row], 'second');
    expect(error).toEqual([
      { isError: true, status: 409, documentId: 'a', writeRow: row, documentInDb: first, context: 'second' },
    ]);
  });

  test('is the answer to the later of two inserts at the same time', async () => {
    const { instance } = await opened();
    const [first, second] = await Promise.all(
      ['first', 'second'].map((value) => instance.bulkWrite([{ document: filled(entry('a', value)) }], 'x')),
    );
    expect(first?.error).toEqual([]);
    expect(second?.error.map(({ status, writeRow }) => [status, writeRow.document.value])).toEqual([
      [409, 'second'],
    ]);
  });

  test('is the answer to an insert over a deleted document, until its state is passed along', async () => {
    const { instance } = await opened();
    const inserted = filled(entry('a', '1'));
    const deleted = next(inserted, { _deleted: true });
    await instance.bulkWrite([{ document: inserted }], 'x');
    await instance.bulkWrite([{ previous: inserted, document: deleted }], 'x');
    const again = next(deleted, { _deleted: false, value: '2' });
    const refused = await instance.bulkWrite([{ document: again }], 'x');
    expect(refused.error).toMatchObject([{ status: 409, documentInDb: { _deleted: true } }]);
    expect((await instance.bulkWrite([{ previous: deleted, document: again }], 'x')).error).toEqual([]);
    expect(await instance.findDocumentsById(['a'], false)).toEqual([again]);
  });

  test('leaves the other rows of the same write to succeed, each as if alone', async () => {
    const { instance, bulks } = await opened();
    const stored = filled(entry('a', '1'));
    await instance.bulkWrite([{ document: stored }], 'x');
    const changed = next(stored, { value: '2' });
    const { error } = await instance.bulkWrite(
      [
        { document: filled(entry('b')) },
        { document: filled(entry('a', 'wrong')) },
        { previous: stored, document: changed },
        { previous: stored, document: next(stored, { value: '3' }) },
        { document: filled(entry('c')) },
      ],
      'x',
    );
    expect(error.map(({ writeRow }) => writeRow.document.value)).toEqual(['wrong', '3']);
    expect((await everything(instance)).map(({ key, value }) => [key, value])).toEqual([
      ['a', '2'],
      ['b', undefined],
      ['c', undefined],
    ]);
    const written = bulks.slice(1).flatMap(({ events }) => events.map(({ documentId }) => documentId));
    expect(written.toSorted()).toEqual(['a', 'b', 'c']);
  });
});

describe('a write', () => {
  test('changes a deleted document too, and finds its fields', async () => {
    const { instance } = await opened();
    const inserted = filled(entry('a', '1'));
    const deleted = next(inserted, { _deleted: true });
    const changed = next(deleted, { value: '2' });
    await instance.bulkWrite([{ document: inserted }], 'x');
    await instance.bulkWrite([{ previous: inserted, document: deleted }], 'x');
    expect((await instance.bulkWrite([{ previous: deleted, document: changed }], 'x')).error).toEqual([]);
    expect(await instance.findDocumentsById(['a'], true)).toEqual([changed]);
    expect(await instance.findDocumentsById(['a'], false)).toEqual([]);
  });

  test('takes fields away, changes `_meta` alone, jumps revisions, and repeats a revision', async () => {
    const { instance } = await opened();
    const states: Stored[] = [filled(entry('a', '1'), { _rev: '1-a' })];
    const first = states[0];
    if (first === undefined) throw new Error('no first state');
    const { value: _, ...without } = next(first, {});
    states.push(without);
    states.push(next(without, { _meta: { lwt: now(), mine: 5 } as Stored['_meta'] }));
    states.push(next(without, { value: '9', _rev: '9-x' }));
    states.push({ ...next(without, { _rev: '9-x' }), _deleted: true });
    let previous: Stored | undefined;
    for (const document of states) {
      const row = previous === undefined ? { document } : { previous, document };
      expect((await instance.bulkWrite([row], 'x')).error).toEqual([]);
      expect(await instance.findDocumentsById(['a'], true)).toEqual([document]);
      previous = document;
    }
    expect(await instance.findDocumentsById(['a'], false)).toEqual([]);
  });

  test('changes nothing of what it was given', async () => {
    const { instance } = await opened();
    const one = deepFreeze(filled(entry('a', '1')));
    const row = deepFreeze({ document: one });
    await instance.bulkWrite([row], 'x');
    const { error } = await instance.bulkWrite(
      [deepFreeze({ previous: one, document: next(one, {}) }), row],
      'x',
    );
    expect(error).toHaveLength(1);
  });

  test('of nothing succeeds and announces nothing', async () => {
    const { instance, bulks } = await opened();
    expect(await instance.bulkWrite([], 'x')).toEqual({ error: [] });
    expect(bulks).toEqual([]);
  });

  test('may be of ten thousand documents, which are then found by ten thousand ids', async () => {
    const { instance } = await opened();
    const rows = Array.from({ length: 10_000 }, (_, n) => ({ document: filled(entry(`k${n}`)) }));
    expect((await instance.bulkWrite(rows, 'x')).error).toEqual([]);
    const ids = rows.map(({ document }) => document.key);
    expect((await instance.findDocumentsById(ids, false)).map(({ key }) => key)).toEqual(ids);
  });
});

describe('the change stream', () => {
  test('tells of insert, update, deletion and revival with the states before and after, before the write resolves', async () => {
    const { instance, bulks } = await opened();
    const inserted = filled(entry('a', '1'));
    const updated = next(inserted, { value: '2' });
    const deleted = next(updated, { _deleted: true });
    const revived = next(deleted, { _deleted: false });
    const states = [inserted, updated, deleted, revived];
    for (const [i, document] of states.entries()) {
      const previous = states[i - 1];
      await instance.bulkWrite(
        [previous === undefined ? { document } : { previous, document }],
        `write ${i}`,
      );
      expect(bulks).toHaveLength(i + 1);
    }
    const told = bulks.map(({ context, events }) => [context, ...events.map((event) => event)]);
    expect(told).toEqual([
      [
        'write 0',
        { documentId: 'a', operation: 'INSERT', documentData: inserted, previousDocumentData: undefined },
      ],
      [
        'write 1',
        { documentId: 'a', operation: 'UPDATE', documentData: updated, previousDocumentData: inserted },
      ],
      [
        'write 2',
        { documentId: 'a', operation: 'DELETE', documentData: deleted, previousDocumentData: updated },
      ],
      [
        'write 3',
        { documentId: 'a', operation: 'INSERT', documentData: revived, previousDocumentData: null },
      ],
    ]);
    expect(new Set(bulks.map(({ id }) => id)).size).toBe(4);
  });

  test('is silent about writes that had errors only, and about documents inserted as deleted', async () => {
    const { instance, bulks } = await opened();
    const document = filled(entry('a'));
    await instance.bulkWrite([{ document }], 'x');
    await instance.bulkWrite([{ document }], 'x');
    await instance.bulkWrite([{ document: filled(entry('b'), { _deleted: true }) }], 'x');
    expect(bulks).toHaveLength(1);
  });

  test('gives checkpoints after which there is nothing newer', async () => {
    const { instance, bulks } = await opened();
    for (let write = 0; write < 3; write += 1) {
      const rows = Array.from({ length: 10 }, (_, n) => ({
        document: { ...filled(entry(`${write}-${n}`)), _meta: { lwt: now() } },
      }));
      await instance.bulkWrite(rows, 'x');
      const checkpoint = bulks.at(-1)?.checkpoint;
      expect((await instance.getChangedDocumentsSince?.(100, checkpoint))?.documents).toEqual([]);
    }
  });

  test('ends when the instance is closed', async () => {
    const { instance } = await opened();
    const ended = new Promise<void>((resolve) => {
      instance.changeStream().subscribe({ complete: resolve });
    });
    await instance.close();
    await expect(ended).resolves.toBeUndefined();
  });

  test('carries the writes of one instance to another that shares the file, where `multiInstance` is on', async () => {
    const storage = sqliteStorage();
    const open = (): Promise<RxStorageInstance<Entry, unknown, object>> =>
      storage.createStorageInstance<Entry>({
        databaseInstanceToken: `token${Math.floor(now())}`,
        databaseName: `shop-${process.pid}`,
        collectionName: 'entries',
        schema: fillWithDefaultSettings(schema),
        options: {},
        multiInstance: true,
        devMode: false,
      });
    const [a, b] = [await open(), await open()];
    const heard = new Promise<string | undefined>((resolve) => {
      b.changeStream().subscribe(({ events }) => resolve(events[0]?.documentId));
    });
    await a.bulkWrite([{ document: filled(entry('a')) }], 'x');
    expect((await b.findDocumentsById(['a'], false)).map(({ key }) => key)).toEqual(['a']);
    expect(await heard).toBe('a');
    const asked = b.findDocumentsById(['a'], false);
    await a.close();
    expect(await asked).toHaveLength(1);
    await b.remove();
  });
});

describe('changes since a checkpoint', () => {
  test('are nothing at first, and nothing leaves the checkpoint as it was given', async () => {
    const { instance } = await opened();
    const none = await instance.getChangedDocumentsSince?.(10);
    expect(none?.documents).toEqual([]);
    await instance.bulkWrite([{ document: filled(entry('a')) }], 'x');
    const some = await instance.getChangedDocumentsSince?.(10, none?.checkpoint);
    expect(some?.documents.map(({ key }) => key)).toEqual(['a']);
    const checkpoint: unknown = some?.checkpoint;
    const still = await instance.getChangedDocumentsSince?.(10, checkpoint);
    expect(still).toEqual({ documents: [], checkpoint });
  });

  test('hold each document once, in its last state, deleted ones too', async () => {
    const { instance } = await opened();
    let state: Stored = { ...filled(entry('a', '0')), _meta: { lwt: now() } };
    await instance.bulkWrite(
      [{ document: state }, { document: { ...filled(entry('b')), _meta: { lwt: now() } } }],
      'x',
    );
    for (let n = 1; n <= 10; n += 1) {
      const document = next(state, { value: `${n}`, _deleted: n === 10 });
      await instance.bulkWrite([{ previous: state, document }], 'x');
      state = document;
    }
    const changes = await instance.getChangedDocumentsSince?.(10);
    expect(changes?.documents.map(({ key, value, _deleted }) => [key, value, _deleted])).toEqual([
      ['b', undefined, false],
      ['a', '10', true],
    ]);
  });

  test('come in as many pages as needed while more is written', async () => {
    const { instance } = await opened();
    const write = (page: number): Promise<unknown> =>
      instance.bulkWrite(
        Array.from({ length: 20 }, (_, n) => ({
          document: { ...filled(entry(`${page}-${n}`)), _meta: { lwt: now() } },
        })),
        'x',
      );
    await write(0);
    const seen: string[] = [];
    let checkpoint: unknown;
    for (let page = 1; page <= 10; page += 1) {
      const changes = await instance.getChangedDocumentsSince?.(10, checkpoint);
      seen.push(...(changes?.documents ?? []).map(({ key }) => key));
      checkpoint = changes?.checkpoint;
      if (page < 5) await write(page);
    }
    expect(new Set(seen).size).toBe(100);
    expect(seen).toHaveLength(100);
  });
});

describe('a query at the instance', () => {
  test('finds and counts deleted documents unless it says otherwise', async () => {
    const { instance } = await opened();
    const inserted = filled(entry('a', '1'));
    await instance.bulkWrite([{ document: inserted }, { document: filled(entry('b', '2')) }], 'x');
    await instance.bulkWrite([{ previous: inserted, document: next(inserted, { _deleted: true }) }], 'x');
    expect((await everything(instance)).map(({ key }) => key)).toEqual(['a', 'b']);
    const prepared = (selector: object) =>
      prepareQuery(instance.schema, normalizeMangoQuery<Stored>(instance.schema, { selector }));
    expect(await instance.count(prepared({}))).toEqual({ count: 2, mode: 'fast' });
    expect(await instance.count(prepared({ _deleted: false }))).toEqual({ count: 1, mode: 'fast' });
    expect(await instance.count(prepared({ value: { $regex: '2' } }))).toMatchObject({ count: 1 });
  });
});

describe('two instances of one collection', () => {
  test('know both of values that no index can hold, whichever wrote them', async () => {
    const storage = sqliteStorage();
    const [a, b] = [await instanceOf(storage, schema), await instanceOf(storage, schema)];
    const listed = { ...filled(entry('a')), value: ['x', 'y'] } as unknown as Stored;
    await b.bulkWrite([{ document: listed }], 'x');
    const holding = normalizeMangoQuery<Stored>(a.schema, { selector: { value: 'x' } });
    const found = (await a.query(prepareQuery(a.schema, holding))).documents;
    expect(found.map(({ key }) => key)).toEqual(['a']);
    await a.close();
    await b.close();
  });
});

describe('an instance', () => {
  test('bears the names it was given', async () => {
    const { instance } = await opened();
    expect([instance.databaseName, instance.collectionName]).toEqual(['bare', 'bare']);
    expect(instance.schema.version).toBe(0);
  });

  test('is refused for a schema that asks for key compression or encryption of fields, which wrappers do', async () => {
    const storage = sqliteStorage();
    const compressed = { ...schema, keyCompression: true };
    const encrypted = { ...schema, encrypted: ['value'] };
    await expect(instanceOf(storage, compressed)).rejects.toThrow('UT5');
    await expect(instanceOf(storage, encrypted)).rejects.toThrow('UT6');
  });

  test('does not see documents of another version, another database or another collection', async () => {
    const storage = sqliteStorage();
    const params = {
      databaseInstanceToken: 'token',
      databaseName: 'one',
      collectionName: 'entries',
      schema: fillWithDefaultSettings(schema),
      options: {},
      multiInstance: false,
      devMode: false,
    };
    const all = [
      params,
      { ...params, schema: fillWithDefaultSettings({ ...schema, version: 1 }) },
      { ...params, databaseName: 'two' },
      { ...params, collectionName: 'others' },
    ];
    const instances = await Promise.all(all.map((each) => storage.createStorageInstance<Entry>(each)));
    for (const [i, instance] of instances.entries())
      await instance.bulkWrite([{ document: filled(entry('a', `${i}`)) }], 'x');
    for (const [i, instance] of instances.entries())
      expect((await everything(instance)).map(({ value }) => value)).toEqual([`${i}`]);
    await Promise.all(instances.map((instance) => instance.remove()));
  });

  test('opened and removed twenty at a time on one storage leaves nothing', async () => {
    const storage = sqliteStorage();
    const names = Array.from({ length: 20 }, (_, n) => `c${n}`);
    const instances = await Promise.all(names.map((name) => instanceOf(storage, schema, name)));
    await Promise.all(instances.map((each) => each.bulkWrite([{ document: filled(entry('a')) }], 'x')));
    await Promise.all(instances.map((each) => each.remove()));
    const again = await instanceOf(storage, schema, 'c7');
    expect(await everything(again)).toEqual([]);
    await again.close();
  });

  test('may be closed after its removal, and not removed after its closing', async () => {
    const storage = sqliteStorage();
    const keeper = await instanceOf(storage, schema, 'keeper');
    const removed = await instanceOf(storage, schema);
    await removed.remove();
    await removed.close();
    const closed = await instanceOf(storage, schema);
    await closed.bulkWrite([{ document: filled(entry('a')) }], 'x');
    await closed.close();
    await expect(closed.remove()).rejects.toThrow('closed');
    const again = await instanceOf(storage, schema);
    expect(await everything(again)).toHaveLength(1);
    await again.close();
    await keeper.close();
  });
});
