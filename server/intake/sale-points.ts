import { evaluateSale } from '../../sync/contract/earn.ts';
import type { EarnedPoints, SaleCompleted } from '../../sync/contract/transaction.ts';
import type { Instant } from '../../foundation/clock.ts';
import type { Queries } from '../database/database.ts';
import type { CustomerRow } from '../feed/documents.ts';
import { currentProgramme, programmesOf, readOfferHistory } from '../programme/programme-store.ts';

/** What the sales of one group are calculated with. */
export interface Rules {
  /** What a sale earns, and on which lines, for the customer its card belongs to, if any. */
  earnedOf(sale: SaleCompleted, customer: CustomerRow | undefined): EarnedPoints;
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
    earnedOf(sale, customer) {
      const programme = programmes.get(sale.earned.programmeVersion) ?? current;
      const { basket, at } = sale;
      // The server knows what holds; only a till's knowledge grows stale.
      const circumstances = { customer: customer ?? null, basket, at, stale: false };
      return evaluateSale(programme, offers.at(at), circumstances).earned;
    },
  };
}
