import type { Random } from '../foundation/random.ts';
import { demoArticles } from './demo-programme.ts';
import type { DemoArticle } from './demo-programme.ts';
import type { Population } from './population.ts';
import { cardShowing } from './showable-cards.ts';
import type { ExpectedVerdict, ShowableCard } from './showable-cards.ts';

/** When in a sale the customer shows the card. */
export type Moment = 'before' | 'during' | 'after';

export interface PlannedLine {
  readonly article: DemoArticle;
  readonly pieces: number;
}

export interface PlannedSale {
  readonly lines: readonly PlannedLine[];
  /** Absent: nobody shows a card. */
  readonly customer?: { readonly shows: ShowableCard; readonly moment: Moment };
  /** Of the articles, the one whose code goes over the scanner; the others are keyed in. */
  readonly scanned: DemoArticle;
  /** How the network between till and server is while it takes place. */
  readonly network: 'up' | 'cut' | 'black-hole';
}

const moments = ['before', 'during', 'after'] as const satisfies readonly Moment[];

/** Who comes, in turn: mostly customers, and in each ten one without a card and three the till must turn down. */
const visitors = [
  'known',
  'known',
  'unknown',
  'known',
  'nobody',
  'known',
  'blocked',
  'known',
  'expired',
  'known',
] as const satisfies readonly (ExpectedVerdict | 'nobody')[];

/**
 * A day at the till: `count` sales, customers shown before, during and after the basket in turn. The network is down for
 * the middle third: first cut, then a black hole.
 */
export function planSales(count: number, population: Population, random: Random): PlannedSale[] {
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const downFrom = Math.floor(count / 3);
  const swallowsFrom = Math.floor(count / 2);
  const upFrom = Math.ceil((count * 2) / 3);
  return Array.from({ length: count }, (_, i) => {
    const line = (): PlannedLine => ({ article: drawArticle(random), pieces: 1 + below(3) });
    const first = line();
    const lines = [first, ...Array.from({ length: below(6) }, line)];
    const scanned = first.article;
    const visitor = visitors[i % visitors.length] ?? 'nobody';
    const network = i < downFrom || i >= upFrom ? 'up' : i < swallowsFrom ? 'cut' : 'black-hole';
    const moment = moments[i % moments.length] ?? 'before';
    if (visitor === 'nobody') return { lines, scanned, network };
    const shows = cardShowing(visitor, population, below(population.size));
    return { lines, scanned, network, customer: { shows, moment } };
  });
}

function drawArticle(random: Random): DemoArticle {
  const [first, ...others] = demoArticles;
  return others[Math.floor(random.next() * demoArticles.length) - 1] ?? first;
}
