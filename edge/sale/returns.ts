import { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Clock } from '../../foundation/clock.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { Uuid } from '../../sync/contract/ids.ts';
import { findPaymentCard } from '../../sync/contract/payment-card.ts';
import type { ReturnedLine } from '../../sync/contract/programme/returns.ts';
import { SaleReturned } from '../../sync/contract/transaction.ts';
import type { Transaction } from '../../sync/contract/transaction.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import { quantitiesOf, reversedBy, reversedByVoid, reversedFields } from './reversal.ts';
import type { SaleStore } from './sale-store.ts';

/** Goods that came back, of a sale of any till. */
export const ReturnRequest = z.strictObject({
  returnId: Uuid.optional().describe('Made by the caller, so that the call can be repeated'),
  saleId: Uuid.describe('The sale the goods were bought in, at whichever till'),
  lines: SaleReturned.shape.lines,
});
export type ReturnRequest = z.infer<typeof ReturnRequest>;

export const ReturnView = z.strictObject({
  returnId: Uuid,
  saleId: Uuid,
  status: z.literal('accepted').describe('In the journal; the server takes the points back'),
  known: z.boolean().describe('The sale is of this till, and its lines were checked'),
  ...reversedFields,
});
export type ReturnView = z.infer<typeof ReturnView>;

interface ReturnsPorts {
  readonly journal: { append(transaction: Transaction): JournalEntry };
  readonly store: Pick<SaleStore, 'closed' | 'completed' | 'returnsOf' | 'returned'>;
  readonly storeId: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Takes returns of lines into the journal, of sales of this till or another, whether or not the server has them. */
export class Returns {
  readonly #ports: ReturnsPorts;

  constructor(ports: ReturnsPorts) {
    this.#ports = ports;
  }

  /**
   * Its entry is on the disk when this returns; repeated with its id it changes nothing.
   * @throws StammkundeError RETURN_CONFLICT (the id is of other goods) · SALE_CLOSED (voided) · RETURN_LINE_UNKNOWN · RETURN_TOO_MUCH (with
   *   what came back here before) · PAN_REJECTED · JRN_FULL ·
   *   DATA_DISK_FULL · DATA_UNWRITABLE
   */
  take({ returnId, saleId, lines }: ReturnRequest): ReturnView {
    const { journal, store, storeId, clock, random } = this.#ports;
    const now = clock.now();
    const id = returnId ?? uuidV7(now, random);
    const sale = store.closed(saleId);
    const view = { returnId: id, saleId, status: 'accepted' as const, known: sale !== undefined };
    const taken = store.returned(id);
    if (taken !== undefined) {
      if (taken.saleId !== saleId || !sameGoods(taken.lines, lines))
        throw new StammkundeError('RETURN_CONFLICT', `return ${id} is of other goods`);
      const { reversedUnknown } = reversedByVoid(store.completed(saleId), []);
      return taken.reversed !== null || reversedUnknown === undefined
        ? { ...view, reversed: taken.reversed }
        : { ...view, reversed: null, reversedUnknown };
    }
    if (lines.some(({ lineId }) => findPaymentCard(lineId) !== undefined))
      throw new StammkundeError('PAN_REJECTED', 'a line id holds a payment card number');
    if (sale?.status === 'voided') throw new StammkundeError('SALE_CLOSED', `sale ${saleId} was voided`);
    const back = reversedBy(store.completed(saleId), store.returnsOf(saleId), lines);
    if (back.kind === 'refused')
      throw new StammkundeError(back.code, `of sale ${saleId} this cannot be taken back`);
    // What came back at other tills the server knows: it says what is taken back.
    const { kind: _kind, ...said } = back;
    const { reversed } = said;
    journal.append({ kind: 'sale.returned', returnId: id, saleId, storeId, at: now, lines, reversed });
    return { ...view, ...said };
  }
}

function sameGoods(some: readonly ReturnedLine[], others: readonly ReturnedLine[]): boolean {
  const quantities = quantitiesOf(some);
  const rest = quantitiesOf(others);
  return quantities.size === rest.size && [...quantities].every(([line, milli]) => rest.get(line) === milli);
}
