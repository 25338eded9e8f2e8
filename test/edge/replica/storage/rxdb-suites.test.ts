// Goal: the suites RxDB ships for others to run pass on this storage: the one for replications, with the storage at both
// ends and attachments, and the performance tests, as a check of every operation they time.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  addRxPlugin,
  fillWithDefaultSettings,
  normalizeMangoQuery,
  prepareQuery,
  rxStorageInstanceToReplicationHandler,
} from 'rxdb';
import type {
  RxCollection,
  RxDocumentData,
  RxJsonSchema,
  RxReplicationHandler,
  RxStorage,
  RxStorageDefaultCheckpoint,
  RxStorageInstance,
} from 'rxdb';
import { RxDBAttachmentsPlugin } from 'rxdb/plugins/attachments';
import { RxDBDevModePlugin, disableWarnings } from 'rxdb/plugins/dev-mode';
import { RxDBLocalDocumentsPlugin } from 'rxdb/plugins/local-documents';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import type { RxReplicationState } from 'rxdb/plugins/replication';
import { wrappedValidateAjvStorage } from 'rxdb/plugins/validate-ajv';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { getRxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import { key } from './storage-fixtures.ts';

interface Human {
  readonly passportId: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly age?: number;
}

/** What is used here of `rxdb/plugins/test-utils`. Its own types pull in mocha's globals and another platform's Buffer. */
interface TestUtils {
  readonly schemas: { readonly human: RxJsonSchema<Human> };
  setConfig(config: { readonly storage: object }): void;
  getConfig(): unknown;
  runReplicationBaseTestSuite(config: {
    startReplication(collection: RxCollection<Human>): unknown;
    syncOnce(collection: RxCollection<Human>): Promise<void>;
    syncOnceWithAttachments(collection: RxCollection<Human>): Promise<void>;
    getAllServerDocs(): Promise<unknown[]>;
    cleanUpServer(): Promise<void>;
    readonly softDeletes: boolean;
    isDeleted(document: RxDocumentData<Human>): boolean;
    getPrimaryOfServerDoc(document: RxDocumentData<Human>): string;
  }): void;
  runPerformanceTests(
    storage: RxStorage<unknown, object>,
    description: string,
    config: Readonly<Record<string, number | boolean>>,
  ): Promise<Readonly<Record<string, number | string>>>;
}

const specifier: string = 'rxdb/plugins/test-utils';
// Looked up by name at run time; the interface says what RxDB 17.6 exports there.
const { getConfig, runPerformanceTests, runReplicationBaseTestSuite, schemas, setConfig } = (await import(
  specifier
)) as TestUtils;

disableWarnings();
addRxPlugin(RxDBDevModePlugin);
addRxPlugin(RxDBAttachmentsPlugin);
addRxPlugin(RxDBLocalDocumentsPlugin);

const folder = mkdtempSync(join(tmpdir(), 'rxdb-suites-'));
let files = 0;
/** A storage over a file of its own, with RxDB's own validation of schemas around it. */
function storage(): RxStorage<unknown, object> {
  files += 1;
  return wrappedValidateAjvStorage({
    storage: getRxStorageSqlite({ file: join(folder, `${files}.db`), key }),
  }) as RxStorage<unknown, object>;
}

type Checkpoint = RxStorageDefaultCheckpoint;

/** The central end of a replication: one bare instance, which the suite asks to be emptied between tests. */
class Server {
  readonly #schema: RxJsonSchema<RxDocumentData<Human>>;
  #instance: RxStorageInstance<Human, unknown, object, Checkpoint> | undefined;

  constructor(attachments: boolean) {
    this.#schema = fillWithDefaultSettings(
      attachments ? { ...schemas.human, attachments: {} } : schemas.human,
    );
  }

  async empty(): Promise<void> {
    await this.#instance?.remove();
    this.#instance = (await storage().createStorageInstance<Human>({
      databaseInstanceToken: 'server',
      databaseName: 'server',
      collectionName: 'human',
      schema: this.#schema,
      options: {},
      multiInstance: false,
      devMode: false,
    })) as RxStorageInstance<Human, unknown, object, Checkpoint>;
  }

  handler(collection: RxCollection<Human>): RxReplicationHandler<Human, Checkpoint> {
    const instance = this.#running();
    const handler = rxStorageInstanceToReplicationHandler(instance, collection.conflictHandler, 'server');
    return {
      ...handler,
      // Every server of RxDB's sends what is in the attachments along with the winner of a conflict; this handler does not.
      masterWrite: async (rows) => {
        const conflicts = await handler.masterWrite(rows);
        for (const conflict of conflicts) {
          // What the handler answers are documents of this instance, attachments included where it has any.
          const { _attachments } = conflict as unknown as Partial<RxDocumentData<Human>>;
          for (const [id, attachment] of Object.entries(_attachments ?? {})) {
            const data = await instance.getAttachmentData(conflict.passportId, id, attachment.digest);
            Object.assign(attachment, { data });
          }
        }
        return conflicts;
      },
    };
  }

  async documents(): Promise<RxDocumentData<Human>[]> {
    const instance = this.#running();
    const everything = normalizeMangoQuery(instance.schema, {
      selector: { _deleted: { $in: [true, false] } },
    } as Parameters<typeof normalizeMangoQuery<RxDocumentData<Human>>>[1]);
    return (await instance.query(prepareQuery(instance.schema, everything))).documents;
  }

  async close(): Promise<void> {
    await this.#instance?.close();
  }

  #running(): RxStorageInstance<Human, unknown, object, Checkpoint> {
    if (this.#instance === undefined) throw new Error('the server was not started');
    return this.#instance;
  }
}

