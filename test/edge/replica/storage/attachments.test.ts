// Goal: what is attached comes back byte for byte, by its digest, and lives and dies with its document; documents carry
// stubs alone.
import { createBlob, normalizeMangoQuery, now, prepareQuery } from 'rxdb';
import type {
  EventBulk,
  RxAttachmentWriteData,
  RxDocumentData,
  RxDocumentWriteData,
  RxJsonSchema,
  RxStorageChangeEvent,
} from 'rxdb';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SqliteStorageSettings } from '../../../../edge/replica/storage/settings.ts';
import { filled, instanceOf, sqliteStorage } from './storage-fixtures.ts';

interface Album {
  readonly key: string;
}

const schema: RxJsonSchema<Album> = {
  version: 0,
  primaryKey: 'key',
  type: 'object',
  properties: { key: { type: 'string', maxLength: 100 } },
  required: ['key'],
  attachments: {},
};

async function opened(settings: Partial<SqliteStorageSettings> = {}) {
  const storage = sqliteStorage(settings);
  const instance = await instanceOf(storage, schema);
  const bulks: EventBulk<RxStorageChangeEvent<Album>, unknown>[] = [];
  instance.changeStream().subscribe((bulk) => bulks.push(bulk));
  onTestFinished(() => instance.close());
  return { storage, instance, bulks };
}

function attachment(content: string | Uint8Array<ArrayBuffer>, digest: string): RxAttachmentWriteData {
  const data = typeof content === 'string' ? createBlob(content, 'text/plain') : new Blob([content]);
  return { data, digest, length: data.size, type: 'text/plain' };
}

type Attachments = RxDocumentWriteData<Album>['_attachments'];
const album = (key: string, _attachments: Attachments, _rev = '1-a'): RxDocumentWriteData<Album> => ({
  ...filled<Album>({ key }),
  _attachments,
  _meta: { lwt: now() },
  _rev,
});
/** A document as it is stored: what is attached has gone from it. */
const stored = (document: RxDocumentWriteData<Album>): RxDocumentData<Album> => ({
  ...document,
  _attachments: Object.fromEntries(
    Object.entries(document._attachments).map(([id, { digest, length, type }]) => [
      id,
      { digest, length, type },
    ]),
  ),
});

