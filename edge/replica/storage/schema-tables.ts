import { getPrimaryFieldOfPrimaryKey } from 'rxdb';
import type { RxDocumentData, RxJsonSchema } from 'rxdb';
import { ProgrammerError } from '../../../foundation/errors.ts';
import type { SqliteDatabase } from './database.ts';
import { DIGESTS_TABLE } from './digests.ts';
import type { DigestListener } from './digests.ts';
import { MARKS_TABLE } from './marks.ts';
import { ColumnReader } from './value-encoding.ts';

/** Which table belongs to which collection. */
export interface CollectionName {
  readonly database: string;
  readonly collection: string;
  /** The schema's version: a migration has the old and the new one open at the same time. */
  readonly version: number;
}

interface IndexedColumn {
  readonly path: string;
  /** Name in SQL. */
  readonly name: string;
  readonly reader: ColumnReader;
}

/** The layout of one collection's tables. */
export interface TableLayout {
  readonly id: number;
  readonly documents: string;
  readonly attachments: string;
  readonly primaryPath: string;
  /** One column for each path that some index of the schema names, besides id, `_deleted` and `_meta.lwt`. */
  readonly columns: readonly IndexedColumn[];
  /** Paths under which some document holds a value without an exact place in the order of SQLite. Grows, never shrinks. */
  readonly opaquePaths: Set<string>;
  /** Who counts the collection's digests anew at the moment. */
  readonly digestListener: { current: DigestListener | undefined };
  /** Once its tables are gone; shared by all instances of the collection. */
  removed: boolean;
}

type Schema<T> = Readonly<RxJsonSchema<RxDocumentData<T>>>;

// AUTOINCREMENT: the tables of a removed collection never become another's, for whoever still knows their names.
const CATALOGUE = `CREATE TABLE IF NOT EXISTS rx_collection(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  database TEXT NOT NULL, collection TEXT NOT NULL, version INTEGER NOT NULL,
  paths TEXT NOT NULL, indexes TEXT NOT NULL, opaque TEXT NOT NULL, live INTEGER NOT NULL,
  UNIQUE(database, collection, version)) STRICT`;

/**
 * Finds or makes the tables of a collection.
 * @throws ProgrammerError when they were made for other indexes: a changed schema needs a higher version
 */
export function openTables<T>(
  database: SqliteDatabase,
  name: CollectionName,
  schema: Schema<T>,
): TableLayout {
  const primaryPath = getPrimaryFieldOfPrimaryKey<RxDocumentData<T>>(schema.primaryKey);
  const indexes = (schema.indexes ?? []).map((index) => (typeof index === 'string' ? [index] : [...index]));
  const paths = [...new Set(indexes.flat())].filter((path) => fixedColumn(path, primaryPath) === undefined);
  const wanted = { paths: JSON.stringify(paths), indexes: JSON.stringify(indexes) };

  const found = database.transact(name.collection, () => {
    database.before('open', name.collection);
    database.exec(`${CATALOGUE}; ${DIGESTS_TABLE}; ${MARKS_TABLE}`);
    const row = findEntry(database, name);
    if (row !== undefined) return row;
    database
      .prepare(
        `INSERT INTO rx_collection(database, collection, version, paths, indexes, opaque, live) VALUES(?,?,?,?,?,'[]',0)`,
      )
      .run(name.database, name.collection, name.version, wanted.paths, wanted.indexes);
    const made = findEntry(database, name);
    if (made === undefined) throw new ProgrammerError(`the catalogue lost ${name.collection}`);
    createTables(database, layoutOf(made.id, primaryPath, paths), indexes);
    return made;
  });
  if (found.paths !== wanted.paths || found.indexes !== wanted.indexes) {
    throw new ProgrammerError(
      `${name.collection} version ${name.version} was made with other indexes: raise the schema's version`,
    );
  }
  // Two instances of one collection must know the same opaque paths: they share the layout.
  return database.layout(found.id, () => {
    const layout = layoutOf(found.id, primaryPath, paths);
    for (const path of parseStrings(found.opaque)) layout.opaquePaths.add(path);
    return layout;
  });
}

/**
 * Removes a collection with all it holds; `secure_delete` overwrites the pages.
 * @throws Error when another instance has done so
 */
export function dropTables(database: SqliteDatabase, collection: string, layout: TableLayout): void {
  assertPresent(layout, collection);
  database.transact(collection, () => {
    database.before('drop', collection);
    database.exec(
      `DROP TABLE IF EXISTS ${layout.documents}; DROP TABLE IF EXISTS ${layout.attachments};
       DELETE FROM rx_collection WHERE id=${layout.id};
       DELETE FROM rx_digest WHERE collection=${layout.id}`,
    );
  });
  // Whoever still counts has nothing left to count.
  layout.digestListener.current = undefined;
  layout.removed = true;
  database.forgetLayout(layout.id);
}

/** An instance of a collection that another instance removed is refused; nobody else is harmed by it. */
export function assertPresent(layout: TableLayout, collection: string): void {
  if (layout.removed) throw new Error(`collection ${collection} was removed`);
}

