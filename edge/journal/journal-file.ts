import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3-multiple-ciphers';
import { ProgrammerError, StammkundeError } from '../../foundation/errors.ts';
import { KEY_BYTES } from '../../foundation/secret-file.ts';
import { APPLICATION_ID, INDEXES, LAYOUT, SCHEMA } from './journal-schema.ts';
import { ALLOWANCE_TABLES } from './allowance-store.ts';
import { journalFault } from './journal-fault.ts';

const PAGE_BYTES = 4096;
const MARK_BYTES = 16;
/**
 * A longer file is not read as a whole at the start, which would take the longer the longer the till was alone. Each
 * page is authenticated whenever it is read, and an audit reads all.
 */
const CHECKED_PAGES = 1_024;

/** What a journal starts with: whose it is, and the hash its first entry continues. */
export interface Genesis {
  readonly till: string;
  readonly incarnation: string;
  readonly hash: string;
}

/**
 * Opens a journal's file, for this connection alone, with every commit on disk before it returns. A missing file is
 * made beside its place and moved there when it is complete, so a file that stands in its place and is empty or short
 * is damage, never a beginning.
 * @throws StammkundeError JRN_WRONG_KEY · JRN_CORRUPT · DATA_IN_USE · DATA_DISK_FULL · DATA_UNWRITABLE
 */
export function openJournalFile(file: string, key: Uint8Array, genesis: () => Genesis): Database.Database {
  if (key.length !== KEY_BYTES)
    throw new ProgrammerError(`a journal key has ${KEY_BYTES} bytes, got ${key.length}`);
  try {
    accessSync(dirname(file), constants.W_OK);
    if (!existsSync(file)) create(file, key, genesis());
    inspectHead(file, key);
    return connect(file, key, (database) => {
      const layout: unknown = database.pragma('user_version', { simple: true });
      if (layout !== LAYOUT) {
        throw new StammkundeError(
          'JRN_CORRUPT',
          `${file} has layout ${String(layout)}, this program knows ${LAYOUT}`,
        );
      }
      database.exec(INDEXES);
      database.exec(ALLOWANCE_TABLES);
      if (Number(database.pragma('page_count', { simple: true })) > CHECKED_PAGES) return;
      const verdict: unknown = database.pragma('quick_check(1)', { simple: true });
      if (verdict !== 'ok')
        throw new StammkundeError('JRN_CORRUPT', `${file} is damaged: ${String(verdict)}`);
    });
  } catch (error) {
    throw journalFault(error, file);
  }
}

function create(file: string, key: Uint8Array, genesis: Genesis): void {
  if (existsSync(`${file}-wal`))
    throw new StammkundeError('JRN_CORRUPT', `${file} is gone, but its -wal file is there`);
  const unfinished = `${file}.new`;
  buildJournalFile(unfinished, key, genesis);
  renameSync(unfinished, file);
  syncFolder(dirname(file));
}

/**
 * Writes a whole journal to a place of its own, on the disk when this returns, in place of what an interrupted attempt
 * left there.
 * @param fill writes the first entries, if any, in the transaction that makes the file
 * @throws StammkundeError DATA_UNWRITABLE, and what SQLite throws
 */
export function buildJournalFile(
  file: string,
  key: Uint8Array,
  genesis: Genesis,
  fill: (database: Database.Database) => void = () => {},
): void {
  rmSync(file, { force: true });
  rmSync(`${file}-wal`, { force: true });
  const database = connect(file, key, (fresh) => {
    fresh.exec('BEGIN EXCLUSIVE');
    fresh.pragma(`application_id=${APPLICATION_ID}`);
    fresh.pragma(`user_version=${LAYOUT}`);
    fresh.exec(SCHEMA);
    fresh.exec(INDEXES);
    fresh.exec(ALLOWANCE_TABLES);
    fresh
      .prepare('INSERT INTO chain VALUES(1, ?, ?, 0, ?, 0, 0, 0, 0)')
      .run(genesis.till, genesis.incarnation, genesis.hash);
    fill(fresh);
    fresh.exec('COMMIT');
  });
  closeWhole(database, file);
}

/**
 * Closes a database so that it is in its file alone, on the disk. SQLite itself says nothing of a WAL that it could not
 * move into the file when closing.
 * @throws StammkundeError DATA_UNWRITABLE, and what SQLite throws
 */
function closeWhole(database: Database.Database, file: string): void {
  try {
    database.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
  if (existsSync(`${file}-wal`))
    throw new StammkundeError('DATA_UNWRITABLE', `${file} could not be written as a whole`);
}

function connect(
  file: string,
  key: Uint8Array,
  prepare: (database: Database.Database) => void,
): Database.Database {
  const database = new Database(file, { timeout: 0 });
  try {
    // A cipher with authentication: a flipped bit anywhere is an error, not another amount.
    database.pragma("cipher='aegis'");
    database.pragma(`key='raw:${Buffer.from(key).toString('hex')}${keyMark(key).toString('hex')}'`);
    database.pragma(`page_size=${PAGE_BYTES}`);
    // Keeps others out, and needs no shared-memory file, whose index of the WAL no cipher covers.
    database.pragma('locking_mode=EXCLUSIVE');
    database.pragma('journal_mode=WAL');
    database.pragma('synchronous=FULL');
    database.pragma('fullfsync=ON');
    database.pragma('checkpoint_fullfsync=ON');
    database.pragma('secure_delete=ON');
    database.pragma('temp_store=MEMORY');
    database.pragma('journal_size_limit=16777216');
    database.pragma('cell_size_check=ON');
    database.pragma('trusted_schema=OFF');
    // Takes the lock that EXCLUSIVE keeps from here on.
    database.exec('BEGIN EXCLUSIVE; COMMIT');
    prepare(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Sixteen bytes that name a key without betraying it. They stand where SQLite3 Multiple Ciphers keeps its salt (unused
 * with a raw key), at the head of the file: so a wrong key is told from a damaged file.
 */
function keyMark(key: Uint8Array): Buffer {
  return createHmac('sha256', key).update('till journal key mark v1').digest().subarray(0, MARK_BYTES);
}

/** @throws StammkundeError JRN_CORRUPT · JRN_WRONG_KEY */
function inspectHead(file: string, key: Uint8Array): void {
  const head = Buffer.alloc(24);
  const descriptor = openSync(file, 'r');
  let length: number;
  try {
    length = readSync(descriptor, head, 0, head.length, 0);
  } finally {
    closeSync(descriptor);
  }
  // Bytes 16–23 of the header stay in the clear; 21–23 are constants (https://sqlite.org/fileformat2.html, 1.3).
  if (length < head.length || !head.subarray(21, 24).equals(Buffer.from([64, 32, 32])))
    throw new StammkundeError('JRN_CORRUPT', `${file} is empty or no journal`);
  if (!timingSafeEqual(head.subarray(0, MARK_BYTES), keyMark(key)))
    throw new StammkundeError('JRN_WRONG_KEY', `${file} was written with another key`);
}

/** Makes a rename durable. Windows has no handle for a folder; its file system journals the rename itself. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
