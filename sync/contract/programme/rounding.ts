/** How a fraction becomes whole: `down` drops it, `nearest` takes a half up, `up` takes any fraction up. */
export const roundings = ['down', 'nearest', 'up'] as const;
export type Rounding = (typeof roundings)[number];

/**
 * A fraction as a whole number, exactly.
 * @param numerator at least 0
 * @param denominator at least 1
 */
export function wholeOf(numerator: bigint, denominator: bigint, rounding: Rounding): bigint {
  switch (rounding) {
    case 'down':
      return numerator / denominator;
    case 'nearest':
      return (2n * numerator + denominator) / (2n * denominator);
    case 'up':
      return (numerator + denominator - 1n) / denominator;
  }
}

/**
 * ⌊whole · part / total⌋. The product may pass 2^53, the result never passes `whole`.
 * @param part from 0 to `total`; nothing of nothing is 0
 */
export function proportion(whole: number, part: number, total: number): number {
  return total === 0 ? 0 : Number((BigInt(whole) * BigInt(part)) / BigInt(total));
}
