import { StammkundeError, asError, isFault } from '../../foundation/errors.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';

/** SQLite's (extended) result codes by prefix, https://sqlite.org/rescode.html, and what they mean to a journal. */
const meanings: readonly (readonly [prefix: string, code: ErrorCode, text: string])[] = [
  ['SQLITE_FULL', 'DATA_DISK_FULL', 'no space is left for'],
  ['SQLITE_BUSY', 'DATA_IN_USE', 'another process holds'],
  ['SQLITE_LOCKED', 'DATA_IN_USE', 'another connection holds'],
  ['SQLITE_NOTADB', 'JRN_CORRUPT', 'damaged:'],
  ['SQLITE_CORRUPT', 'JRN_CORRUPT', 'damaged:'],
  ['SQLITE_IOERR_SHORT_READ', 'JRN_CORRUPT', 'damaged:'],
  ['SQLITE_CANTOPEN', 'DATA_UNWRITABLE', 'cannot open'],
  ['SQLITE_READONLY', 'DATA_UNWRITABLE', 'cannot write'],
  ['SQLITE_PERM', 'DATA_UNWRITABLE', 'cannot write'],
  ['SQLITE_IOERR', 'DATA_UNWRITABLE', 'cannot read or write'],
  ['ENOSPC', 'DATA_DISK_FULL', 'no space is left for'],
  ['EDQUOT', 'DATA_DISK_FULL', 'the quota is used up for'],
];

/** Errors of the file system itself, other than a full disk. */
const FILE_SYSTEM = /^E[A-Z]+$/;

/** Names what SQLite or the file system reported: a {@link StammkundeError} where the cause is known, else the error as it came. */
export function journalFault(thrown: unknown, file: string): Error {
  const error = asError(thrown);
  if (isFault(error)) return error;
  const reported = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const meaning = meanings.find(([prefix]) => reported.startsWith(prefix));
  if (meaning !== undefined) {
    const [, code, text] = meaning;
    return new StammkundeError(code, `${text} ${file}`, { cause: error });
  }
  if (!FILE_SYSTEM.test(reported)) return error;
  return new StammkundeError('DATA_UNWRITABLE', `cannot use ${file}`, { cause: error });
}
