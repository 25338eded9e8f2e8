import { evaluateSale } from '../../sync/contract/earn.ts';
import { PointsCalendar } from '../../sync/contract/programme/calendar.ts';
import type { PointsLife } from '../../sync/contract/programme/calendar.ts';
import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import type { EarnedPoints, SaleCompleted } from '../../sync/contract/transaction.ts';
import type { Instant } from '../../foundation/clock.ts';
import type { Queries } from '../database/database.ts';
import type { CustomerRow } from '../feed/documents.ts';
import { currentProgramme, programmesOf, readOfferHistory } from '../programme/programme-store.ts';

/** What the sales of one group are calculated with. */
export interface Rules {
  /** What a sale earns, and on which lines, for the customer its card belongs to, if any. */
  earnedOf(sale: SaleCompleted, customer: CustomerRow | undefined): EarnedPoints;
  /** How long what it earns lives. What a till's clock says is of the future was earned now. */
  lifeOf(sale: SaleCompleted): PointsLife;
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
  const programmeOf = (sale: SaleCompleted): ProgrammeDocument | undefined =>
    programmes.get(sale.earned.programmeVersion) ?? current;
  const calendars = new Map<ProgrammeDocument | undefined, PointsCalendar>();
  return {
    earnedOf(sale, customer) {
      const { basket, at } = sale;
      // The server knows what holds; only a till's knowledge grows stale.
      const circumstances = { customer: customer ?? null, basket, at, stale: false };
      return evaluateSale(programmeOf(sale), offers.at(at), circumstances).earned;
    },
    lifeOf(sale) {
      const programme = programmeOf(sale);
      const calendar = calendars.get(programme) ?? new PointsCalendar(programme?.points);
      calendars.set(programme, calendar);
      return calendar.lifeOf(Math.max(0, Math.min(sale.at, now)));
    },
  };
}
