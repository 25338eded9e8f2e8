import { createHmac } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import Database from 'better-sqlite3-multiple-ciphers';
import { StammkundeError, asError, isFault } from '../../../foundation/errors.ts';
import { storageFault } from './faults.ts';
import type { FilledSettings } from './settings.ts';

/** Layout of the tables in the file. A file of another layout is loaded again, never converted. */
const LAYOUT = 3;
const APPLICATION_ID = 0x53744b75; // 'StKu'
const KEY_BYTES = 32;
const PAGE_BYTES = 4096;
const SALT_BYTES = 16;
/** A random 128-bit value lies this close to another once in 10^23: so near a mark is the mark, with bits flipped. */
const FLIPPED_BITS_MAX = 8;

/**
 * Opens the file for writing and proves that it can be read. The caller holds the {@link ProcessLock}.
 * @throws StammkundeError KEY_UNREADABLE (not 32 bytes), REP_WRONG_KEY, REP_CORRUPT, REP_OUTDATED (another layout), DATA_IN_USE, DATA_UNWRITABLE, DATA_DISK_FULL
 */
export function openDatabaseFile(settings: FilledSettings): Database.Database {
  return openConnection(settings, { timeout: WRITER_WAIT_MS }, (database) => {
    database.pragma(`page_size=${PAGE_BYTES}`);
    database.pragma('journal_mode=WAL');
    database.pragma(`synchronous=${settings.synchronous}`);
    database.pragma('secure_delete=ON');
    database.pragma(`cache_size=-${settings.cacheKiB}`);
    database.pragma('journal_size_limit=16777216');
    database.pragma(`wal_autocheckpoint=${settings.checkpointPages}`);
    database.exec('BEGIN EXCLUSIVE');
    const layout: unknown = database.pragma('user_version', { simple: true });
    if (layout === 0) {
      database.pragma(`application_id=${APPLICATION_ID}`);
      database.pragma(`user_version=${LAYOUT}`);
    } else {
      checkLayout(layout, settings.file);
    }
    database.exec('COMMIT');
  });
}

/** What a reader's connection needs to know. */
export interface ReadingSettings extends Pick<FilledSettings, 'file' | 'key' | 'cacheKiB'> {
  /** Keeps the index of the WAL in memory, as a full disk demands: nobody else can open the file meanwhile. */
  readonly alone?: boolean;
}

/**
 * How long a connection waits for another of this process, ms. Readers and the writer meet for microseconds only: where
 * a reader finds the head of the WAL's index half-written, or reads in a WAL that a dead process left. Other processes
 * were told by the {@link ProcessLock} before.
 */
const WRITER_WAIT_MS = 2_000;
/** A reader waits on the thread that serves scans. */
const READER_WAIT_MS = 50;

/**
 * Opens the file to be read only, whether or not a writer has it open.
 * @throws as {@link openDatabaseFile}; DATA_UNWRITABLE also when there is no such file
 */
export function openFileForReading(settings: ReadingSettings): Database.Database {
  const alone = settings.alone === true;
  // An exclusive lock, which an index in memory needs, is to be had by a connection that could write alone.
  const options = { readonly: !alone, fileMustExist: true, timeout: READER_WAIT_MS };
  return openConnection(settings, options, (database) => {
    if (alone) {
      database.pragma('locking_mode=EXCLUSIVE');
      database.pragma('query_only=ON');
    }
    database.pragma(`cache_size=-${settings.cacheKiB}`);
    checkLayout(database.pragma('user_version', { simple: true }), settings.file);
  });
}

