import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRxDatabase, fillWithDefaultSettings } from 'rxdb';
import type {
  RxCollection,
  RxDatabase,
  RxDocumentData,
  RxJsonSchema,
  RxStorage,
  RxStorageInstance,
} from 'rxdb';
import { onTestFinished } from 'vitest';
import { cardSchema } from './card-collection.ts';
import type { Card } from './card-collection.ts';
import { getRxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import type { RxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import type { SqliteStorageInternals } from '../../../../edge/replica/storage/instance.ts';
import type { SqliteStorageSettings } from '../../../../edge/replica/storage/settings.ts';

export const key = new Uint8Array(32).fill(7);

/** Path of a database file in a folder that goes when the test ends. */
export function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sqlite-storage-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'replica.db');
}

export function sqliteStorage(settings: Partial<SqliteStorageSettings> = {}): RxStorageSqlite {
  return getRxStorageSqlite({ file: settings.file ?? temporaryFile(), key, ...settings });
}

let databases = 0;
/** Closed when the test ends, if not before. */
export async function cardDatabase(
  storage: RxStorage<unknown, object>,
  name = `replica-${(databases += 1)}`,
): Promise<{ readonly database: RxDatabase; readonly cards: RxCollection<Card> }> {
  const database = await createRxDatabase({ name, storage, multiInstance: false });
  onTestFinished(async () => {
    await database.close();
  });
  const { cards } = await database.addCollections<{ cards: RxCollection<Card> }>({
    cards: { schema: cardSchema },
  });
  return { database, cards };
}

/** One bare instance, below RxDB. */
export async function instanceOf<T>(
  storage: RxStorageSqlite,
  schema: RxJsonSchema<T>,
  collectionName = 'bare',
): Promise<RxStorageInstance<T, SqliteStorageInternals, object>> {
  return storage.createStorageInstance<T>({
    databaseInstanceToken: 'token',
    databaseName: 'bare',
    collectionName,
    schema: fillWithDefaultSettings(schema),
    options: {},
    multiInstance: false,
    devMode: false,
  });
}

let writes = 0;
/** A document as RxDB hands it to a storage. */
export function filled<T>(
  document: T,
  more: { _deleted?: boolean; lwt?: number; _rev?: string } = {},
): RxDocumentData<T> {
  writes += 1;
  return {
    ...document,
    _deleted: more._deleted ?? false,
    _attachments: {},
    _meta: { lwt: more.lwt ?? 1_800_000_000_000 + writes },
    _rev: more._rev ?? `1-r${writes}`,
  };
}
