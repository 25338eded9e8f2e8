import { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Clock } from '../../foundation/clock.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { Uuid } from '../../sync/contract/ids.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import { saleOfReceiptCode } from '../../sync/contract/receipt-code.ts';
import { Shift } from '../../sync/contract/transaction.ts';
import type { SaleCustomer, Transaction } from '../../sync/contract/transaction.ts';
import type { Identified } from './identified.ts';
import type { SaleStore } from './sale-store.ts';
import { saleCustomer } from './settlement.ts';

/** A receipt without a customer, and who it is claimed for. */
export const ClaimReceiptRequest = z.strictObject({
  claimId: Uuid.optional().describe('Made by the caller, so that the call can be repeated'),
  code: z.string().min(1).max(64).describe('As the receipt has it'),
  identificationId: Uuid.describe('Of the customer, identified in the last half hour'),
  shift: Shift.optional().describe('Whoever is at the till now, by a pseudonym'),
});
export type ClaimReceiptRequest = z.infer<typeof ClaimReceiptRequest>;

export const ClaimReceiptView = z.strictObject({
  claimId: Uuid,
  saleId: Uuid,
  status: z.literal('accepted').describe('In the journal; the server says whether it counts'),
});
export type ClaimReceiptView = z.infer<typeof ClaimReceiptView>;

interface ClaimsPorts {
  readonly journal: { append(transaction: Transaction): JournalEntry };
  readonly store: Pick<SaleStore, 'closed' | 'claimed'>;
  readonly identified: (identificationId: string) => Identified | undefined;
  readonly storeId: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Takes claims of receipts into the journal, of sales of this till or another. The server checks the code, and once. */
export class ReceiptClaims {
  readonly #ports: ClaimsPorts;

  constructor(ports: ClaimsPorts) {
    this.#ports = ports;
  }

  /**
   * Its entry is on the disk when this returns; repeated with its id it changes nothing.
   * @throws StammkundeError LATE_CODE (no code at all) · LATE_TAKEN (this till's sale has a customer) · SALE_CLOSED
   *   (voided) · LATE_CONFLICT (the id is another claim's) · API_NOT_FOUND (no such identification) · JRN_FULL · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  take({ claimId, code, identificationId, shift }: ClaimReceiptRequest): ClaimReceiptView {
    const { journal, store, identified, storeId, clock, random } = this.#ports;
    const saleId = saleOfReceiptCode(code);
    if (saleId === undefined || !Uuid.safeParse(saleId).success)
      throw new StammkundeError('LATE_CODE', 'this is no code of a receipt');
    const at = clock.now();
    const view: ClaimReceiptView = { claimId: claimId ?? uuidV7(at, random), saleId, status: 'accepted' };
    const customer = saleCustomer(identified(identificationId) ?? null);
    const standing = store.claimed(view.claimId);
    if (standing !== undefined) {
      if (standing.code === code && standing.shift === shift && mayBeSame(standing.customer, customer))
        return view;
      throw new StammkundeError('LATE_CONFLICT', `claim ${view.claimId} is another one`);
    }
    if (customer === null)
      throw new StammkundeError('API_NOT_FOUND', `there is no identification ${identificationId} to credit`);
    const sale = store.closed(saleId);
    if (sale?.status === 'voided') throw new StammkundeError('SALE_CLOSED', `sale ${saleId} was voided`);
    if (sale !== undefined && sale.customer !== null)
      throw new StammkundeError('LATE_TAKEN', `sale ${saleId} has a customer`);
    journal.append({
      kind: 'sale.claimed',
      claimId: view.claimId,
      saleId,
      storeId,
      at,
      customer,
      code,
      ...(shift === undefined ? {} : { shift }),
    });
    return view;
  }
}

/** An identification that is forgotten by now may have been anybody's; a card may be known by a newer index since. */
function mayBeSame(before: SaleCustomer, now: SaleCustomer | null): boolean {
  if (now === null || now.index === before.index) return true;
  return before.customerId !== null && before.customerId === now.customerId;
}
