import { categorizeBulkWriteRows, getQueryMatcher, getSortComparator, now } from 'rxdb';
import type {
  BulkWriteRow,
  CategorizeBulkWriteRowsOutput,
  PreparedQuery,
  QueryMatcher,
  RxDocumentData,
  RxStorageDefaultCheckpoint,
  RxStorageInstance,
} from 'rxdb';
import { StammkundeError, asError } from '../../../foundation/errors.ts';
import type { SqliteDatabase, Statement } from './database.ts';
import { CollectionDigests } from './digests.ts';
import type { BucketDigest, DigestChanges } from './digests.ts';
import { writeMark } from './marks.ts';
import type { Mark } from './marks.ts';
import { selectorToSql, sortToSql } from './query-to-sql.ts';
import type { Condition } from './query-to-sql.ts';
import { startRecount } from './recount.ts';
import type { Recount } from './recount.ts';
import { assertPresent, changeLiveDocuments, liveDocuments, rememberOpaque } from './schema-tables.ts';
import type { TableLayout } from './schema-tables.ts';
import { encodeText } from './value-encoding.ts';
import type { SqlValue } from './value-encoding.ts';

type AnyInstance<T> = RxStorageInstance<T, unknown, unknown, RxStorageDefaultCheckpoint>;

/** Attachment contents of one bulkWrite, read before its transaction begins: a Blob can only be read asynchronously. */
export type AttachmentContents = ReadonlyMap<Blob, Buffer>;

/**
 * The documents of one collection. Everything is synchronous and goes through the database's guard, so that whatever
 * SQLite throws poisons it.
 */
export class DocumentTable<T> {
  readonly layout: TableLayout;
  readonly #database: SqliteDatabase;
  readonly #name: string;
  readonly #instance: AnyInstance<T>;
  readonly #digests: CollectionDigests;
  readonly #read: Statement;
  readonly #readRevision: Statement;
  readonly #insert: Statement;
  readonly #insertNew: Statement;
  readonly #update: Statement;

  constructor(database: SqliteDatabase, layout: TableLayout, instance: AnyInstance<T>) {
    this.layout = layout;
    this.#database = database;
    this.#instance = instance;
    this.#name = instance.collectionName;
    this.#digests = new CollectionDigests(database, layout, this.#name);
    const names = ['id', 'rev', 'deleted', 'lwt', 'doc', ...layout.columns.map(({ name }) => name)];
    const table = layout.documents;
    const values = `INTO ${table}(${names.join(', ')}) VALUES(${names.map(() => '?').join(', ')})`;
    [this.#read, this.#readRevision, this.#insert, this.#insertNew, this.#update] = database.guard(
      () =>
        [
          database.prepare(`SELECT doc FROM ${table} WHERE id=?`, 'pluck'),
          database.prepare(`SELECT rev FROM ${table} WHERE id=?`, 'pluck'),
          database.prepare(`INSERT ${values}`),
          database.prepare(`INSERT ${values} ON CONFLICT(id) DO NOTHING`),
          database.prepare(
            `UPDATE ${table} SET ${names
              .slice(1)
              .map((name) => `${name}=?`)
              .join(', ')} WHERE id=?`,
          ),
        ] as const,
    );
  }

  /** One document, deleted or not, in one synchronous step. Goes on answering while the database is poisoned. */
  readById(id: string): RxDocumentData<T> | undefined {
    return this.#present().readThrough(() => this.#get(id));
  }

  /** Documents that are not deleted, at no cost. Goes on answering while the database is poisoned. */
  liveCount(): number {
    return this.#present().readThrough(() => liveDocuments(this.#database, this.layout));
  }