describe('an attachment', () => {
  test('comes back byte for byte, with its type, whatever its bytes and its name', async () => {
    const { instance } = await opened();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, n) => (n * 7) % 256);
    const names = ['photo', 'a.b/c\\d', 'Ä\u0000\uD800', '__proto__x', ' '];
    const written = album(
      'a',
      Object.fromEntries(names.map((name) => [name, attachment(bytes, `d-${name}`)])),
    );
    expect((await instance.bulkWrite([{ document: written }], 'x')).error).toEqual([]);
    for (const name of names) {
      const read = await instance.getAttachmentData('a', name, `d-${name}`);
      expect(read.type).toBe('text/plain');
      expect(Buffer.from(await read.arrayBuffer()).equals(bytes)).toBe(true);
    }
    const empty = album('b', { none: attachment('', 'd0') });
    await instance.bulkWrite([{ document: empty }], 'x');
    expect((await instance.getAttachmentData('b', 'none', 'd0')).size).toBe(0);
  });

  test('is a stub with digest, length and type in every document that is read or announced', async () => {
    const { instance, bulks } = await opened();
    const written = album('a', { photo: attachment('hello', 'd1') });
    await instance.bulkWrite([{ document: written }], 'x');
    const query = normalizeMangoQuery<RxDocumentData<Album>>(instance.schema, { selector: {} });
    const read = [
      (await instance.findDocumentsById(['a'], false))[0],
      (await instance.query(prepareQuery(instance.schema, query))).documents[0],
      (await instance.getChangedDocumentsSince?.(1))?.documents[0],
      bulks[0]?.events[0]?.documentData,
    ];
    expect(read).toEqual(read.map(() => stored(written)));
  });

  test('is not to be had by another digest, another name, or of another document', async () => {
    const { instance, storage } = await opened();
    await instance.bulkWrite([{ document: album('a', { photo: attachment('hello', 'd1') }) }], 'x');
    await expect(instance.getAttachmentData('a', 'photo', 'd2')).rejects.toThrow('does not exist');
    await expect(instance.getAttachmentData('a', 'other', 'd1')).rejects.toThrow('does not exist');
    await expect(instance.getAttachmentData('b', 'photo', 'd1')).rejects.toThrow('does not exist');
    expect(storage.poisonedBy).toBeUndefined();
  });

  test('stays when its stub is written again, is replaced by another digest, and goes with its stub', async () => {
    const { instance } = await opened();
    const first = album('a', { one: attachment('1', 'd1'), two: attachment('2', 'd2') });
    await instance.bulkWrite([{ document: first }], 'x');
    const second = album('a', { ...stored(first)._attachments, two: attachment('2b', 'd2b') }, '2-a');
    const previous = stored(first);
    expect((await instance.bulkWrite([{ previous, document: second }], 'x')).error).toEqual([]);
    const { two } = stored(second)._attachments;
    if (two === undefined) throw new Error('the stub is gone');
    const third = album('a', { two }, '3-a');
    expect(await (await instance.getAttachmentData('a', 'one', 'd1')).text()).toBe('1');
    await instance.bulkWrite([{ previous: stored(second), document: third }], 'x');
    await expect(instance.getAttachmentData('a', 'one', 'd1')).rejects.toThrow('does not exist');
    await expect(instance.getAttachmentData('a', 'two', 'd2')).rejects.toThrow('does not exist');
    expect(await (await instance.getAttachmentData('a', 'two', 'd2b')).text()).toBe('2b');
  });

  test('goes when its document is deleted', async () => {
    const { instance } = await opened();
    const written = album('a', { photo: attachment('hello', 'd1') });
    await instance.bulkWrite([{ document: written }], 'x');
    const deleted = { ...album('a', {}, '2-a'), _deleted: true };
    await instance.bulkWrite([{ previous: stored(written), document: deleted }], 'x');
    await expect(instance.getAttachmentData('a', 'photo', 'd1')).rejects.toThrow('does not exist');
  });

  test('survives reopening, and is read many at a time', async () => {
    const { instance, storage } = await opened();
    const documents = ['a', 'b', 'c'].map((key) =>
      album(key, { x: attachment(`${key}x`, 'dx'), y: attachment(`${key}y`, 'dy') }),
    );
    await instance.bulkWrite(
      documents.map((document) => ({ document })),
      'x',
    );
    await instance.close();
    const again = await instanceOf(storage, schema);
    const read = ['a', 'b', 'c'].flatMap((key) =>
      ['x', 'y'].map(async (name) => (await again.getAttachmentData(key, name, `d${name}`)).text()),
    );
    expect(await Promise.all(read)).toEqual(['ax', 'ay', 'bx', 'by', 'cx', 'cy']);
    await again.close();
  });

  test('that is named but not there, for a new document, is a 510 that writes and announces nothing of it', async () => {
    const { instance, bulks, storage } = await opened();
    const missing = { digest: 'd1', length: 5, type: 'text/plain' };
    const incomplete = album('a', { there: attachment('hello', 'd0'), photo: missing });
    const whole = album('b', { photo: attachment('hello', 'd1') });
    const { error } = await instance.bulkWrite([{ document: incomplete }, { document: whole }], 'x');
    expect(error).toMatchObject([{ status: 510, isError: true, documentId: 'a', attachmentId: 'photo' }]);
    expect(bulks.flatMap(({ events }) => events.map(({ documentId }) => documentId))).toEqual(['b']);
    expect((await instance.findDocumentsById(['a', 'b'], true)).map(({ key }) => key)).toEqual(['b']);
    await expect(instance.getAttachmentData('a', 'there', 'd0')).rejects.toThrow('does not exist');
    expect(storage.poisonedBy).toBeUndefined();
  });

  test('is written with its document or not at all', async () => {
    const { instance, storage } = await opened({
      beforeStatement: (operation) => {
        if (operation === 'attach bare') throw new Error('disk I/O error');
      },
    });
    const document = album('a', { photo: attachment('hello', 'd1') });
    await expect(instance.bulkWrite([{ document }], 'x')).rejects.toThrow('must be reopened');
    expect(instance.internals.sqlite.readById('a')).toBeUndefined();
    storage.abandon();
  });
});
