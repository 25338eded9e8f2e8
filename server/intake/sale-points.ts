import { evaluateSale, totalPoints } from '../../sync/contract/earn.ts';
import { points } from '../../sync/contract/points.ts';
import type { Points } from '../../sync/contract/points.ts';
import type { SaleCompleted } from '../../sync/contract/transaction.ts';
import type { Instant } from '../../foundation/clock.ts';
import type { Queries } from '../database/database.ts';
import type { CustomerRow } from '../feed/documents.ts';
import { currentProgramme, programmesOf, readOfferHistory } from '../programme/programme-store.ts';

/** No sale earns more: the largest amounts times the largest factors would leave what is counted exactly. */
const POINTS_MAX = 1_000_000_000;

/** What the sales of one group are calculated with. */
export interface Rules {
  /** The points a sale earns, for the customer its card belongs to, if any. */
  pointsOf(sale: SaleCompleted, customer: CustomerRow | undefined): Points;
}

/**
 * Reads what sales are calculated with: the programme whose version each names, and the offers in force when it was
 * made, however much later it arrives. A till that had no programme yet, or one this server never knew, is treated as
 * if it had the one in force; without any programme nothing is earned. Tier and purposes of a customer are those of
 * now: their history is not kept, for a consent withdrawn is not to be used any more.
 */
export async function readRules(db: Queries, sales: readonly SaleCompleted[], now: Instant): Promise<Rules> {
  const versions = new Set(sales.map((sale) => sale.earned.programmeVersion));
  const programmes = await programmesOf(db, [...versions]);
  const current = await currentProgramme(db);
  const offers = await readOfferHistory(
    db,
    sales.map((sale) => sale.at),
    now,
  );
  return {
    pointsOf(sale, customer) {
      const programme = programmes.get(sale.earned.programmeVersion) ?? current;
      const { basket, at } = sale;
      // The server knows what holds; only a till's knowledge grows stale.
      const circumstances = { customer: customer ?? null, basket, at, stale: false };
      const { earned } = evaluateSale(programme, offers.at(at), circumstances);
      return points(Math.min(POINTS_MAX, totalPoints(earned)));
    },
  };
}