  findByIds(ids: readonly string[], withDeleted: boolean): RxDocumentData<T>[] {
    return this.#present().guard(() => {
      this.#database.before('find', this.#name);
      const found: RxDocumentData<T>[] = [];
      for (const id of ids) {
        const document = this.#get(id);
        if (document !== undefined && (withDeleted || !document._deleted)) found.push(document);
      }
      return found;
    });
  }

  /** Writes all rows in one transaction. Conflicts are results; anything else poisons the database. */
  write(
    rows: readonly BulkWriteRow<T>[],
    context: string,
    contents: AttachmentContents,
  ): CategorizeBulkWriteRowsOutput<T>[] {
    return this.#present().transact(this.#name, () =>
      this.#digests.keepUp((digests) =>
        distinctRuns(rows, (row) => this.#idOf(row.document)).map((run) =>
          this.#writeRun(run, context, contents, digests),
        ),
      ),
    );
  }

  /**
   * Inserts what is not there yet, in one transaction with the mark, and leaves alone what is. Returns how many rows
   * were new.
   */
  insertNew(documents: readonly RxDocumentData<T>[], mark: Mark | undefined): number {
    return this.#present().transact(this.#name, () =>
      this.#digests.keepUp((digests) => {
        let inserted = 0;
        let live = 0;
        for (const document of documents) {
          this.#database.before('load', this.#name);
          const { changes } = this.#insertNew.run(this.#idColumn(document), ...this.#columns(document));
          if (changes === 0) continue;
          inserted += 1;
          if (document._deleted) continue;
          live += 1;
          digests.added(this.#idOf(document), document);
        }
        changeLiveDocuments(this.#database, this.layout, live);
        if (mark !== undefined) writeMark(this.#database, mark);
        return inserted;
      }),
    );
  }

  digests(): readonly BucketDigest[] {
    return this.#present().readThrough(() => this.#digests.list());
  }

  recount(): Recount {
    return startRecount(this.#present(), this.#name, this.layout, this.#digests.of());
  }

  query(prepared: PreparedQuery<T>): RxDocumentData<T>[] {
    const { query } = prepared;
    const skip = query.skip > 0 ? query.skip : 0;
    const limit = query.limit ?? Infinity;
    const where = selectorToSql(this.layout, query.selector);
    const order = sortToSql(this.layout, query.sort);
    if (where.exact && order !== undefined) {
      return this.#scan(where, { order, skip, limit, window: true });
    }
    const end = skip + limit;
    const matches = where.exact ? undefined : getQueryMatcher<T>(this.#instance.schema, query);
    if (order !== undefined) {
      return this.#scan(where, { order, skip: 0, limit: end, matches }).slice(skip);
    }
    const found = this.#scan(where, { skip: 0, limit: Infinity, matches });
    // The comparator is typed for T; documents are T with RxDB's own fields.
    return found.toSorted(getSortComparator<T>(this.#instance.schema, query)).slice(skip, end);
  }

  count(prepared: PreparedQuery<T>): number {
    const { query } = prepared;
    const where = selectorToSql(this.layout, query.selector);
    if (!where.exact) return this.query(prepared).length;
    const total = this.#present().guard(() => {
      this.#database.before('count', this.#name);
      const statement = `SELECT count(*) FROM ${this.layout.documents} WHERE ${where.sql}`;
      return Number(this.#database.prepare(statement, 'pluck').get(...where.parameters));
    });
    const skip = query.skip > 0 ? query.skip : 0;
    return Math.min(Math.max(total - skip, 0), query.limit ?? Infinity);
  }

  /** How SQLite would run a query, one line a step: to check that it uses an index. */
  explain(prepared: PreparedQuery<T>): readonly string[] {
    const where = selectorToSql(this.layout, prepared.query.selector);
    const order = sortToSql(this.layout, prepared.query.sort);
    return this.#present().guard(() => {
      const rows = this.#database
        .prepare(`EXPLAIN QUERY PLAN ${this.#select(where, order)}`)
        .all(...where.parameters);
      // Column `detail` of https://sqlite.org/eqp.html is text.
      return rows.map((row) => (row as { readonly detail: string }).detail);
    });
  }

  /** Documents after the checkpoint, in the order of their last writes, ties by id. */
  changedSince(limit: number, checkpoint: RxStorageDefaultCheckpoint | undefined): RxDocumentData<T>[] {
    return this.#present().guard(() => {
      this.#database.before('changes', this.#name);
      const after = checkpoint ?? { id: '', lwt: 0 };
      return this.#database
        .prepare(
          `SELECT doc FROM ${this.layout.documents} WHERE (lwt, id) > (?, ?) ORDER BY lwt, id LIMIT ?`,
          'pluck',
        )
        .all(after.lwt, encodeText(after.id), limit)
        .map((text) => this.#parse(text));
    });
  }

  /** Removes at most one slice of tombstones older than `minimumDeletedMs`; true when none is left. */
  cleanup(minimumDeletedMs: number): boolean {
    const sliceRows = this.#database.settings.cleanupSliceRows;
    return this.#present().transact(this.#name, () => {
      this.#database.before('cleanup', this.#name);
      const { documents, attachments } = this.layout;
      // `_meta.lwt` is drawn from this very clock of RxDB, which may run ahead of the machine's by fractions.
      const before = now() - minimumDeletedMs;
      const ids = this.#database
        .prepare(`SELECT id FROM ${documents} WHERE deleted=1 AND lwt<=? ORDER BY lwt LIMIT ?`, 'pluck')
        .all(before, sliceRows);
      const removeDocument = this.#database.prepare(`DELETE FROM ${documents} WHERE id=?`);
      const removeContent = this.#database.prepare(`DELETE FROM ${attachments} WHERE id=?`);
      for (const id of ids) {
        removeDocument.run(id);
        removeContent.run(id);
      }
      return ids.length < sliceRows;
    });
  }

  /** An attachment's content and media type, or undefined when there is none with this digest. */
  attachment(
    id: string,
    name: string,
    digest: string,
  ): { readonly content: Buffer; readonly type: string } | undefined {
    return this.#present().guard(() => {
      this.#database.before('attachment', this.#name);
      // Both columns are NOT NULL in a STRICT table.
      return this.#database
        .prepare(`SELECT content, type FROM ${this.layout.attachments} WHERE id=? AND name=? AND digest=?`)
        .get(encodeText(id), encodeText(name), digest) as
        | { readonly content: Buffer; readonly type: string }
        | undefined;
    });
  }

  /** The database, while the collection is in it. */
  #present(): SqliteDatabase {
    assertPresent(this.layout, this.#name);
    return this.#database;
  }

  #writeRun(
    rows: readonly BulkWriteRow<T>[],
    context: string,
    contents: AttachmentContents,
    digests: DigestChanges,
  ): CategorizeBulkWriteRowsOutput<T> {
    const stored = new Map<string, RxDocumentData<T>>();
    this.#database.before('find', this.#name);
    for (const { document, previous } of rows) {
      const id = this.#idOf(document);
      const revision = this.#readRevision.get(encodeText(id));
      if (revision === undefined) continue;
      // The same revision is the same document: only a conflict needs the stored one parsed. Digests take no one's word.
      const known = !digests.kept && previous !== undefined && previous._rev === revision;
      const current = known ? previous : this.#get(id);
      if (current !== undefined) stored.set(id, current);
    }
    const result = withoutRefused(
      categorizeBulkWriteRows<T>(
        this.#instance,
        // The layout took it from the schema with RxDB's own function, whose type is this one.
        this.layout.primaryPath as Parameters<typeof categorizeBulkWriteRows<T>>[1],
        stored,
        [...rows],
        context,
      ),
    );
    let live = 0;
    for (const { document } of result.bulkInsertDocs) {
      this.#database.before('insert', this.#name);
      this.#insert.run(this.#idColumn(document), ...this.#columns(document));
      if (document._deleted) continue;
      live += 1;
      digests.added(this.#idOf(document), document);
    }
    for (const { document } of result.bulkUpdateDocs) {
      const id = this.#idOf(document);
      const previous = stored.get(id);
      live += Number(!document._deleted) - Number(previous?._deleted === false);
      this.#database.before('update', this.#name);
      const { changes } = this.#update.run(...this.#columns(document), this.#idColumn(document));
      if (changes !== 1) throw new StammkundeError('REP_CORRUPT', 'a document vanished while it was updated');
      if (previous?._deleted === false) digests.removed(id, previous);
      if (!document._deleted) digests.added(id, document);
    }
    changeLiveDocuments(this.#database, this.layout, live);
    this.#writeAttachments(result, contents);
    return result;
  }

  #writeAttachments(result: CategorizeBulkWriteRowsOutput<T>, contents: AttachmentContents): void {
    const { attachmentsAdd, attachmentsUpdate, attachmentsRemove } = result;
    const table = this.layout.attachments;
    for (const { documentId, attachmentId } of attachmentsRemove) {
      this.#database.before('detach', this.#name);
      this.#database
        .prepare(`DELETE FROM ${table} WHERE id=? AND name=?`)
        .run(encodeText(documentId), encodeText(attachmentId));
    }
    for (const { documentId, attachmentId, attachmentData, digest } of [
      ...attachmentsAdd,
      ...attachmentsUpdate,
    ]) {
      this.#database.before('attach', this.#name);
      const content = contents.get(attachmentData.data);
      if (content === undefined) throw new StammkundeError('REP_CORRUPT', 'an attachment lost its content');
      this.#database
        .prepare(
          `INSERT INTO ${table}(id, name, digest, type, content) VALUES(?,?,?,?,?)
           ON CONFLICT(id, name) DO UPDATE SET digest=excluded.digest, type=excluded.type, content=excluded.content`,
        )
        .run(encodeText(documentId), encodeText(attachmentId), digest, attachmentData.type, content);
    }
  }

  /** Runs a SELECT; with `window`, SQLite skips and limits, else documents are matched here until `limit` are found. */
  #scan(
    where: Condition,
    how: {
      readonly order?: string;
      readonly skip: number;
      readonly limit: number;
      readonly window?: true;
      readonly matches?: QueryMatcher<RxDocumentData<T>> | undefined;
    },
  ): RxDocumentData<T>[] {
    if (how.limit <= 0) return [];
    let callersFault: Error | undefined;
    const found = this.#present().guard(() => {
      this.#database.before('query', this.#name);
      const select = this.#select(where, how.order);
      if (how.window === true) {
        return this.#database
          .prepare(`${select}${windowSql(how.skip, how.limit)}`, 'pluck')
          .all(...where.parameters)
          .map((text) => this.#parse(text));
      }
      const kept: RxDocumentData<T>[] = [];
      for (const text of this.#database.prepare(select, 'pluck').iterate(...where.parameters)) {
        const document = this.#parse(text);
        try {
          if (how.matches !== undefined && !how.matches(document)) continue;
        } catch (error) {
          // A selector that makes no sense is its author's trouble, not the database's.
          callersFault = asError(error);
          break;
        }
        kept.push(document);
        if (kept.length >= how.limit) break;
      }
      return kept;
    });
    if (callersFault !== undefined) throw callersFault;
    return found;
  }

  #select(where: Condition, order: string | undefined): string {
    const ordered = order === undefined ? '' : ` ORDER BY ${order}`;
    return `SELECT doc FROM ${this.layout.documents} WHERE ${where.sql}${ordered}`;
  }

  #get(id: string): RxDocumentData<T> | undefined {
    const text = this.#read.get(encodeText(id));
    return text === undefined ? undefined : this.#parse(text);
  }

  #parse(text: unknown): RxDocumentData<T> {
    // Column doc is TEXT NOT NULL and is only ever written by #columns, on pages no one can forge without the key.
    return JSON.parse(text as string) as RxDocumentData<T>;
  }

  #idOf(document: object): string {
    const id: unknown = Reflect.get(document, this.layout.primaryPath);
    if (typeof id !== 'string') {
      throw new TypeError(`${this.#name}: the primary key ${this.layout.primaryPath} must be a string`);
    }
    return id;
  }

  #idColumn(document: object): string {
    return encodeText(this.#idOf(document));
  }

  /** All columns but the id, in the order of the statements. */
  #columns(document: RxDocumentData<T>): SqlValue[] {
    const values: SqlValue[] = [
      document._rev,
      document._deleted ? 1 : 0,
      document._meta.lwt,
      JSON.stringify(document),
    ];
    for (const { path, reader } of this.layout.columns) {
      values.push(reader.read(document, () => rememberOpaque(this.#database, this.layout, path)));
    }
    return values;
  }
}

/**
 * Which of the rows are wanted. As text: where the limit is a parameter, SQLite
 * plans the statement anew for each execution, which costs twice the lookup.
 */
function windowSql(skip: number, limit: number): string {
  if (skip === 0 && limit === Infinity) return '';
  return ` LIMIT ${limit === Infinity ? -1 : Math.trunc(limit)} OFFSET ${Math.trunc(skip)}`;
}

/**
 * RxDB announces the insert of a document that it refuses for a missing attachment (510), and hands out those of its
 * attachments that are not missing: neither event nor content has a document.
 */
function withoutRefused<T>(result: CategorizeBulkWriteRowsOutput<T>): CategorizeBulkWriteRowsOutput<T> {
  const refused = new Set(
    result.errors.flatMap(({ status, documentId }) => (status === 510 ? documentId : [])),
  );
  if (refused.size === 0) return result;
  const { eventBulk, attachmentsAdd, attachmentsUpdate, attachmentsRemove } = result;
  const isTaken = ({ documentId }: { readonly documentId: string }): boolean => !refused.has(documentId);
  return {
    ...result,
    eventBulk: { ...eventBulk, events: eventBulk.events.filter(isTaken) },
    attachmentsAdd: attachmentsAdd.filter(isTaken),
    attachmentsUpdate: attachmentsUpdate.filter(isTaken),
    attachmentsRemove: attachmentsRemove.filter(isTaken),
  };
}

/** Cuts rows into runs in which no id occurs twice, so that a second write of a document meets the first as a conflict. */
function distinctRuns<R>(rows: readonly R[], idOf: (row: R) => string): readonly (readonly R[])[] {
  const ids = new Set<string>();
  const runs: R[][] = [[]];
  for (const row of rows) {
    const id = idOf(row);
    if (ids.has(id)) {
      ids.clear();
      runs.push([]);
    }
    ids.add(id);
    runs.at(-1)?.push(row);
  }
  return runs;
}
