import { StammkundeError } from '../../../foundation/errors.ts';
import type { ErrorCode } from '../../../foundation/error-codes.ts';

/** SQLite's (extended) result codes by prefix, https://sqlite.org/rescode.html, and what they mean to a till. */
const meanings: readonly (readonly [prefix: string, code: ErrorCode, text: string])[] = [
  ['SQLITE_FULL', 'DATA_DISK_FULL', 'no space left for'],
  ['SQLITE_BUSY', 'DATA_IN_USE', 'another process holds'],
  ['SQLITE_LOCKED', 'DATA_IN_USE', 'another connection holds'],
  ['SQLITE_NOTADB', 'REP_CORRUPT', 'damaged:'],
  ['SQLITE_CORRUPT', 'REP_CORRUPT', 'damaged:'],
  ['SQLITE_IOERR_SHORT_READ', 'REP_CORRUPT', 'damaged:'],
  // The index of the WAL lies in a file of its own, which is made anew at each first opening.
  ['SQLITE_IOERR_SHMSIZE', 'DATA_DISK_FULL', 'no space left beside'],
  ['SQLITE_CANTOPEN', 'DATA_UNWRITABLE', 'cannot open'],
  ['SQLITE_READONLY', 'DATA_UNWRITABLE', 'cannot write'],
  ['SQLITE_PERM', 'DATA_UNWRITABLE', 'cannot write'],
];

/** Names what SQLite reported: a {@link StammkundeError} where the cause is known, else the error as it came. */
export function storageFault(error: Error, file: string): Error {
  const reported = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const meaning = meanings.find(([prefix]) => reported.startsWith(prefix));
  if (meaning === undefined) return error;
  const [, code, text] = meaning;
  return new StammkundeError(code, `${text} ${file}`, { cause: error });
}
