// Goal: a second connection of the same process reads what was last committed, at any moment of the writer's life.
import { readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openReader } from '../../../../edge/replica/storage/reader.ts';
import type { StorageReader } from '../../../../edge/replica/storage/reader.ts';
import { sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import { card, cardSchema } from './card-collection.ts';
import type { Card } from './card-collection.ts';
import { cardDatabase, filled, instanceOf, key, sqliteStorage, temporaryFile } from './storage-fixtures.ts';

function reading(file: string): StorageReader {
  const reader = openReader({ file, key, cacheKiB: 512 });
  onTestFinished(() => reader.close());
  return reader;
}

const otherWriter = new URL('./other-writer.ts', import.meta.url);

describe('a reader', () => {
  test('sees each commit of the storage at once, by id, as a whole, as a count and in marks', async () => {
    const file = temporaryFile();
    const { cards } = await cardDatabase(sqliteStorage({ file }));
    const reader = reading(file);
    expect(reader.readById('cards', card(1).id)).toBeUndefined();
    const inserted = await cards.insert(card(1));
    sqliteStoreOf(cards).bulkLoad([card(2)], { name: 'loaded', text: '2' });
    expect(reader.readById<Card>('cards', card(1).id)).toMatchObject({ ...card(1), _deleted: false });
    expect(reader.all<Card>('cards').map(({ id }) => id)).toEqual([card(1).id, card(2).id]);
    expect(reader.readMark('loaded')).toBe('2');
    await inserted.remove();
    expect(reader.liveCount('cards')).toBe(1);
    expect(reader.readById('cards', card(1).id)).toMatchObject({ _deleted: true });
    expect(reader.all('cards')).toHaveLength(1);
  });

  test('goes on while the storage is closed and opened again, and opens before it', async () => {
    const file = temporaryFile();
    const first = await instanceOf(sqliteStorage({ file }), cardSchema);
    await first.bulkWrite([{ document: filled(card(1)) }], 'test');
    await first.close();
    const reader = reading(file);
    expect(reader.liveCount('bare')).toBe(1);
    const second = await instanceOf(sqliteStorage({ file }), cardSchema);
    await second.bulkWrite([{ document: filled(card(2)) }], 'test');
    expect(reader.liveCount('bare')).toBe(2);
    await second.close();
    expect(reader.readById('bare', card(2).id)).toMatchObject(card(2));
  });

  test('knows nothing of collections that are not there, and finds those made anew', async () => {
    const file = temporaryFile();
    const storage = sqliteStorage({ file });
    const keeper = await instanceOf(storage, cardSchema, 'keeper');
    const reader = reading(file);
    expect([reader.readById('cards', 'x'), reader.all('cards'), reader.liveCount('cards')]).toEqual([
      undefined,
      [],
      0,
    ]);
    const first = await instanceOf(storage, cardSchema, 'cards');
    await first.bulkWrite([{ document: filled(card(1)) }], 'test');
    expect(reader.liveCount('cards')).toBe(1);
    await first.remove();
    expect(reader.readById('cards', card(1).id)).toBeUndefined();
    await instanceOf(storage, cardSchema, 'other');
    const second = await instanceOf(storage, cardSchema, 'cards');
    await second.bulkWrite([{ document: filled(card(2)) }], 'test');
    expect(reader.readById('cards', card(2).id)).toMatchObject(card(2));
    expect(reader.liveCount('cards')).toBe(1);
    await keeper.close();
  });

  test('reads while a transaction is open, and only what was committed', async () => {
    const file = temporaryFile();
    const seen: number[] = [];
    const storage = sqliteStorage({
      file,
      beforeStatement: (operation) => {
        if (operation === 'commit bare') seen.push(reader?.liveCount('bare') ?? -1);
      },
    });
    let reader: StorageReader | undefined;
    const instance = await instanceOf(storage, cardSchema);
    reader = reading(file);
    seen.length = 0;
    await instance.bulkWrite([{ document: filled(card(1)) }], 'test');
    expect([...seen, reader.liveCount('bare')]).toEqual([0, 1]);
  });

  test('does not keep the storage from bringing all it has into the file', async () => {
    const file = temporaryFile();
    const { cards } = await cardDatabase(sqliteStorage({ file }));
    const reader = reading(file);
    await cards.bulkInsert(Array.from({ length: 100 }, (_, n) => card(n)));
    expect(reader.liveCount('cards')).toBe(100);
    sqliteStoreOf(cards).sync();
    expect(readFileSync(`${file}-wal`)).toHaveLength(0);
    expect(reader.liveCount('cards')).toBe(100);
  });

  test('refuses a list of more documents than it was told to expect', async () => {
    const file = temporaryFile();
    const { cards } = await cardDatabase(sqliteStorage({ file }));
    await cards.bulkInsert([card(1), card(2)]);
    const reader = reading(file);
    expect(() => reader.all('cards', 1)).toThrow('holds more than 1 documents');
    expect(reader.all('cards', 2)).toHaveLength(2);
  });

  test('names what is wrong with a file: no file, another key, damage, closed', async () => {
    const file = temporaryFile();
    expect(() => reading(file)).toThrow(expect.objectContaining({ code: 'DATA_UNWRITABLE' }));
    const instance = await instanceOf(sqliteStorage({ file }), cardSchema);
    await instance.bulkWrite(
      Array.from({ length: 500 }, (_, n) => ({ document: filled(card(n)) })),
      'test',
    );
    await instance.close();
    expect(() => openReader({ file, key: new Uint8Array(32) })).toThrow(
      expect.objectContaining({ code: 'REP_WRONG_KEY' }),
    );
    const reader = reading(file);
    reader.close();
    reader.close();
    expect(() => reader.liveCount('bare')).toThrow('closed');
    const bytes = readFileSync(file);
    for (let page = 4; page < bytes.length / 4096; page += 1)
      bytes.fill(9, page * 4096 + 50, page * 4096 + 60);
    writeFileSync(file, bytes);
    const damaged = reading(file);
    expect(() => damaged.all('bare')).toThrow(expect.objectContaining({ code: 'REP_CORRUPT' }));
    expect(() => damaged.readById('bare', card(1).id)).toThrow(
      expect.objectContaining({ code: 'REP_CORRUPT' }),
    );
  });

  test('alone, reads where nothing can be made beside the file, and holds it until closed', async () => {
    const file = temporaryFile();
    const instance = await instanceOf(sqliteStorage({ file }), cardSchema);
    await instance.bulkWrite([{ document: filled(card(1)) }], 'test');
    await instance.close();
    symlinkSync('nowhere', `${file}-shm`);
    expect(() => reading(file)).toThrow(expect.objectContaining({ code: 'DATA_UNWRITABLE' }));
    const alone = openReader({ file, key, alone: true });
    expect(alone.liveCount('bare')).toBe(1);
    unlinkSync(`${file}-shm`);
    expect(() => reading(file)).toThrow(expect.objectContaining({ code: 'DATA_IN_USE' }));
    alone.close();
    expect(reading(file).liveCount('bare')).toBe(1);
  });

  test('reads what a killed process had committed, from the WAL it left', async () => {
    const file = temporaryFile();
    const child = spawn(process.execPath, [fileURLToPath(otherWriter), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const reader = reading(file);
    expect(reader.readById('cards', card(1).id)).toMatchObject({ id: card(1).id });
    expect(reader.liveCount('cards')).toBe(1);
    const storage = sqliteStorage({ file });
    await (await instanceOf(storage, cardSchema, 'cards')).bulkWrite([{ document: filled(card(2)) }], 'test');
    expect(reader.liveCount('cards')).toBe(2);
    storage.abandon();
  });
});

test('a writer in another thread is read as it commits; ended mid-way, it leaves file and lock to the next', async () => {
  const file = temporaryFile();
  const worker = new Worker(otherWriter, { workerData: { file } });
  await once(worker, 'message');
  const reader = reading(file);
  expect(reader.readById('cards', card(1).id)).toMatchObject({ id: card(1).id });
  expect(reader.liveCount('cards')).toBe(1);
  await expect(instanceOf(sqliteStorage({ file }), cardSchema, 'cards')).rejects.toMatchObject({
    code: 'DATA_IN_USE',
  });
  await worker.terminate();
  const storage = sqliteStorage({ file });
  await (await instanceOf(storage, cardSchema, 'cards')).bulkWrite([{ document: filled(card(2)) }], 'test');
  expect(reader.liveCount('cards')).toBe(2);
  storage.abandon();
});

test('a thousand commits in another thread neither keep a reader waiting in vain nor show it half of one', async () => {
  const file = temporaryFile();
  await (await instanceOf(sqliteStorage({ file }), cardSchema, 'cards')).close();
  const reader = reading(file);
  const worker = new Worker(otherWriter, { workerData: { file, commits: 1_000 } });
  let running = true;
  const ended = once(worker, 'exit').then(([code]) => {
    running = false;
    return Number(code);
  });
  const odd: number[] = [];
  let reads = 0;
  let last = 0;
  while (running) {
    for (let n = 0; n < 20; n += 1) {
      const count = reader.liveCount('cards');
      if (count % 2 === 1 || count < last) odd.push(count);
      last = count;
      reads += 1;
      reader.readById('cards', card(count - 1).id);
    }
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  expect([await ended, reader.liveCount('cards')]).toEqual([0, 2_000]);
  expect(odd).toEqual([]);
  expect(reads).toBeGreaterThan(100);
});
