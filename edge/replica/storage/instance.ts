import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';
import { now } from 'rxdb';
import type {
  BulkWriteRow,
  CategorizeBulkWriteRowsOutput,
  EventBulk,
  PreparedQuery,
  RxDocumentData,
  RxJsonSchema,
  RxStorageBulkWriteResponse,
  RxStorageChangeEvent,
  RxStorageCountResult,
  RxStorageDefaultCheckpoint,
  RxStorageInstance,
  RxStorageInstanceCreationParams,
  RxStorageQueryResult,
} from 'rxdb';
import { asError } from '../../../foundation/errors.ts';
import type { SqliteDatabase } from './database.ts';
import { DocumentTable } from './document-table.ts';
import type { AttachmentContents } from './document-table.ts';
import { readMark, writeMark } from './marks.ts';
import { keyFieldsOf, repair } from './repair.ts';
import { dropTables, openTables } from './schema-tables.ts';
import type { SqliteStore } from './store.ts';

export type { SqliteStore } from './store.ts';

/** What `internals` of an instance holds, however many of RxDB's wrappers lie around it. */
export interface SqliteStorageInternals {
  readonly sqlite: SqliteStore<unknown>;
}

type Events<T> = EventBulk<RxStorageChangeEvent<RxDocumentData<T>>, RxStorageDefaultCheckpoint>;

/** One collection of one RxDatabase. */
export class RxStorageInstanceSqlite<T> implements RxStorageInstance<
  T,
  SqliteStorageInternals,
  object,
  RxStorageDefaultCheckpoint
