import Database from 'better-sqlite3-multiple-ciphers';
import { existsSync, renameSync, rmSync } from 'node:fs';

const LAYOUT = 1;

const SCHEMA = `
CREATE TABLE seen(
  digest BLOB PRIMARY KEY,
  forget_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_by_end ON seen(forget_at);
CREATE TABLE note(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  trusted_at INTEGER NOT NULL,
  complete_from INTEGER NOT NULL
) STRICT;
`;

/**
 * Opens the file of the codes seen. One that is damaged, of another key or another layout is set aside and made anew:
 * what it knew is forgotten, which `complete_from` says.
 * @returns the connection, and whether the file is a new one
 * @throws SQLite's own error when the folder cannot be used
 */
export function openCodeBookFile(
  file: string,
  key: Uint8Array,
  { now, isFirstStart }: { readonly now: number; readonly isFirstStart: boolean },
): { readonly database: Database.Database; readonly isNew: boolean; readonly setAside: boolean } {
  const stood = existsSync(file);
  if (stood) {
    try {
      return { database: connect(file, key), isNew: false, setAside: false };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      renameSync(file, `${file}.damaged`);
      rmSync(`${file}-wal`, { force: true });
    }
  }
  const database = connect(file, key, stood || !isFirstStart ? now : 0);
  return { database, isNew: true, setAside: stood };
}

/** @param completeFrom of a file to be made; absent for one that stands */
function connect(file: string, key: Uint8Array, completeFrom?: number): Database.Database {
  const database = new Database(file, { timeout: 0 });
  try {
    database.pragma("cipher='aegis'");
    database.pragma(`key='raw:${Buffer.from(key).toString('hex')}'`);
    database.pragma('locking_mode=EXCLUSIVE');
    database.pragma('journal_mode=WAL');
    database.pragma('synchronous=FULL');
    database.pragma('temp_store=MEMORY');
    database.pragma('journal_size_limit=1048576');
    database.pragma('trusted_schema=OFF');
    if (completeFrom !== undefined) {
      database.exec('BEGIN EXCLUSIVE');
      database.exec(SCHEMA);
      database.prepare('INSERT INTO note VALUES(1, 0, ?)').run(completeFrom);
      database.pragma(`user_version=${LAYOUT}`);
      database.exec('COMMIT');
    }
    const layout: unknown = database.pragma('user_version', { simple: true });
    if (layout !== LAYOUT) throw new OtherLayout(`${file} has layout ${String(layout)}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

class OtherLayout extends Error {}

/** A disk that cannot be read or written is no reason to throw a good file away; these are. */
function isUnreadable(error: unknown): boolean {
  if (error instanceof OtherLayout) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT');
}
