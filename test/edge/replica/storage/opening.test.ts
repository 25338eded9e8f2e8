// Goal: a file that cannot be trusted is refused with a code that says why, and never becomes an empty base.
import { existsSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { normalizeMangoQuery, prepareQuery } from 'rxdb';
import Database from 'better-sqlite3-multiple-ciphers';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openReader } from '../../../../edge/replica/storage/reader.ts';
import { getRxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import { card, cardSchema } from './card-collection.ts';
import { cardDatabase, filled, instanceOf, key, sqliteStorage, temporaryFile } from './storage-fixtures.ts';

async function writtenFile(): Promise<string> {
  const file = temporaryFile();
  const instance = await instanceOf(sqliteStorage({ file }), cardSchema, 'cards');
  const rows = Array.from({ length: 500 }, (_, n) => ({ document: filled(card(n)) }));
  await instance.bulkWrite(rows, 'test');
  await instance.close();
  return file;
}

/** Below RxDB, which after a failure keeps a database's name taken. */
async function openAndRead(file: string, otherKey: Uint8Array = key): Promise<number> {
  const storage = sqliteStorage({ file, key: otherKey });
  try {
    const instance = await instanceOf(storage, cardSchema, 'cards');
    const everything = prepareQuery(
      instance.schema,
      normalizeMangoQuery(instance.schema, { selector: {}, sort: [{ id: 'asc' }] }),
    );
    return (await instance.query(everything)).documents.length;
  } finally {
    storage.abandon();
  }
}

describe('opening', () => {
  test('a file again gives what was written', async () => {
    expect(await openAndRead(await writtenFile())).toBe(500);
  });

  test('with a wrong key is refused as such, and the file is left as it was', async () => {
    const file = await writtenFile();
    const before = readFileSync(file);
    await expect(openAndRead(file, new Uint8Array(32).fill(8))).rejects.toMatchObject({
      code: 'REP_WRONG_KEY',
    });
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(await openAndRead(file)).toBe(500);
  });

  test('without a key, where one is needed, is refused', async () => {
    const file = await writtenFile();
    await expect(instanceOf(getRxStorageSqlite({ file }), cardSchema)).rejects.toMatchObject({
      code: 'REP_WRONG_KEY',
    });
  });

  test.each([0, 16, 31, 33])('with a key of %i bytes is refused', async (length) => {
    await expect(openAndRead(temporaryFile(), new Uint8Array(length))).rejects.toMatchObject({
      code: 'KEY_UNREADABLE',
    });
  });

  const damages: readonly (readonly [string, (good: Buffer) => Buffer])[] = [
    ['nothing', () => Buffer.alloc(0)],
    ['a text', () => Buffer.from('this is no database'.repeat(1000))],
    ['zeros', (good) => Buffer.alloc(good.length)],
    ['its first page alone', (good) => good.subarray(0, 4096)],
    ['its first half', (good) => good.subarray(0, 4096 * Math.floor(good.length / 8192))],
    ['all but its last byte', (good) => good.subarray(0, -1)],
    [
      'a plain database',
      () =>
        Buffer.concat([
          Buffer.from('SQLite format 3\0'),
          Buffer.from([16, 0, 1, 1, 0, 64, 32, 32]),
          Buffer.alloc(4072),
        ]),
    ],
  ];
  test.each(damages)('a file that holds %s is refused as corrupt', async (_, damage) => {
    const file = await writtenFile();
    writeFileSync(file, damage(readFileSync(file)));
    await expect(openAndRead(file)).rejects.toSatisfy(isCorrupt);
  });

  test('a file with one bit flipped, in any page of the cards, is never read as if it were whole', async () => {
    const file = await writtenFile();
    const good = readFileSync(file);
    const outcomes = new Set<string>();
    for (let offset = 3; offset < good.length; offset += 4096 * 3 + 611) {
      const bad = Buffer.from(good);
      bad.writeUInt8(bad.readUInt8(offset) ^ 4, offset);
      writeFileSync(file, bad);
      outcomes.add(
        await openAndRead(file).then(
          (count) => `read ${count}`,
          (error: unknown) => (isCorrupt(error) ? 'corrupt' : String(error)),
        ),
      );
    }
    // A page no query needed (an index's, a free one) may be damaged unseen; what is read is all there.
    expect([...outcomes].filter((outcome) => outcome !== 'read 500')).toEqual(['corrupt']);
  });

  test('a file that is held is refused as in use, to another process and to a second storage object, again and again', async () => {
    const file = await writtenFile();
    const holder = await instanceOf(sqliteStorage({ file }), cardSchema);
    const program = fileURLToPath(new URL('./other-writer.ts', import.meta.url));
    const other = (): string => spawnSync(process.execPath, [program, file], { encoding: 'utf8' }).stdout;
    const reader = openReader({ file, key });
    await expect(openAndRead(file)).rejects.toMatchObject({ code: 'DATA_IN_USE' });
    // What was refused, and what reads, has opened and closed the files: POSIX would drop the holder's locks for that.
    reader.close();
    readFileSync(file);
    expect(other()).toBe('DATA_IN_USE');
    await expect(openAndRead(join(dirname(file), '.', 'replica.db'))).rejects.toMatchObject({
      code: 'DATA_IN_USE',
    });
    await holder.close();
    expect(await openAndRead(file)).toBe(500);
  });

  test('by way of a symbolic link meets the same lock', async () => {
    const file = await writtenFile();
    const link = `${file}.link`;
    symlinkSync(file, link);
    const holder = await instanceOf(sqliteStorage({ file }), cardSchema);
    await expect(openAndRead(link)).rejects.toMatchObject({ code: 'DATA_IN_USE' });
    await holder.close();
    expect(await openAndRead(link)).toBe(500);
  });

  test('is refused as not writable, not as damaged, where something else was written into its lock', async () => {
    const file = await writtenFile();
    writeFileSync(`${file}-lock`, 'a note of somebody else, longer than the head of any base: '.repeat(20));
    await expect(openAndRead(file)).rejects.toMatchObject({ code: 'DATA_UNWRITABLE' });
  });

  test('in a folder that is not there is refused as not writable', async () => {
    const file = join(dirname(temporaryFile()), 'nowhere', 'replica.db');
    await expect(openAndRead(file)).rejects.toMatchObject({ code: 'DATA_UNWRITABLE' });
  });
});

describe('nothing readable reaches the disk', () => {
  const canary = 'CanaryInTheMine';

  /** The files in the folder, and those the process has open, deleted ones included, that hold the canary. */
  function betraying(folder: string, pid: number): readonly string[] {
    const descriptors = join('/proc', String(pid), 'fd');
    const open = existsSync(descriptors)
      ? readdirSync(descriptors).map((name) => join(descriptors, name))
      : [];
    const files = [...readdirSync(folder).map((name) => join(folder, name)), ...open];
    return files
      .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true)
      .filter((file) => readFileSync(file).includes(canary));
  }

  test('while it is written, and after it is closed', async () => {
    const file = temporaryFile();
    const { database, cards } = await cardDatabase(sqliteStorage({ file }), 'shop');
    await cards.bulkInsert(
      Array.from({ length: 300 }, (_, n) => ({ ...card(n), holder: canary, note: canary })),
    );
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(10_000);
    expect(statSync(`${file}-shm`).size).toBeGreaterThan(0);
    expect(betraying(dirname(file), process.pid)).toEqual([]);
    await database.close();
    expect(betraying(dirname(file), process.pid)).toEqual([]);
    expect(readdirSync(dirname(file)).toSorted()).toEqual(['replica.db', 'replica.db-lock']);
    expect(statSync(`${file}-lock`).size).toBe(0);
  });

  test('while a transaction too large for the memory is open, and after its process was killed', async () => {
    const file = temporaryFile();
    const program = fileURLToPath(new URL('./other-writer.ts', import.meta.url));
    const child = spawn(process.execPath, [program, file, canary], { stdio: ['ignore', 'pipe', 'inherit'] });
    const { pid } = child;
    if (pid === undefined) throw new Error('the writer did not start');
    await once(child.stdout, 'data');
    // So much of the open transaction is on the disk already.
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(200_000);
    const whileOpen = betraying(dirname(file), pid);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect([...whileOpen, ...betraying(dirname(file), process.pid)]).toEqual([]);
    const storage = sqliteStorage({ file });
    const again = await instanceOf(storage, cardSchema, 'cards');
    expect(again.internals.sqlite.liveCount()).toBe(1);
    await again.close();
    expect(betraying(dirname(file), process.pid)).toEqual([]);
  });

  test('nor does a sort go there: writer and reader keep what is temporary in memory', async () => {
    const pragma = vi.spyOn(Database.prototype, 'pragma');
    onTestFinished(() => pragma.mockRestore());
    const file = temporaryFile();
    const instance = await instanceOf(sqliteStorage({ file }), cardSchema);
    const reader = openReader({ file, key });
    // Nothing but a connection has this method.
    const connections = [...new Set(pragma.mock.contexts)] as readonly Database.Database[];
    // 2 is MEMORY: https://sqlite.org/pragma.html#pragma_temp_store
    expect(connections.map((each) => each.pragma('temp_store', { simple: true }))).toEqual([2, 2]);
    reader.close();
    await instance.close();
  });

  test('and what is deleted is overwritten, in a file without a key', async () => {
    const file = temporaryFile();
    const instance = await instanceOf(getRxStorageSqlite({ file, cleanupSliceRows: 50 }), cardSchema);
    const documents = Array.from({ length: 200 }, (_, n) =>
      filled({ ...card(n), holder: canary, note: canary }),
    );
    await instance.bulkWrite(
      documents.map((document) => ({ document })),
      'test',
    );
    instance.internals.sqlite.sync();
    expect(readFileSync(file).includes(canary)).toBe(true);
    instance.internals.sqlite.repair({ put: [], delete: documents.map(({ id }) => id) });
    while (!(await instance.cleanup(0)));
    instance.internals.sqlite.sync();
    await instance.close();
    expect(readFileSync(file).includes(canary)).toBe(false);
  });
});

function isCorrupt(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'REP_CORRUPT') return true;
  }
  return false;
}

test('a file of another layout was made by another version, for a writer and for a reader', async () => {
  const file = temporaryFile();
  const made = new Database(file);
  made.pragma('journal_mode=WAL');
  made.pragma('user_version=1');
  made.exec('CREATE TABLE cards(id TEXT)');
  made.close();
  expect(() => openReader({ file })).toThrow(expect.objectContaining({ code: 'REP_OUTDATED' }));
  await expect(cardDatabase(getRxStorageSqlite({ file }), 'shop')).rejects.toMatchObject({
    code: 'REP_OUTDATED',
  });
});
