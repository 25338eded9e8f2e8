import { points } from '../../sync/contract/points.ts';
import type { Points } from '../../sync/contract/points.ts';
import type { SaleCompleted } from '../../sync/contract/transaction.ts';
import type { Queries } from '../database/database.ts';
import type { CustomerRow } from '../feed/feed-store.ts';
import { currentProgramme, liveOffers, programmesOf } from '../programme/programme-store.ts';

/** What sales of one group are calculated with. */
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
      if (programme === undefined || sale.basket.currency !== programme.currency) return points(0);
      void offers; void customer;
      return points(Math.trunc(sale.basket.totalMinor / programme.earn.perMinor) * programme.earn.points);
    },
  };
}