const server = new Server(false);
const albums = new Server(true);

function replicate(
  at: Server,
  collection: RxCollection<Human>,
  live: boolean,
): RxReplicationState<Human, Checkpoint> {
  const handler = at.handler(collection);
  return replicateRxCollection<Human, Checkpoint>({
    collection,
    replicationIdentifier: 'server',
    live,
    retryTime: 50,
    waitForLeadership: false,
    pull: {
      batchSize: 10,
      handler: (checkpoint, batchSize) => handler.masterChangesSince(checkpoint, batchSize),
      stream$: handler.masterChangeStream$,
    },
    push: { batchSize: 10, handler: (rows) => handler.masterWrite(rows) },
  });
}

async function syncOnce(at: Server, collection: RxCollection<Human>): Promise<void> {
  const replication = replicate(at, collection, false);
  await replication.awaitInitialReplication();
}

// The suites are written for mocha, whose functions are global. They, and RxDB's console, are given for this file only.
const mocha = { describe, it };
Object.assign(globalThis, mocha);
const console = { ...globalThis.console };
globalThis.console.log = () => {};
setConfig({
  storage: {
    name: 'sqlite-encrypted',
    getStorage: storage,
    getPerformanceStorage: () => ({ storage: storage(), description: 'sqlite-encrypted' }),
    hasPersistence: true,
    hasMultiInstance: false,
    hasAttachments: true,
    hasReplication: true,
  },
});
getConfig();
Object.assign(globalThis.console, console);

beforeAll(async () => {
  await server.empty();
  await albums.empty();
});
afterAll(async () => {
  for (const name of Object.keys(mocha)) Reflect.deleteProperty(globalThis, name);
  await server.close();
  await albums.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('RxDB’s replication suite', () => {
  runReplicationBaseTestSuite({
    startReplication: (collection: RxCollection<Human>) => replicate(server, collection, true),
    syncOnce: (collection: RxCollection<Human>) =>
      syncOnce(collection.schema.jsonSchema.attachments === undefined ? server : albums, collection),
    syncOnceWithAttachments: (collection: RxCollection<Human>) => syncOnce(albums, collection),
    getAllServerDocs: () => server.documents(),
    cleanUpServer: async () => {
      await server.empty();
      await albums.empty();
    },
    softDeletes: true,
    isDeleted: (document: RxDocumentData<Human>) => document._deleted,
    getPrimaryOfServerDoc: (document: RxDocumentData<Human>) => document.passportId,
  });
});

test('RxDB’s performance tests find what they wrote', async () => {
  const result = await runPerformanceTests(storage(), 'sqlite-encrypted', {
    runs: 2,
    collectionsAmount: 2,
    docsAmount: 300,
    serialDocsAmount: 20,
    waitBetweenTests: 0,
    log: false,
  });
  expect(Object.keys(result)).toEqual(
    expect.arrayContaining([
      'insert-documents-50',
      'find-by-ids-300',
      'find-by-query',
      '4x-count',
    ]) as unknown,
  );
});
