import type { ErrorCode } from '../../../foundation/error-codes.ts';
import type { LinePart, SaleParts } from './allot.ts';
import { proportion } from './rounding.ts';

/** Goods of one line of the original sale that came back. */
export interface ReturnedLine {
  readonly lineId: string;
  /** Thousandths, above 0. */
  readonly quantityMilli: number;
}

/** Thousandths that came back so far, by line. Lines of which nothing came back are missing. */
export type Returned = ReadonlyMap<string, number>;

export type TakenBack =
  | {
      readonly kind: 'taken';
      /** Points of this return, at least 0. */
      readonly points: number;
      /** Those lines of which points are taken, with how many. */
      readonly lines: readonly { readonly lineId: string; readonly points: number }[];
      /** With this return in it. */
      readonly returned: Returned;
    }
  | {
      readonly kind: 'refused';
      readonly code: Extract<ErrorCode, 'RETURN_LINE_UNKNOWN' | 'RETURN_QUANTITY' | 'RETURN_TOO_MUCH'>;
      /** Of the first line that is refused. */
      readonly lineId: string;
    };

/**
 * What a return takes back of a posted sale: the points its lines got when it was posted, whatever the rules are by
 * now. Of a line of q with p points, ⌊p·r/q⌋ are gone when r of it came back; a return takes the difference to what
 * came back before it. So returns of any split in any order sum to the line's points exactly. A refused return changes
 * nothing, not even for its other lines. A line may be named more than once.
 *
 * The same gives back points that a sale was paid with, from their own parts ({@link redeemedParts}).
 */
export function takeBack(parts: SaleParts, returned: Returned, lines: readonly ReturnedLine[]): TakenBack {
  const byId = new Map(parts.lines.map((part) => [part.lineId, part]));
  const after = new Map(returned);
  for (const { lineId, quantityMilli } of lines) {
    const part = byId.get(lineId);
    if (part === undefined) return { kind: 'refused', code: 'RETURN_LINE_UNKNOWN', lineId };
    if (!Number.isSafeInteger(quantityMilli) || quantityMilli <= 0) {
      return { kind: 'refused', code: 'RETURN_QUANTITY', lineId };
    }
    const sum = (after.get(lineId) ?? 0) + quantityMilli;
    if (sum > part.quantityMilli) return { kind: 'refused', code: 'RETURN_TOO_MUCH', lineId };
    after.set(lineId, sum);
  }
  const taken = parts.lines.flatMap((part) => {
    const points = goneOf(part, after) - goneOf(part, returned);
    return points === 0 ? [] : [{ lineId: part.lineId, points }];
  });
  return { kind: 'taken', points: sumOf(taken), lines: taken, returned: after };
}

/** What undoing a sale takes back: all that its returns have left, with what no line could give back. */
export function takeBackRest(parts: SaleParts, returned: Returned): number {
  return parts.rest + sumOf(parts.lines) - parts.lines.reduce((sum, part) => sum + goneOf(part, returned), 0);
}

/** Points of a line that are gone when so much of it came back. */
function goneOf({ lineId, quantityMilli, points }: LinePart, returned: Returned): number {
  return proportion(points, returned.get(lineId) ?? 0, quantityMilli);
}

function sumOf(lines: readonly { readonly points: number }[]): number {
  return lines.reduce((sum, { points }) => sum + points, 0);
}
