import type { Basket, BasketLine } from '../basket.ts';

/** A line of a posted sale: what can be returned of it, and the points it carries. */
export interface LinePart {
  readonly lineId: string;
  /** Thousandths that were bought and not taken back within the sale itself. */
  readonly quantityMilli: number;
  readonly points: number;
}

/** A sale's points, on its lines. */
export interface SaleParts {
  /** One for each line of the basket, in its order. */
  readonly lines: readonly LinePart[];
  /** What no line can give back: only undoing the whole sale takes it. */
  readonly rest: number;
}

/**
 * Splits `whole` over weights by cumulative rounding: part i is ⌊whole·Wᵢ/W⌋ − ⌊whole·Wᵢ₋₁/W⌋ where Wᵢ is the sum of
 * the first i weights. So the parts sum to the whole exactly, and each differs from its exact share by less than 1.
 * @param whole at least 0
 * @param weights none below 0; with none above 0 there is nothing to split over, and every part is 0
 */
export function split(whole: number, weights: readonly bigint[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total === 0n) return weights.map(() => 0);
  let [sum, given] = [0n, 0n];
  return weights.map((weight) => {
    if (weight === 0n) return 0;
    sum += weight;
    const until = (BigInt(whole) * sum) / total;
    const part = until - given;
    given = until;
    return Number(part);
  });
}

/** Allots points to the lines of one basket: `whole` over the first of `choices` that has anything above 0 in it. */
export type Allotment = (whole: number, choices: readonly (readonly bigint[])[]) => number[];

/**
 * How points are allotted to the lines of a basket: by the first of some weights that has anything above 0 in it; then
 * by what the lines cost, and with all of these 0 to no line at all. Weights below 0 (discounts, deposits, goods taken
 * back) count as 0: what they take off is carried by all lines pro rata. Of a line whose goods were taken back on
 * another line of the same article only what is left counts. The parts of a call sum to its `whole` unless they went to
 * no line. Each choice has a weight for every line; one given again is not worked out again.
 */
export function allotmentOf({ lines }: Basket): Allotment {
  const left = quantitiesLeft(lines);
  const costs = lines.map(({ totalMinor }) => BigInt(totalMinor));
  const known = new Map<readonly bigint[], readonly bigint[]>();
  const counted = (weights: readonly bigint[]): readonly bigint[] => {
    const before = known.get(weights);
    if (before !== undefined) return before;
    const made = lines.map(({ quantityMilli }, i) => {
      const weight = weights[i] ?? 0n;
      if (weight <= 0n) return 0n;
      const own = left[i] ?? 0;
      // Without a quantity there is nothing to take back of it.
      if (quantityMilli <= 0 || own === quantityMilli) return weight;
      return (weight * BigInt(own)) / BigInt(quantityMilli);
    });
    known.set(weights, made);
    return made;
  };
  return (whole, choices) => {
    const weights = [...choices, costs].find((choice) => counted(choice).some((weight) => weight > 0n));
    return whole === 0 || weights === undefined ? lines.map(() => 0) : split(whole, counted(weights));
  };
}

/**
 * The parts of a posted sale from what was stored with it.
 * @param parts points of each line, in the order of the lines; undefined for a sale stored before there were any, whose
 *   points are then allotted by what the lines cost. Lines past its end carry none
 * @param total points posted for the sale
 */
export function saleParts(basket: Basket, parts: readonly number[] | undefined, total: number): SaleParts {
  const left = quantitiesLeft(basket.lines);
  const points = parts ?? allotmentOf(basket)(total, []);
  const lines = basket.lines.map(({ id }, i): LinePart => {
    const quantityMilli = left[i] ?? 0;
    // A line that has no quantity cannot be returned; what it carries stays until the sale is undone.
    return { lineId: id, quantityMilli, points: quantityMilli > 0 ? (points[i] ?? 0) : 0 };
  });
  return { lines, rest: total - lines.reduce((sum, line) => sum + line.points, 0) };
}

/** What is left of each line after what other lines of its article took back, from the last bought on. Never below 0. */
function quantitiesLeft(lines: readonly BasketLine[]): number[] {
  const left = lines.map(({ quantityMilli }) => Math.max(0, quantityMilli));
  for (const { article, quantityMilli } of lines) {
    let back = -quantityMilli;
    for (let i = lines.length - 1; i >= 0 && back > 0; i -= 1) {
      const own = left[i] ?? 0;
      if (lines[i]?.article !== article || own === 0) continue;
      const taken = Math.min(own, back);
      left[i] = own - taken;
      back -= taken;
    }
  }
  return left;
}
