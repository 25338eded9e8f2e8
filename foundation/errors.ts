import type { ErrorCode } from './error-codes.ts';

/** A fault with a stable, public code. Branch on `code`, never on the text. */
export class StammkundeError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`${message} [${code}]`, options);
    this.name = 'StammkundeError';
    this.code = code;
  }
}

/** Our own bug: the operation fails, the daemon lives, the log shouts. */
export class ProgrammerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProgrammerError';
  }
}

/** True when `error` is a {@link StammkundeError}, narrowed to one code when `code` is given. */
export function isFault(error: unknown, code?: ErrorCode): error is StammkundeError {
  return error instanceof StammkundeError && (code === undefined || error.code === code);
}

/** Whatever was thrown, as an Error: some libraries emit plain strings. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
