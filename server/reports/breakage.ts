import { ProgrammerError } from '../../foundation/errors.ts';

/** What is known of points whose revenue is deferred. Amounts in minor units, or any one unit. */
export interface DeferredPoints {
  /** Price allotted to the points by relative stand-alone prices (IFRS 15 B42). */
  readonly allocated: number;
  /** Points that will be redeemed in all, as expected today; the rest is breakage (B46). At least `redeemed`, above 0. */
  readonly expected: number;
  /** Points redeemed so far, in all. */
  readonly redeemed: number;
  /** Revenue recognised before. */
  readonly recognised: number;
}

export interface Recognised {
  /** Revenue of this period; below zero when more are expected to be redeemed than before. */
  readonly revenue: number;
  /** Recognised so far, with this period. */
  readonly total: number;
  /** What stays deferred: the contract liability. */
  readonly deferred: number;
}

/**
 * Revenue in proportion to the pattern of rights exercised (IFRS 15 B44–B46): what is recognised in all is
 * `allocated · redeemed ÷ expected`, a changed expectation is caught up in the period it changes. Rounded to the nearest
 * unit, a half up; by the whole and not by the period, so that periods sum to the whole.
 * @throws ProgrammerError for what no programme can have
 */
export function recogniseRevenue({ allocated, expected, redeemed, recognised }: DeferredPoints): Recognised {
  for (const each of [allocated, expected, redeemed, recognised]) {
    if (!Number.isSafeInteger(each) || each < 0) throw new ProgrammerError(`no amount: ${each}`);
  }
  if (expected === 0 || redeemed > expected)
    throw new ProgrammerError(`${redeemed} points were redeemed of ${expected} that are expected`);
  const total = Number(
    (2n * BigInt(allocated) * BigInt(redeemed) + BigInt(expected)) / (2n * BigInt(expected)),
  );
  return { revenue: total - recognised, total, deferred: allocated - total };
}
