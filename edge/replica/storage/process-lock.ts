import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3-multiple-ciphers';
import { StammkundeError, asError, isFault } from '../../../foundation/errors.ts';
import { storageFault } from './faults.ts';

/** What the lock of a database file is called, after the file's own name. It is empty and stays where it is. */
const LOCK_SUFFIX = '-lock';

/**
 * One storage object in one process owns a file; the lock goes with the process, however that ends.
 *
 * It is SQLite's own exclusive lock, on an empty file beside the base, so that readers of this process may open the
 * base itself. POSIX drops all of a process's locks on a file when any descriptor of that file is closed: SQLite keeps
 * count of its own, and nothing else ever opens the lock's file. It is never unlinked: a lock on a file that has lost
 * its name excludes nobody.
 */
export class ProcessLock {
  readonly #holder: Database.Database;

  private constructor(holder: Database.Database) {
    this.#holder = holder;
  }

  /** @throws StammkundeError DATA_IN_USE · DATA_UNWRITABLE · DATA_DISK_FULL */
  static take(file: string): ProcessLock {
    let holder: Database.Database | undefined;
    try {
      holder = new Database(realPath(file) + LOCK_SUFFIX, { timeout: 0 });
      // Nothing is ever written, so that the lock is to be had on a full disk too.
      holder.exec('PRAGMA journal_mode=MEMORY');
      holder.exec('BEGIN EXCLUSIVE');
      return new ProcessLock(holder);
    } catch (error) {
      holder?.close();
      const fault = storageFault(asError(error), file);
      // Foreign bytes in the lock's file are no damage of the base.
      throw isFault(fault) && fault.code !== 'REP_CORRUPT'
        ? fault
        : new StammkundeError('DATA_UNWRITABLE', `cannot lock ${file}`, { cause: fault });
    }
  }

  /** Idempotent. */
  release(): void {
    this.#holder.close();
  }
}

/** One name for a file, whichever symbolic links lead to it. */
function realPath(file: string): string {
  return existsSync(file) ? realpathSync(file) : join(realpathSync(dirname(file)), basename(file));
}
