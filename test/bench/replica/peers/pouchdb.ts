import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { BenchDocument } from '../bench-documents.ts';
import type { Peer, PeerKind } from '../peer.ts';

/** What is used of PouchDB. Its published types declare a Buffer of their own for the whole program. */
interface PouchDatabase {
  bulkDocs(documents: readonly object[]): Promise<readonly object[]>;
  get(id: string): Promise<{ readonly _rev: string }>;
  put(document: object): Promise<unknown>;
  close(): Promise<void>;
}

interface PouchModule {
  new (path: string, options: { readonly adapter: 'leveldb' }): PouchDatabase;
  plugin(adapter: unknown): void;
}

/** PouchDB on LevelDB. Its indexed queries (mapreduce, find) are packages of their own and not compared. */
export const pouchdb: PeerKind = {
  label: 'PouchDB on LevelDB',
  survives: 'kill -9',
  documentsMax: 100_000,
  open: async ({ folder }) => {
    const require = createRequire(import.meta.url);
    // PouchDB is a class; the interface names what is used of it.
    const PouchDB = require('pouchdb-core') as PouchModule;
    PouchDB.plugin(require('pouchdb-adapter-leveldb'));
    const database = new PouchDB(join(folder, 'peer'), { adapter: 'leveldb' });
    return new PouchPeer(database);
  },
};

class PouchPeer implements Peer {
  readonly #database: PouchDatabase;

  constructor(database: PouchDatabase) {
    this.#database = database;
  }

  async bulkLoad(documents: readonly BenchDocument[]): Promise<void> {
    const outcomes = await this.#database.bulkDocs(
      documents.map((document) => ({ ...document, _id: idOf(document.index) })),
    );
    if (outcomes.some((outcome) => !('ok' in outcome))) throw new Error('PouchDB refused documents');
  }

  lookup(index: string): Promise<unknown> {
    return this.#database.get(idOf(index));
  }

  async update(document: BenchDocument): Promise<void> {
    const { _rev } = await this.#database.get(idOf(document.index));
    await this.#database.put({ ...document, _id: idOf(document.index), _rev });
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** PouchDB keeps ids that begin with an underscore, which base64url may, for itself. */
function idOf(index: string): string {
  return `c${index}`;
}
