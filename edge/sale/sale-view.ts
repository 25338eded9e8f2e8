import type { Basket } from '../../sync/contract/basket.ts';
import { totalPoints } from '../../sync/contract/earn.ts';
import type { Evaluation } from '../../sync/contract/earn.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import type { Identification, SaleView } from '../api/events.ts';
import type { SaleRedemption } from './redemption.ts';
import type { Identified, IdentifiedAs } from './identified.ts';

/** A sale that can still change. */
export interface OpenSale {
  readonly saleId: string;
  readonly openedNo: number;
  readonly openedAt: number;
  readonly currency: string;
  readonly basket: Basket;
  readonly customer: Identified | null;
  readonly redemption?: SaleRedemption | null | undefined;
}

export function openView(
  sale: OpenSale,
  evaluation: Evaluation,
  programme: ProgrammeDocument | undefined,
): SaleView {
  const { base } = evaluation.earned;
  const total = totalPoints(evaluation.earned);
  return {
    saleId: sale.saleId,
    status: 'open',
    openedAt: sale.openedAt,
    closedAt: null,
    basket: sale.basket,
    customer: sale.customer === null ? null : customerView(sale.customer, programme),
    offers: [...evaluation.offers],
    points: { base, bonus: total - base, total },
    ...(sale.redemption === null || sale.redemption === undefined ? {} : { redemption: sale.redemption }),
    entry: null,
  };
}

/**
 * A sale as it is told from its closing on, and kept on the disk: without the masked number and the first name, so
 * that the answer is the same whether it comes from memory or, after a restart, from the file.
 */
export function closedView(before: SaleView, status: 'completed' | 'voided', entry: JournalEntry): SaleView {
  const { seq, id, hash } = entry;
  return {
    ...before,
    status,
    closedAt: entry.at,
    customer:
      before.customer === null
        ? null
        : {
            ...before.customer,
            credential: before.customer.kind,
            identification: withoutName(before.customer.identification),
          },
    ...(status === 'voided' ? { offers: [], points: { base: 0, bonus: 0, total: 0 } } : {}),
    entry: { seq, id, hash },
  };
}

/** Somebody identified, as the API tells of them with a sale. */
export function customerView(
  { identificationId, credential, kind, trust, as }: Identified,
  programme: ProgrammeDocument | undefined,
): NonNullable<SaleView['customer']> {
  return { identificationId, credential, kind, trust, identification: identificationView(as, programme) };
}

/** An identification as the API tells it. */
export function identificationView(
  as: IdentifiedAs,
  programme: ProgrammeDocument | undefined,
): Identification {
  if (as.verdict !== 'known') return as;
  const { id, greeting, tier, points, pointsAt } = as.customer;
  const tierName = programme?.tiers.find((candidate) => candidate.id === tier)?.name ?? null;
  return { verdict: 'known', customer: { id, greeting, tier, tierName, points, pointsAt } };
}

function withoutName(identification: Identification): Identification {
  if (identification.verdict !== 'known') return identification;
  return { verdict: 'known', customer: { ...identification.customer, greeting: null } };
}
