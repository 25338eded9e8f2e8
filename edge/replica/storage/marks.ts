import type { SqliteDatabase } from './database.ts';

/** A note of the caller's in the file, committed together with what it is about. */
export interface Mark {
  readonly name: string;
  /** Text to be read back as it is; `null` removes the mark. */
  readonly text: string | null;
}

export const MARKS_TABLE =
  'CREATE TABLE IF NOT EXISTS rx_mark(name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT';

/** Sets or removes a mark. Part of the transaction it is called in. */
export function writeMark(database: SqliteDatabase, { name, text }: Mark): void {
  if (text === null) {
    database.prepare('DELETE FROM rx_mark WHERE name=?').run(name);
  } else {
    database
      .prepare(
        'INSERT INTO rx_mark(name, text) VALUES(?,?) ON CONFLICT(name) DO UPDATE SET text=excluded.text',
      )
      .run(name, text);
  }
}

/** A mark's text, or undefined when there is none. */
export function readMark(database: SqliteDatabase, name: string): string | undefined {
  const text = database.prepare('SELECT text FROM rx_mark WHERE name=?', 'pluck').get(name);
  return typeof text === 'string' ? text : undefined;
}
