import { join } from 'node:path';
import { createRxDatabase } from 'rxdb';
import type { RxCollection, RxJsonSchema } from 'rxdb';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import type { RxStorage } from 'rxdb';
import { getRxStorageSqlite, sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import type { BenchDocument } from '../bench-documents.ts';
import type { Peer, PeerKind, PeerSetting } from '../peer.ts';

const schema: RxJsonSchema<BenchDocument> = {
  version: 0,
  primaryKey: 'index',
  type: 'object',
  properties: {
    index: { type: 'string', maxLength: 43 },
    kind: { type: 'string' },
    customerId: { type: 'string', maxLength: 36 },
    status: { type: 'string' },
    validUntil: { type: ['number', 'null'] },
    points: { type: 'number' },
  },
  required: ['index', 'kind', 'customerId', 'status', 'validUntil', 'points'],
  indexes: ['customerId'],
};

type Collection = RxCollection<BenchDocument>;

/** RxDB as an application uses it, over the storage of the till. */
export const rxdbOverSqlite: PeerKind = {
  label: 'RxDB over our storage',
  survives: 'kill -9',
  documentsMax: Infinity,
  open: async (setting) => new RxdbPeer(await openCollection(storageIn(setting))),
};

/** RxDB as an application uses it, over its own memory storage. */
export const rxdbInMemory: PeerKind = {
  label: 'RxDB over its memory storage',
  survives: 'nothing',
  documentsMax: 300_000,
  open: async () => new RxdbPeer(await openCollection(getRxStorageMemory())),
};

/** The storage of the till without RxDB before it, as the till itself uses it. */
export const ourStore: PeerKind = {
  label: 'our storage, direct',
  survives: 'kill -9',
  documentsMax: Infinity,
  open: async (setting) => {
    const collection = await openCollection(storageIn(setting));
    const store = sqliteStoreOf(collection);
    return {
      bulkLoad: (documents) => void store.bulkLoad(documents),
      lookup: (index) => store.readById(index),
      update: (document) => void store.repair({ put: [document], delete: [] }),
      close: async () => void (await collection.database.close()),
    };
  },
};

class RxdbPeer implements Peer {
  readonly #collection: Collection;

  constructor(collection: Collection) {
    this.#collection = collection;
  }

  async bulkLoad(documents: readonly BenchDocument[]): Promise<void> {
    const { error } = await this.#collection.bulkInsert([...documents]);
    if (error.length > 0) throw new Error('RxDB refused documents');
  }

  async lookup(index: string): Promise<unknown> {
    return (await this.#collection.findOne(index).exec()) ?? undefined;
  }

  async cardsOf(customerId: string): Promise<readonly unknown[]> {
    return this.#collection.find({ selector: { customerId } }).exec();
  }

  async update(document: BenchDocument): Promise<void> {
    await this.#collection.incrementalUpsert(document);
  }

  async close(): Promise<void> {
    await this.#collection.database.close();
  }
}

function storageIn({ folder, key }: PeerSetting): RxStorage<unknown, unknown> {
  // RxDB asks for no more than this of a storage; what is inside is the storage's own business.
  return getRxStorageSqlite({ file: join(folder, 'peer.db'), key }) as RxStorage<unknown, unknown>;
}

async function openCollection(storage: RxStorage<unknown, unknown>): Promise<Collection> {
  const database = await createRxDatabase<{ cards: Collection }>({
    name: 'bench',
    storage,
    multiInstance: false,
    eventReduce: false,
  });
  const { cards } = await database.addCollections({ cards: { schema } });
  return cards;
}
