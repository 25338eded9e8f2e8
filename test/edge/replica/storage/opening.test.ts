// Goal: a file that cannot be trusted is refused with a code that says why, and never becomes an empty base.
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { normalizeMangoQuery, prepareQuery } from 'rxdb';
import { describe, expect, test } from 'vitest';
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

  test('a file another process holds is refused as in use', async () => {
    const file = await writtenFile();
    const holder = await instanceOf(sqliteStorage({ file }), cardSchema);
    const storageModule = join(import.meta.dirname, '../../../../edge/replica/storage/storage.ts');
    const program = `
      import { getRxStorageSqlite } from ${JSON.stringify(storageModule)};
      const storage = getRxStorageSqlite({ file: ${JSON.stringify(file)}, key: new Uint8Array(32).fill(7) });
      const schema = { version: 0, primaryKey: 'id', type: 'object', properties: {}, indexes: [] };
      await storage.createStorageInstance({ databaseInstanceToken: 't', databaseName: 'd', collectionName: 'c',
        schema, options: {}, multiInstance: false, devMode: false }).catch((error) => process.stdout.write(error.code));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('DATA_IN_USE');
    await holder.close();
  });
});

test('nothing readable reaches the disk: not in the base, not in the WAL, not in another file', async () => {
  const file = temporaryFile();
  const { database, cards } = await cardDatabase(sqliteStorage({ file }), 'shop');
  const canary = 'CanaryInTheMine';
  await cards.bulkInsert(
    Array.from({ length: 300 }, (_, n) => ({ ...card(n), holder: canary, note: canary })),
  );
  const folder = dirname(file);
  expect(statSync(`${file}-wal`).size).toBeGreaterThan(10_000);
  expect(existsSync(`${file}-shm`)).toBe(true);
  const betraying = readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(canary));
  expect(betraying).toEqual([]);
  await database.close();
  expect(readFileSync(file).includes(canary)).toBe(false);
});

function isCorrupt(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'REP_CORRUPT') return true;
  }
  return false;
}
