// Goal: what is removed is gone for everybody who still knows it, and nothing else is harmed by their knowing it.
import { expect, test } from 'vitest';
import { openReader } from '../../../../edge/replica/storage/reader.ts';
import { card, cardSchema } from './card-collection.ts';
import { filled, instanceOf, key, sqliteStorage, temporaryFile } from './storage-fixtures.ts';

const row = (id: number) => ({ document: filled(card(id)) });

test('an instance of a collection that another instance removed is refused, and the others go on', async () => {
  const storage = sqliteStorage();
  const [first, second] = [await instanceOf(storage, cardSchema), await instanceOf(storage, cardSchema)];
  const other = await instanceOf(storage, cardSchema, 'other');
  await first.bulkWrite([row(1)], 'test');
  const { sqlite } = second.internals;
  await first.remove();

  const gone = 'collection bare was removed';
  await expect(second.bulkWrite([row(2)], 'test')).rejects.toThrow(gone);
  await expect(second.findDocumentsById([card(1).id], true)).rejects.toThrow(gone);
  await expect((async () => second.getChangedDocumentsSince?.(10))()).rejects.toThrow(gone);
  await expect(second.cleanup(0)).rejects.toThrow(gone);
  await expect(second.remove()).rejects.toThrow(gone);
  expect(() => sqlite.readById(card(1).id)).toThrow(gone);
  expect(() => sqlite.liveCount()).toThrow(gone);
  expect(() => sqlite.bulkLoad([card(2)])).toThrow(gone);
  expect(() => sqlite.recount()).toThrow(gone);
  await second.close();

  expect(storage.poisonedBy).toBeUndefined();
  expect((await other.bulkWrite([row(3)], 'test')).error).toEqual([]);
  await other.close();
});

test('who still knows a removed collection never sees the one that was made after it', async () => {
  const file = temporaryFile();
  const storage = sqliteStorage({ file });
  const [first, second] = [await instanceOf(storage, cardSchema), await instanceOf(storage, cardSchema)];
  await first.bulkWrite([row(1)], 'test');
  const reader = openReader({ file, key });
  expect(reader.readById('bare', card(1).id)).toMatchObject(card(1));
  await first.remove();
  const next = await instanceOf(storage, cardSchema, 'payroll');
  await next.bulkWrite([row(1)], 'test');

  expect(reader.readById('bare', card(1).id)).toBeUndefined();
  expect(() => second.internals.sqlite.readById(card(1).id)).toThrow('was removed');
  await expect(second.bulkWrite([row(2)], 'test')).rejects.toThrow('was removed');
  await second.remove().catch(() => {});
  expect(await next.findDocumentsById([card(1).id, card(2).id], true)).toHaveLength(1);
  reader.close();
  await second.close();
  await next.close();
});

test('a removed collection made anew is empty, and instances of before do not know it', async () => {
  const storage = sqliteStorage();
  const [first, second] = [await instanceOf(storage, cardSchema), await instanceOf(storage, cardSchema)];
  await first.bulkWrite([row(1)], 'test');
  await first.remove();
  const again = await instanceOf(storage, cardSchema);
  expect(await again.findDocumentsById([card(1).id], true)).toEqual([]);
  await expect(second.bulkWrite([row(2)], 'test')).rejects.toThrow('was removed');
  await again.close();
  await second.close();
});
