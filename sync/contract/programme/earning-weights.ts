import type { Basket, BasketLine } from '../basket.ts';
import type { EarnRule, EarnRules } from './programme-rules.ts';

/** What each line of a basket earns with, as a fraction: `lines[i] / perMinor` minor units. Below 0 for what is given back. */
export interface EarningWeights {
  readonly lines: readonly bigint[];
  readonly perMinor: bigint;
}

/** A part of what is paid; `tender` is undefined for what nothing is known of. */
interface Share {
  readonly tender: string | undefined;
  readonly amount: bigint;
}

/**
 * What each line earns with: its total, at the rate of the first rule that fits, nothing in an excluded category. What
 * is paid in several ways counts for every line pro rata, as long as it is not all known the rest as paid in no way in
 * particular. Exact: a line's total (10^12) × a payment (10^12) × a rate (10^4) passes 2^53, hence bigint.
 */
export function earningWeights(rules: EarnRules, basket: Basket): EarningWeights {
  const excluded = new Set(rules.excludedCategories);
  const shares = sharesOf(basket);
  const perMinor = 100n * shares.reduce((sum, { amount }) => sum + amount, 0n);
  const lines = basket.lines.map((line) => {
    if (line.category !== undefined && excluded.has(line.category)) return 0n;
    const rate = shares.reduce(
      (sum, { tender, amount }) => sum + amount * BigInt(percentOf(rules, line, tender)),
      0n,
    );
    return BigInt(line.totalMinor) * rate;
  });
  return { lines, perMinor };
}

function sharesOf({ totalMinor, payments = [] }: Basket): readonly Share[] {
  if (payments.length === 0) return [{ tender: undefined, amount: 1n }];
  const paid = payments.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
  const open: Share[] = totalMinor > paid ? [{ tender: undefined, amount: BigInt(totalMinor - paid) }] : [];
  return [...payments.map(({ tender, amountMinor }) => ({ tender, amount: BigInt(amountMinor) })), ...open];
}

function percentOf(rules: EarnRules, line: BasketLine, tender: string | undefined): number {
  if (tender !== undefined && rules.tenders?.includes(tender) === true) return 0;
  return rules.rules?.find((rule) => fits(rule, line, tender))?.percent ?? 100;
}

function fits(
  { categories, articles, tenders }: EarnRule,
  line: BasketLine,
  tender: string | undefined,
): boolean {
  if (tenders !== undefined && (tender === undefined || !tenders.includes(tender))) return false;
  if (categories === undefined && articles === undefined) return true;
  return (
    articles?.includes(line.article) === true ||
    (line.category !== undefined && categories?.includes(line.category) === true)
  );
}