/** Writes down that a path can no longer be decided in SQL. Part of the transaction that stores the document. */
export function rememberOpaque(database: SqliteDatabase, layout: TableLayout, path: string): void {
  if (layout.opaquePaths.has(path)) return;
  layout.opaquePaths.add(path);
  database
    .prepare('UPDATE rx_collection SET opaque=? WHERE id=?')
    .run(JSON.stringify([...layout.opaquePaths]), layout.id);
}

/** Documents of a collection that are not deleted. Kept up with every write: counting a million takes seconds. */
export function liveDocuments(database: SqliteDatabase, layout: TableLayout): number {
  return Number(database.prepare('SELECT live FROM rx_collection WHERE id=?', 'pluck').get(layout.id));
}

/** Writes down that so many more, or fewer, documents are not deleted. Part of the transaction that makes it so. */
export function changeLiveDocuments(database: SqliteDatabase, layout: TableLayout, by: number): void {
  if (by === 0) return;
  database.prepare('UPDATE rx_collection SET live=live+? WHERE id=?').run(by, layout.id);
}

/** The columns every table has, by the path they stand for. */
export function fixedColumn(path: string, primaryPath: string): 'id' | 'deleted' | 'lwt' | undefined {
  if (path === primaryPath) return 'id';
  if (path === '_deleted') return 'deleted';
  return path === '_meta.lwt' ? 'lwt' : undefined;
}

interface CatalogueEntry {
  readonly id: number;
  readonly paths: string;
  readonly indexes: string;
  readonly opaque: string;
}

function findEntry(database: SqliteDatabase, name: CollectionName): CatalogueEntry | undefined {
  // The columns are those of CATALOGUE, whose types STRICT enforces.
  return database
    .prepare(
      'SELECT id, paths, indexes, opaque FROM rx_collection WHERE database=? AND collection=? AND version=?',
    )
    .get(name.database, name.collection, name.version) as CatalogueEntry | undefined;
}

function layoutOf(id: number, primaryPath: string, paths: readonly string[]): TableLayout {
  return {
    id,
    documents: `documents_${id}`,
    attachments: `attachments_${id}`,
    primaryPath,
    columns: paths.map((path, i) => ({ path, name: `f${i}`, reader: new ColumnReader(path) })),
    opaquePaths: new Set(),
    digestListener: { current: undefined },
    removed: false,
  };
}

/**
 * A table with a rowid and an index on the id, not WITHOUT ROWID: ids are keyed hashes and arrive in random order, and
 * rows in an index tree made loading a million of them take twice as long for reads a fifth faster.
 */
function createTables(database: SqliteDatabase, layout: TableLayout, indexes: readonly string[][]): void {
  const columns = layout.columns.map(({ name }) => `, ${name} ANY`).join('');
  database.exec(
    `CREATE TABLE ${layout.documents}(id TEXT NOT NULL PRIMARY KEY, rev TEXT NOT NULL, deleted INTEGER NOT NULL,
       lwt REAL NOT NULL, doc TEXT NOT NULL${columns}) STRICT;
     CREATE TABLE ${layout.attachments}(id TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
       type TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY(id, name)) STRICT;
     CREATE INDEX ${layout.documents}_tombstones ON ${layout.documents}(lwt) WHERE deleted=1`,
  );
  database.exec('ANALYZE sqlite_schema');
  const tell = database.prepare('INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES(?,?,?)');
  tell.run(layout.documents, `sqlite_autoindex_${layout.documents}_1`, `${ASSUMED_ROWS} 1`);
  tell.run(layout.documents, `${layout.documents}_tombstones`, `${ASSUMED_ROWS / 100} 1`);
  for (const [i, index] of indexes.entries()) {
    const parts = index.map((path) => columnName(layout, path));
    // The primary key's own index serves these as well, and most documents are not deleted.
    if (parts.join() === 'deleted,id' || parts.join() === 'id') continue;
    database.exec(`CREATE INDEX ${layout.documents}_${i} ON ${layout.documents}(${parts.join(', ')})`);
    tell.run(layout.documents, `${layout.documents}_${i}`, assumedStatistics(parts));
  }
  // Makes the planner read what it was told.
  database.exec('ANALYZE sqlite_schema');
}

const ASSUMED_ROWS = 1_000_000;

/**
 * What the planner is told about an index (https://sqlite.org/fileformat2.html section 2.6.3): the rows, then the rows
 * that share the first column, the first two, … Left to itself SQLite takes `deleted`, the first column of every index
 * of RxDB, for a selective one, and prefers a range on the wrong index to an equality on the right one.
 */
function assumedStatistics(parts: readonly string[]): string {
  let rows = ASSUMED_ROWS;
  const sharing = parts.map((part) => {
    if (part === 'id' || part === 'lwt') rows = 1;
    else if (part !== 'deleted') rows = Math.max(1, Math.round(rows / 1000));
    return rows;
  });
  return [ASSUMED_ROWS, ...sharing].join(' ');
}

function columnName(layout: TableLayout, path: string): string {
  const name =
    fixedColumn(path, layout.primaryPath) ?? layout.columns.find((column) => column.path === path)?.name;
  if (name === undefined) throw new ProgrammerError(`no column for ${path}`);
  return name;
}

function parseStrings(json: string): readonly string[] {
  const parsed: unknown = JSON.parse(json);
  return Array.isArray(parsed) ? parsed.filter((item) => typeof item === 'string') : [];
}
