import { asError, StammkundeError } from '../../foundation/errors.ts';

/** SQLSTATE of a unique key that is already taken. */
export const UNIQUE_VIOLATION = '23505';

/** SQLSTATE of a lock that was not given in time. */
export const LOCK_NOT_AVAILABLE = '55P03';

/** SQLSTATE of who was ended so that others who waited for each other can go on. */
export const DEADLOCK = '40P01';

/** SQLSTATE of a transaction that cannot be put in an order with others. */
const SERIALIZATION_FAILURE = '40001';

/** True when all of a transaction was taken back because of others beside it: done again, it is as good as the first. */
export function isTakenBack(error: unknown): boolean {
  const code = databaseCodeOf(error);
  return code === DEADLOCK || code === SERIALIZATION_FAILURE;
}

/** The SQLSTATE of an error of the database, or the system's code of a failed connection. */
export function databaseCodeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string' && !(at instanceof StammkundeError)) return at.code;
  }
  return undefined;
}

/** True when the database refused what it was given: a value out of range (class 22) or against a rule (class 23). */
export function isRefusedValue(error: unknown): boolean {
  return /^2[23]...$/.test(databaseCodeOf(error) ?? '');
}

/**
 * Connection refused, reset or not answered. PostgreSQL: class 08; 57P (shutting down, ended while idle) and 25P03 (ended
 * while idle in a transaction); 53300 (too many clients); and what makes it take no writes, 53100 (disk full) and 25006
 * (read only: a standby, or somebody's setting).
 */
const LOST = /^(?:E[A-Z]+|08...|57P0[1-35]|25P03|25006|53[13]00)$/;
/** "Not queryable" is all that is left of the cause when a connection ended before kysely rolled back (pg 8, kysely 0.28). */
const LOST_TEXT =
  /connection terminated|is not queryable|timeout exceeded when trying to connect|PGlite is closed/i;

/** True when the statement failed because the database is not there or takes no writes, not because of what it said. */
export function isUnreachable(error: unknown): boolean {
  return (
    (error instanceof StammkundeError && error.code === 'DB_UNREACHABLE') ||
    LOST.test(databaseCodeOf(error) ?? '') ||
    LOST_TEXT.test(asError(error).message)
  );
}

/** The error as a fault with a code when the database is away, else as it is. */
export function asDatabaseFault(error: unknown): Error {
  if (error instanceof StammkundeError) return error;
  return isUnreachable(error)
    ? new StammkundeError('DB_UNREACHABLE', 'the database does not answer', { cause: error })
    : asError(error);
}