function openConnection(
  settings: ReadingSettings,
  options: Database.Options,
  prepare: (database: Database.Database) => void,
): Database.Database {
  const { file, key } = settings;
  if (key !== undefined && key.length !== KEY_BYTES) {
    throw new StammkundeError(
      'KEY_UNREADABLE',
      `the replica key must be ${KEY_BYTES} bytes, got ${key.length}`,
    );
  }
  let database: Database.Database | undefined;
  try {
    if (file !== ':memory:') inspectHeader(file, key);
    database = new Database(file, options);
    if (key !== undefined && file !== ':memory:') {
      const hex = Buffer.from(key).toString('hex');
      database.pragma("cipher='aegis'");
      database.pragma(`key='raw:${hex}${keyMark(key).toString('hex')}'`);
    }
    database.pragma('temp_store=MEMORY');
    database.pragma('cell_size_check=ON');
    database.pragma('trusted_schema=OFF');
    prepare(database);
    return database;
  } catch (error) {
    database?.close();
    if (isFault(error)) throw error;
    const fault = storageFault(asError(error), file);
    // Out of memory, a disk that does not answer: nothing that is known of it says that the file is damaged.
    throw isFault(fault)
      ? fault
      : new StammkundeError('DATA_UNWRITABLE', `${file} cannot be opened`, { cause: fault });
  }
}

function checkLayout(layout: unknown, file: string): void {
  if (layout === LAYOUT) return;
  // None at all is what is left of a file whose first transaction is lost.
  if (layout !== 0) {
    throw new StammkundeError(
      'REP_OUTDATED',
      `${file} has layout ${String(layout)}, not ${LAYOUT}: another version of the program made it`,
    );
  }
  throw new StammkundeError('REP_CORRUPT', `${file} has layout ${String(layout)}, expected ${LAYOUT}`);
}

/**
 * Sixteen bytes that name a key without betraying it. They stand at the head of the file, where SQLite3 Multiple
 * Ciphers keeps its salt (unused with a raw key): so a wrong key is told from a damaged file before either is tried.
 */
function keyMark(key: Uint8Array): Buffer {
  return createHmac('sha256', key).update('sqlite replica key mark v1').digest().subarray(0, SALT_BYTES);
}

/**
 * Looks at the first bytes of an existing file (https://sqlite.org/fileformat2.html section 1.3). With encryption,
 * bytes 0–15 are the key's mark and 16–23 stay in the clear.
 *
 * Closing the descriptor drops what POSIX locks this process has on the file. Between its own connections SQLite keeps
 * count without them, and other processes are kept away from it by the {@link ProcessLock}.
 * @throws StammkundeError REP_CORRUPT or REP_WRONG_KEY
 */
function inspectHeader(file: string, key: Uint8Array | undefined): void {
  const head = readHead(file);
  if (head === undefined) return;
  const corrupt = (what: string): StammkundeError => new StammkundeError('REP_CORRUPT', `${file} ${what}`);
  if (head.sizeBytes === 0) throw corrupt('is empty');
  if (head.sizeBytes % PAGE_BYTES !== 0 || head.bytes.length < 24)
    throw corrupt('is cut short or no database');
  const mark = head.bytes.subarray(0, SALT_BYTES);
  const plain = mark.equals(Buffer.from('SQLite format 3\0', 'latin1'));
  if (!head.bytes.subarray(21, 24).equals(Buffer.from([64, 32, 32]))) throw corrupt('is no database');
  if (key === undefined) {
    if (plain) return;
    throw new StammkundeError('REP_WRONG_KEY', `${file} is encrypted and no key was given`);
  }
  if (plain) throw corrupt('is not encrypted, though a key was given');
  const distance = bitsApart(mark, keyMark(key));
  if (distance === 0) return;
  if (distance <= FLIPPED_BITS_MAX) throw corrupt('has a damaged header');
  throw new StammkundeError('REP_WRONG_KEY', `${file} was written with another key`);
}

function readHead(file: string): { readonly bytes: Buffer; readonly sizeBytes: number } | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new StammkundeError('DATA_UNWRITABLE', `cannot open ${file}`, { cause: error });
  }
  try {
    const bytes = Buffer.alloc(24);
    const length = readSync(descriptor, bytes, 0, bytes.length, 0);
    return { bytes: bytes.subarray(0, length), sizeBytes: fstatSync(descriptor).size };
  } catch (error) {
    throw new StammkundeError('DATA_UNWRITABLE', `cannot read ${file}`, { cause: error });
  } finally {
    closeSync(descriptor);
  }
}

function bitsApart(a: Uint8Array, b: Uint8Array): number {
  let bits = 0;
  for (const [i, byte] of a.entries()) {
    for (let rest = byte ^ (b[i] ?? 0); rest !== 0; rest &= rest - 1) bits += 1;
  }
  return bits;
}
