import { evaluateSale, totalPoints } from '../../sync/contract/earn.ts';
import { points } from '../../sync/contract/points.ts';
import type { Points } from '../../sync/contract/points.ts';
import type { SaleCompleted } from '../../sync/contract/transaction.ts';
import type { Queries } from '../database/database.ts';
import type { CustomerRow } from '../feed/feed-store.ts';
import { currentProgramme, liveOffers, programmesOf } from '../programme/programme-store.ts';

/** No sale earns more: the largest amounts times the largest factors would leave what is counted exactly. */
const POINTS_MAX = 1_000_000_000;

/** What the sales of one group are calculated with. */
export interface Rules {
  /** The points a sale earns, for the customer its card belongs to, if any. */
  pointsOf(sale: SaleCompleted, customer: CustomerRow | undefined): Points;
}

/**
 * Reads the programmes that sales were calculated with. A till that had none yet, or one this server never knew, is
 * treated as if it had the one in force; without any programme nothing is earned.
 */
export async function readRules(db: Queries, versions: readonly number[]): Promise<Rules> {
  const programmes = await programmesOf(db, [...new Set(versions)]);
  const current = await currentProgramme(db);
  const offers = await liveOffers(db);
  return {
    pointsOf(sale, customer) {
      const programme = programmes.get(sale.earned.programmeVersion) ?? current;
      const { basket, at } = sale;
      // The server knows what holds; only a till's knowledge grows stale.
      const circumstances = { customer: customer ?? null, basket, at, stale: false };
      const { earned } = evaluateSale(programme, offers, circumstances);
      return points(Math.min(POINTS_MAX, totalPoints(earned)));
    },
  };
}
