import type { z } from 'zod';
import type { Instant } from '../../../foundation/clock.ts';
import { beginningOfWindow } from './calendar.ts';
import type { TierQualification } from './programme-rules.ts';

/** A tier as the programme lists it, lowest first. */
interface Tier {
  readonly id: string;
  readonly qualify?: z.infer<typeof TierQualification> | undefined;
}

/** Points a sale brought, less what was returned of it. Bought points and gifts need not be among them. */
export interface QualifyingPoints {
  readonly at: Instant;
  readonly points: number;
}

/**
 * The highest tier whose points were earned in its window, or undefined when none was. The window rolls by the
 * calendar: what is earned on a day counts to the end of the day `windowMonths` later (31 January and a month: to the
 * end of February). What a clock says is of the future does not count yet.
 */
export function qualifiedTier(
  tiers: readonly Tier[],
  earned: readonly QualifyingPoints[],
  now: Instant,
  timeZone: string,
): string | undefined {
  return tiers.findLast(({ qualify }) => {
    if (qualify === undefined) return false;
    return pointsInWindow(earned, qualify.windowMonths, now, timeZone) >= qualify.points;
  })?.id;
}

/** Sum of what counts now, of at most a million entries of at most a thousand million points each. */
export function pointsInWindow(
  earned: readonly QualifyingPoints[],
  windowMonths: number,
  now: Instant,
  timeZone: string,
): number {
  const from = beginningOfWindow(now, windowMonths, timeZone);
  return earned.filter(({ at }) => from <= at && at <= now).reduce((sum, { points }) => sum + points, 0);
}

/** Refuses a tier that can never be somebody's: one above it is reached with no more points. */
export function refuseUnreachableTiers(tiers: readonly Tier[], context: z.RefinementCtx): void {
  for (const [i, { qualify }] of tiers.entries()) {
    const isOutrun = tiers
      .slice(i + 1)
      .some(
        ({ qualify: above }) =>
          qualify !== undefined &&
          above !== undefined &&
          above.points <= qualify.points &&
          above.windowMonths >= qualify.windowMonths,
      );
    if (isOutrun) {
      context.addIssue({
        code: 'custom',
        path: [i, 'qualify'],
        message: 'never reached: a higher tier takes no more points',
      });
    }
  }
}
