import type { Clock } from './clock.ts';
import { StammkundeError } from './errors.ts';
import type { ErrorCode } from './error-codes.ts';

/**
 * The outcome of `work`, or a fault with `code` once `deadlineMs` have passed. The work itself is not stopped:
 * pass it a signal where it can be.
 */
export async function withDeadline<T>(
  work: Promise<T>,
  deadline: {
    readonly clock: Clock;
    readonly deadlineMs: number;
    readonly code: ErrorCode;
    readonly what: string;
  },
): Promise<T> {
  let cancel: () => void = () => {};
  const expiry = new Promise<never>((_resolve, reject) => {
    cancel = deadline.clock.schedule(deadline.deadlineMs, () => {
      reject(
        new StammkundeError(deadline.code, `${deadline.what} took longer than ${deadline.deadlineMs} ms`),
      );
    });
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    cancel();
  }
}
