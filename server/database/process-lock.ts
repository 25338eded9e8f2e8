import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { asError, StammkundeError } from '../../foundation/errors.ts';
import { makeFolder } from '../../foundation/folder.ts';

/** Keeps every other process off something, until `release` or the end of this process. */
export interface ProcessLock {
  release(): void;
}

/** SQLITE_BUSY, https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;

/**
 * Takes a lock for this process. It is the system's own lock on a file (`PATH.sqlite`, an empty database in an exclusive
 * transaction: the only such lock the runtime offers), so it ends with the process, however that ends, and nobody has to
 * judge whether a holder still lives: that could go wrong between two that take over at once, and across containers,
 * which do not see each other's processes. `PATH` says who holds it, for people. On a network file system it is as good
 * as the locks of that file system.
 * @throws StammkundeError DATA_IN_USE when a process holds it, this one included · DATA_UNWRITABLE
 */
export function acquireProcessLock(path: string): ProcessLock {
  const held = lock(path);
  try {
    writeFileSync(path, String(process.pid), { mode: 0o600 });
  } catch (error) {
    held.close();
    throw new StammkundeError('DATA_UNWRITABLE', `${path} cannot be written`, { cause: error });
  }
  return {
    release: () => {
      if (!held.isOpen) return;
      // The name goes first: afterwards it would be that of the next holder. The locked file stays, for a second one of
      // its name could be locked beside it.
      rmSync(path, { force: true });
      held.close();
    },
  };
}

function lock(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    makeFolder(dirname(path));
    database = new DatabaseSync(`${path}.sqlite`);
    database.exec('begin exclusive');
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) {
      throw new StammkundeError('DATA_IN_USE', `${path} is held by process ${holderOf(path)}; end it first`, {
        cause: error,
      });
    }
    throw new StammkundeError(
      'DATA_UNWRITABLE',
      `${path}.sqlite cannot be locked: ${asError(error).message}`,
      {
        cause: error,
      },
    );
  }
}

function holderOf(path: string): string {
  try {
    return /^\d+$/.exec(readFileSync(path, 'utf8'))?.[0] ?? '?';
  } catch {
    return '?';
  }
}
