import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3-multiple-ciphers';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { journalFault } from './journal-fault.ts';

const LOCK_FILE = 'in-use.lock';

/**
 * One daemon per data folder. The lock is one the kernel keeps for this process (SQLite's exclusive lock on an empty
 * file), so it ends with the process however that ends, and no stale file ever has to be removed.
 */
export class DataFolderLock implements Closable {
  readonly #database: Database.Database;

  private constructor(database: Database.Database) {
    this.#database = database;
  }

  /** @throws StammkundeError DATA_IN_USE · DATA_UNWRITABLE · DATA_DISK_FULL */
  static async open(folder: string): Promise<DataFolderLock> {
    const file = join(folder, LOCK_FILE);
    let database: Database.Database | undefined;
    try {
      accessSync(folder, constants.W_OK);
      database = new Database(file, { timeout: 0 });
      database.exec('BEGIN EXCLUSIVE');
      return new DataFolderLock(database);
    } catch (error) {
      database?.close();
      const fault = journalFault(error, file);
      throw fault instanceof StammkundeError && fault.code === 'JRN_CORRUPT'
        ? new StammkundeError('DATA_UNWRITABLE', `${file} is not the lock file this program made`, {
            cause: error,
          })
        : fault;
    }
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}
