import { z } from 'zod';
import { totalPoints } from '../../sync/contract/earn.ts';
import { saleParts } from '../../sync/contract/programme/allot.ts';
import { takeBack, takeBackRest } from '../../sync/contract/programme/returns.ts';
import type { Returned, ReturnedLine, TakenBack } from '../../sync/contract/programme/returns.ts';
import type { SaleCompleted, SaleReturned } from '../../sync/contract/transaction.ts';

/** What a return or void says of the points it takes back. */
export const reversedFields = {
  reversed: z
    .int()
    .min(0)
    .nullable()
    .describe(
      'Points taken back, of those this till showed and by what came back at this till; the server settles it. null: it does not know',
    ),
  reversedUnknown: z
    .enum(['not-here', 'no-customer', 'no-parts'])
    .optional()
    .describe(
      'Why not. not-here: the sale is another till’s, or too old; no-customer: it may have been claimed since; no-parts: an older program wrote it',
    ),
};

export interface Reversed {
  readonly reversed: number | null;
  readonly reversedUnknown?: 'not-here' | 'no-customer' | 'no-parts';
}

/** What a return of these lines takes back, by what this till knows; or why it cannot be. */
export function reversedBy(
  sale: SaleCompleted | undefined,
  before: readonly SaleReturned[],
  lines: readonly ReturnedLine[],
): (Reversed & { readonly kind: 'taken' }) | Extract<TakenBack, { kind: 'refused' }> {
  if (sale === undefined) return { kind: 'taken', reversed: null, reversedUnknown: 'not-here' };
  const back = takeBack(partsOf(sale), goneOf(before), lines);
  return back.kind === 'refused' ? back : { kind: 'taken', ...said(sale, back.points) };
}

/** What undoing the whole sale takes back, by what this till knows. */
export function reversedByVoid(sale: SaleCompleted | undefined, before: readonly SaleReturned[]): Reversed {
  return sale === undefined
    ? { reversed: null, reversedUnknown: 'not-here' }
    : said(sale, takeBackRest(partsOf(sale), goneOf(before)));
}

function said({ customer, earned }: SaleCompleted, points: number): Reversed {
  if (customer === null) return { reversed: null, reversedUnknown: 'no-customer' };
  // A sale that earned nothing has no parts.
  const hasParts = earned.parts !== undefined || totalPoints(earned) === 0;
  return hasParts ? { reversed: points } : { reversed: null, reversedUnknown: 'no-parts' };
}

function partsOf({ basket, earned }: SaleCompleted) {
  return saleParts(basket, earned.parts, totalPoints(earned));
}

function goneOf(before: readonly SaleReturned[]): Returned {
  return quantitiesOf(before.flatMap(({ lines }) => lines));
}

/** What comes back of each line, however often it is named. */
export function quantitiesOf(lines: readonly ReturnedLine[]): ReadonlyMap<string, number> {
  const quantities = new Map<string, number>();
  for (const { lineId, quantityMilli } of lines) {
    quantities.set(lineId, (quantities.get(lineId) ?? 0) + quantityMilli);
  }
  return quantities;
}
