// Goal: one storage error during a pull never leaves a hole behind a checkpoint.
// Method: a pull of many pages in which one statement fails; the database is reopened and pulled on; then counted.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3-multiple-ciphers';
import { describe, expect, test } from 'vitest';
import { isFault } from '../../../../foundation/errors.ts';
import { getRxStorageSqlite, sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import { card, cardSchema } from './card-collection.ts';
import { cardDatabase, filled, instanceOf, sqliteStorage, temporaryFile } from './storage-fixtures.ts';

/** Statements of the pull that fail, one a base: reads, inserts, begins, commits, of cards and of RxDB’s checkpoints. */
const positions = [1, 2, 4, 23, 25, 26, 27, 30, 52, 55, 78, 110];

function run(...words: readonly string[]): string {
  const program = fileURLToPath(new URL('./pull-with-faults.ts', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [program, ...words], { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return stdout;
}

interface Found {
  readonly count: number;
  /** Buckets in which the digests are not those of the server's hundred cards. */
  readonly differing: number;
}
type Result = Found & { readonly repaired: Found };

/** What is there after a fault at each position and a restart that pulls on without faults, and after a repair. */
function resultsAfterFaults(
  mode: 'fault' | 'poisoning-off',
  some: readonly number[],
): Readonly<Record<string, Result>> {
  const folder = dirname(temporaryFile());
  run(mode, folder, some.join());
  // The program prints one object of results and nothing else.
  return JSON.parse(run('finish', folder, some.join())) as Record<string, Result>;
}

describe('one failed statement during a pull of 100 cards', () => {
  test('costs no card, wherever it falls', () => {
    const results = resultsAfterFaults('fault', positions);
    expect(Object.keys(results)).toHaveLength(positions.length);
    const wrong = Object.entries(results).filter(
      ([, { count, differing }]) => count !== 100 || differing > 0,
    );
    expect(wrong).toEqual([]);
  });

  test('loses cards for good when the poisoning is taken out; count and digests notice, and a repair mends it', () => {
    const results = Object.values(resultsAfterFaults('poisoning-off', [4, 52, 78]));
    const holed = results.filter(({ count }) => count < 100);
    expect(holed.length).toBeGreaterThan(0);
    expect(holed.filter(({ differing }) => differing === 0)).toEqual([]);
    expect(results.map(({ repaired }) => repaired)).toEqual(
      results.map(() => ({ count: 100, differing: 0 })),
    );
  });
});

describe('poisons too', () => {
  test('a table that is not what it was', async () => {
    const file = temporaryFile();
    const storage = getRxStorageSqlite({ file });
    const instance = await instanceOf(storage, cardSchema);
    const vandal = new Database(file);
    vandal.exec('ALTER TABLE documents_1 RENAME COLUMN rev TO revision');
    vandal.close();
    const write = instance.bulkWrite([{ document: filled(card(1)) }], 'test');
    await expect(write).rejects.toMatchObject({ code: 'REP_POISONED', cause: { code: 'SQLITE_ERROR' } });
    await expect(instance.findDocumentsById(['x'], true)).rejects.toMatchObject({ code: 'REP_POISONED' });
    storage.abandon();
  });

  test('a document no digest can be had of, which is not written', async () => {
    const digests = {
      bare: () => {
        throw new TypeError('no digest');
      },
    };
    const storage = sqliteStorage({ digests });
    const instance = await instanceOf(storage, cardSchema);
    const write = instance.bulkWrite([{ document: filled(card(1)) }], 'test');
    await expect(write).rejects.toMatchObject({ code: 'REP_POISONED' });
    expect(instance.internals.sqlite.readById(card(1).id)).toBeUndefined();
    await instance.close();
  });
});

describe('a poisoned database', () => {
  async function poisoned() {
    const reported: Error[] = [];
    let failing = false;
    const storage = sqliteStorage({
      onPoisoned: (error) => reported.push(error),
      beforeStatement: (operation) => {
        if (failing && operation === 'insert cards') {
          throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
        }
      },
    });
    const { database, cards } = await cardDatabase(storage, 'shop');
    const other = await instanceOf(storage, cardSchema, 'other');
    const meta = await instanceOf(storage, cardSchema, 'rx-replication-meta-0f3c');
    await cards.insert(card(1));
    failing = true;
    await expect(cards.insert(card(2))).rejects.toMatchObject({ code: 'REP_POISONED' });
    failing = false;
    return { storage, database, cards, other, meta, reported };
  }

  test('rejects every call on every collection, naming the first error as the cause', async () => {
    const { cards, other, meta, storage } = await poisoned();
    const store = sqliteStoreOf(cards);
    const calls: readonly (() => Promise<unknown>)[] = [
      () => cards.find().exec(),
      () => cards.count().exec(),
      () => cards.insert(card(3)),
      () => other.bulkWrite([{ document: filled(card(1)) }], 'test'),
      () => other.findDocumentsById(['x'], true),
      () => meta.bulkWrite([{ document: filled(card(1)) }], 'checkpoint'),
      () => meta.findDocumentsById(['x'], true),
      async () => store.bulkLoad([card(9)]),
      async () => store.repair({ put: [card(9)], delete: [] }),
      async () => store.writeMark({ name: 'x', text: 'y' }),
      async () => store.sync(),
      () => other.cleanup(0),
      () => other.getAttachmentData('x', 'y', 'z'),
      async () => other.getChangedDocumentsSince?.(1),
      () => other.remove(),
      () => instanceOf(storage, cardSchema, 'third'),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({ code: 'REP_POISONED', cause: { code: 'DATA_DISK_FULL' } });
    }
    await other.close();
    await meta.close();
  });

  test('reports the error once', async () => {
    const { cards, reported, other } = await poisoned();
    await expect(cards.find().exec()).rejects.toThrow('must be reopened');
    expect(reported.map((error) => isFault(error) && error.code)).toEqual(['DATA_DISK_FULL']);
    await other.close();
  });

  test('still answers readById from what was committed', async () => {
    const { cards, other } = await poisoned();
    const store = sqliteStoreOf(cards);
    expect(store.readById(card(1).id)).toMatchObject(card(1));
    expect(store.readById(card(2).id)).toBeUndefined();
    await other.close();
  });

  test('works again when all its collections were closed and opened', async () => {
    const { storage, database, other, meta } = await poisoned();
    await other.close();
    await meta.close();
    await database.close();
    const again = await cardDatabase(storage, 'shop');
    await again.cards.insert(card(2));
    expect(await again.cards.count().exec()).toBe(2);
  });
});
