import type { ErrorCode } from '../../../foundation/error-codes.ts';
import type { Basket, BasketLine } from '../basket.ts';
import { allotmentOf } from './allot.ts';
import type { BurnRules } from './programme-rules.ts';

/** Points and what they pay, in minor units. */
export interface Redeemed {
  readonly points: number;
  readonly minor: number;
}

export type BurnVerdict =
  | ({ readonly kind: 'fits' } & Redeemed)
  | {
      readonly kind: 'refused';
      readonly code: Extract<
        ErrorCode,
        'BURN_OFF' | 'BURN_STEP' | 'BURN_TOO_FEW' | 'BURN_TOO_MUCH' | 'BURN_BALANCE'
      >;
    };

/**
 * What points are worth, rounded down: exact for multiples of a step, which is worth whole minor units.
 * @param points at least 0
 */
export function valueOf({ points: per, minor }: BurnRules, points: number): number {
  return Number((BigInt(points) * BigInt(minor)) / BigInt(per));
}

/**
 * The most points that may pay for a basket: in whole steps, no more than the balance, worth no more than `maxPercent`
 * of the basket nor than its lines outside the excluded categories cost together. None when that is less than
 * `minPoints`.
 */
export function mostPoints(rules: BurnRules, basket: Basket, balance: number): Redeemed {
  const steps = Math.min(Math.floor(Math.max(0, balance) / rules.stepPoints), stepsPayable(rules, basket));
  const points = steps * rules.stepPoints;
  return points < rules.minPoints ? { points: 0, minor: 0 } : { points, minor: valueOf(rules, points) };
}

/**
 * Whether so many points may pay for a basket, and what they pay.
 * @param rules undefined where nothing is paid with points
 * @param balance points that can be used; undefined leaves that to whoever knows it
 */
export function judgeBurn(
  rules: BurnRules | undefined,
  basket: Basket,
  points: number,
  balance: number | undefined,
): BurnVerdict {
  if (rules === undefined) return { kind: 'refused', code: 'BURN_OFF' };
  if (!Number.isSafeInteger(points) || points < rules.minPoints)
    return { kind: 'refused', code: 'BURN_TOO_FEW' };
  if (points % rules.stepPoints !== 0) return { kind: 'refused', code: 'BURN_STEP' };
  if (points / rules.stepPoints > stepsPayable(rules, basket))
    return { kind: 'refused', code: 'BURN_TOO_MUCH' };
  if (balance !== undefined && points > balance) return { kind: 'refused', code: 'BURN_BALANCE' };
  return { kind: 'fits', points, minor: valueOf(rules, points) };
}

/**
 * How the points that paid for a basket lie on its lines, so that a return gives them back pro rata and the return of
 * all of it gives back all: by what the lines that may be paid with points cost.
 * @returns points of each line, to be stored with the redemption; `saleParts` reads them
 */
export function redeemedParts({ excludedCategories }: BurnRules, basket: Basket, points: number): number[] {
  const payable = basket.lines.map((line) =>
    isExcluded(line, excludedCategories) ? 0n : BigInt(line.totalMinor),
  );
  return allotmentOf(basket)(points, [payable]);
}

function stepsPayable(rules: BurnRules, { lines, totalMinor }: Basket): number {
  const payable = lines
    .filter((line) => !isExcluded(line, rules.excludedCategories))
    .reduce((sum, line) => sum + line.totalMinor, 0);
  // At most 10^12 × 100: no product here passes 2^53.
  const limitMinor = Math.max(0, Math.min(payable, Math.floor((totalMinor * rules.maxPercent) / 100)));
  return Math.floor(limitMinor / valueOf(rules, rules.stepPoints));
}

function isExcluded({ category }: BasketLine, excluded: readonly string[]): boolean {
  return category !== undefined && excluded.includes(category);
}