> {
  readonly databaseName: string;
  readonly collectionName: string;
  readonly schema: Readonly<RxJsonSchema<RxDocumentData<T>>>;
  readonly options: Readonly<object>;
  readonly internals: SqliteStorageInternals;
  readonly #database: SqliteDatabase;
  readonly #table: DocumentTable<T>;
  readonly #release: () => void;
  readonly #changes = new Subject<Events<T>>();
  #closing: Promise<void> | undefined;

  /** @param release called once, when this instance needs the database no more */
  constructor(
    database: SqliteDatabase,
    params: RxStorageInstanceCreationParams<T, object>,
    release: () => void,
  ) {
    this.databaseName = params.databaseName;
    this.collectionName = params.collectionName;
    this.schema = params.schema;
    this.options = params.options;
    this.#database = database;
    this.#release = release;
    const layout = openTables(
      database,
      { database: params.databaseName, collection: params.collectionName, version: params.schema.version },
      params.schema,
    );
    this.#table = new DocumentTable<T>(database, layout, this);
    const table = this.#table;
    const firstRevision = `1-${params.databaseInstanceToken}`;
    const store: SqliteStore<T> = {
      readById: (id) => table.readById(id),
      liveCount: () => table.liveCount(),
      explain: (prepared) => table.explain(prepared),
      bulkLoad: (documents, mark) => {
        const _meta = { lwt: now() };
        const defaults = { _deleted: false, _attachments: {}, _meta, _rev: firstRevision };
        const loaded = table.insertNew(
          documents.map((document) => ({ ...defaults, ...document })),
          mark,
        );
        return { loaded, skipped: documents.length - loaded };
      },
      repair: (repairs) => {
        this.#ensureOpen();
        const { rows, unchanged } = repair<T>(repairs, {
          primaryPath: layout.primaryPath,
          keyFields: keyFieldsOf(params.schema),
          token: params.databaseInstanceToken,
          stored: (id) => table.findByIds([id], true)[0],
        });
        const deleted = rows.filter(({ document }) => document._deleted).length;
        for (const result of table.write(rows, 'repair', new Map())) this.#emit(result);
        return { written: rows.length - deleted, deleted, unchanged };
      },
      digests: () => table.digests(),
      recount: () => table.recount(),
      readMark: (name) => database.readThrough(() => readMark(database, name)),
      writeMark: (mark) => database.transact(this.collectionName, () => writeMark(database, mark)),
      sync: () => database.sync(),
    };
    // Internals are typed once for all collections; sqliteStoreOf gives the document type back.
    this.internals = { sqlite: store as SqliteStore<unknown> };
  }

  async bulkWrite(rows: BulkWriteRow<T>[], context: string): Promise<RxStorageBulkWriteResponse<T>> {
    this.#ensureOpen();
    const contents = await this.#readContents(rows);
    const results = this.#table.write(rows, context, contents);
    const error = results.flatMap(({ errors }) => errors);
    for (const result of results) this.#emit(result);
    return { error };
  }

  async findDocumentsById(ids: string[], withDeleted: boolean): Promise<RxDocumentData<T>[]> {
    this.#ensureOpen();
    return this.#table.findByIds(ids, withDeleted);
  }

  async query(prepared: PreparedQuery<T>): Promise<RxStorageQueryResult<T>> {
    this.#ensureOpen();
    return { documents: this.#table.query(prepared) };
  }

  async count(prepared: PreparedQuery<T>): Promise<RxStorageCountResult> {
    this.#ensureOpen();
    return { count: this.#table.count(prepared), mode: 'fast' };
  }

  async getAttachmentData(documentId: string, attachmentId: string, digest: string): Promise<Blob> {
    this.#ensureOpen();
    const found = this.#table.attachment(documentId, attachmentId, digest);
    if (found === undefined) throw new Error(`attachment does not exist: ${documentId}||${attachmentId}`);
    return new Blob([new Uint8Array(found.content)], { type: found.type });
  }

  async getChangedDocumentsSince(
    limit: number,
    checkpoint?: RxStorageDefaultCheckpoint,
  ): Promise<{ documents: RxDocumentData<T>[]; checkpoint: RxStorageDefaultCheckpoint }> {
    this.#ensureOpen();
    const documents = this.#table.changedSince(limit, checkpoint);
    const last = documents.at(-1);
    return {
      documents,
      checkpoint: last === undefined ? (checkpoint ?? { id: '', lwt: 0 }) : this.#checkpointOf(last),
    };
  }

  changeStream(): Observable<Events<T>> {
    return this.#changes.asObservable();
  }

  /** Removes one bounded slice; RxDB's cleanup plugin calls again while the answer is false. */
  async cleanup(minimumDeletedTime: number): Promise<boolean> {
    this.#ensureOpen();
    return this.#table.cleanup(minimumDeletedTime);
  }

  async remove(): Promise<void> {
    this.#ensureOpen();
    dropTables(this.#database, this.collectionName, this.#table.layout);
    await this.close();
  }

  /** Works on a poisoned database too: closing every instance is the way to reopen it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#changes.complete();
    this.#release();
  }

  #ensureOpen(): void {
    if (this.#closing !== undefined) throw new Error(`storage instance ${this.collectionName} is closed`);
  }

  async #readContents(rows: readonly BulkWriteRow<T>[]): Promise<AttachmentContents> {
    const contents = new Map<Blob, Buffer>();
    if (this.schema.attachments === undefined) return contents;
    try {
      for (const { document } of rows) {
        for (const attachment of Object.values(document._attachments)) {
          if (!('data' in attachment)) continue;
          contents.set(attachment.data, Buffer.from(await attachment.data.arrayBuffer()));
        }
      }
    } catch (error) {
      throw this.#database.poison(asError(error));
    }
    return contents;
  }

  #emit(result: CategorizeBulkWriteRowsOutput<T>): void {
    const { eventBulk, newestRow } = result;
    if (eventBulk.events.length === 0 || newestRow === undefined) return;
    eventBulk.checkpoint = this.#checkpointOf(newestRow.document);
    this.#changes.next(eventBulk);
  }

  #checkpointOf(document: RxDocumentData<T>): RxStorageDefaultCheckpoint {
    return { id: String(Reflect.get(document, this.#table.layout.primaryPath)), lwt: document._meta.lwt };
  }
}
