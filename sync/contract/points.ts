import { ProgrammerError } from '../../foundation/errors.ts';

/** Whole loyalty points, never fractions. */
export type Points = number & { readonly __brand: 'Points' };

/** @throws ProgrammerError when `n` is not a safe integer. */
export function points(n: number): Points {
  if (!Number.isSafeInteger(n)) throw new ProgrammerError(`points must be a whole number, got ${n}`);
  // The one place that makes the brand, after the check above.
  return n as Points;
}
