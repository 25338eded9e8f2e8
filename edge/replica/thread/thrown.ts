import { errorCodes } from '../../../foundation/error-codes.ts';
import type { ErrorCode } from '../../../foundation/error-codes.ts';
import { StammkundeError, asError, isFault } from '../../../foundation/errors.ts';

/** Most causes that are told of an error. */
const CAUSES_MAX = 8;

/** An error as it goes from thread to thread: a structured clone alone would lose its class and its code. */
export interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  readonly cause: Thrown | undefined;
}

export function toThrown(thrown: unknown, causesMax: number = CAUSES_MAX): Thrown {
  const error = asError(thrown);
  const { name, message, stack, cause } = error;
  return {
    name,
    message,
    stack,
    code: 'code' in error && typeof error.code === 'string' ? error.code : undefined,
    cause: cause === undefined || causesMax === 0 ? undefined : toThrown(cause, causesMax - 1),
  };
}

/** The error again: a {@link StammkundeError} where it was one. */
export function fromThrown({ name, message, stack, code, cause }: Thrown): Error {
  const options = cause === undefined ? {} : { cause: fromThrown(cause) };
  const suffix = ` [${code}]`;
  const error =
    name === 'StammkundeError' && isErrorCode(code) && message.endsWith(suffix)
      ? new StammkundeError(code, message.slice(0, -suffix.length), options)
      : new Error(message, options);
  error.name = name;
  if (stack !== undefined) error.stack = stack;
  return code === undefined || isFault(error) ? error : Object.assign(error, { code });
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(errorCodes, code);
}
