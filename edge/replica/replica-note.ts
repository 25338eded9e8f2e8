import { createRevision, fillWithDefaultSettings, now } from 'rxdb';
import type { RxStorageInstance } from 'rxdb';
import type { Closable } from '../../foundation/lifecycle.ts';
import { replicaSchemas } from './collections.ts';
import type { ReplicaNote } from './collections.ts';
import type { SqliteStorageInternals, SqliteStore } from './storage/instance.ts';
import type { RxStorageSqlite } from './storage/storage.ts';

type NoteInstance = RxStorageInstance<ReplicaNote, SqliteStorageInternals, object>;

/**
 * The note in the replica's own file, so that note and documents are of the same moment, and a poisoned base takes no
 * claim. It is no open collection of RxDB, which allows a process only thirteen of those.
 */
export class ReplicaNoteBook implements Closable {
  readonly #instance: NoteInstance;
  readonly #store: SqliteStore<ReplicaNote>;
  #note: ReplicaNote;

  private constructor(instance: NoteInstance) {
    this.#instance = instance;
    // The instance was made from this schema.
    this.#store = instance.internals.sqlite as SqliteStore<ReplicaNote>;
    this.#note = this.#store.readById('note') ?? { id: 'note', caughtUpAt: null, positions: {} };
  }

  /** @throws StammkundeError as the storage does when its file cannot be opened */
  static async open(storage: RxStorageSqlite): Promise<ReplicaNoteBook> {
    const instance = await storage.createStorageInstance<ReplicaNote>({
      databaseInstanceToken: 'replica-note',
      databaseName: 'replica-note',
      collectionName: 'note',
      schema: fillWithDefaultSettings(replicaSchemas.note),
      options: {},
      multiInstance: false,
      devMode: false,
    });
    return new ReplicaNoteBook(instance);
  }

  get note(): ReplicaNote {
    return this.#note;
  }

  /** @throws StammkundeError REP_POISONED */
  async write({ caughtUpAt, positions }: Omit<ReplicaNote, 'id'>): Promise<void> {
    const previous = this.#store.readById('note');
    const note: ReplicaNote = { id: 'note', caughtUpAt, positions };
    const document = {
      ...note,
      _deleted: false,
      _attachments: {},
      _meta: { lwt: now() },
      _rev: createRevision('replica-note', previous),
    };
    const row = previous === undefined ? { document } : { previous, document };
    await this.#instance.bulkWrite([row], 'replica-note');
    this.#note = note;
  }

  async close(): Promise<void> {
    await this.#instance.close();
  }
}
