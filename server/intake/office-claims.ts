import { sql } from 'kysely';
import { StammkundeError } from '../../foundation/errors.ts';
import { errorCodes } from '../../foundation/error-codes.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import { genesisHash, sealEntry } from '../../sync/contract/journal-entry.ts';
import { saleOfReceiptCode } from '../../sync/contract/receipt-code.ts';
import type { Database } from '../database/database.ts';
import { commitBatches } from './commit-batches.ts';
import type { ReceiptKeyOf } from './commit-batches.ts';
import { verdictOf } from './judge.ts';

/** Whose journals hold what is claimed here; each claim is the only entry of one. */
const OFFICE = 'office';

/** `waiting` until the sale has arrived. */
export type OfficeClaim = 'posted' | 'waiting';

/** Receipts that customers claim with the customer service instead of at a till. */
export class OfficeClaims {
  readonly #ports: {
    readonly database: Database;
    readonly clock: Clock;
    readonly indexer: IndexForms;
    readonly controller: string;
    readonly receiptKeyOf: ReceiptKeyOf;
    readonly onCommitted: () => void;
  };

  constructor(ports: {
    readonly database: Database;
    readonly clock: Clock;
    readonly indexer: IndexForms;
    readonly controller: string;
    readonly receiptKeyOf: ReceiptKeyOf;
    readonly onCommitted: () => void;
  }) {
    this.#ports = ports;
  }

  /**
   * Credits a receipt, once for an id. It goes the way of a till's entry.
   * @throws StammkundeError LATE_… (why not) · SALE_CLOSED (undone) · CUSTOMER_NOT_FOUND (none, or without a card) ·
   *   LEDGER_CONFLICT (the id was used for something else) · DB_UNREACHABLE
   */
  async claim(claimId: string, code: string, customerId: string): Promise<OfficeClaim> {
    const { database, clock, indexer, controller, receiptKeyOf, onCommitted } = this.#ports;
    const saleId = saleOfReceiptCode(code);
    if (saleId === undefined) throw new StammkundeError('LATE_CODE', 'this is no code of a receipt');
    const before = await this.#stateOf(claimId);
    if (before === undefined) {
      const { rows } = await sql<{ index: string; kind: 'card' | 'gsrn' | 'app' | 'bankcard' }>`
        select index, kind from credential where customer_id = ${customerId}::uuid and alias_of is null
        order by kind <> 'card', id limit 1`.execute(database.db);
      const [card] = rows;
      if (card === undefined)
        throw new StammkundeError('CUSTOMER_NOT_FOUND', `customer ${customerId} has no card to credit`);
      const owner = { till: OFFICE, incarnation: claimId };
      const entry = sealEntry({ seq: 0, hash: genesisHash(owner) }, claimId, {
        kind: 'sale.claimed',
        claimId,
        saleId,
        storeId: OFFICE,
        at: clock.now(),
        customer: { ...card, trust: 'L0', customerId },
        code,
      });
      const batch = { ...owner, entries: [entry] };
      const [judged = []] = await commitBatches(
        database,
        [batch],
        clock,
        new Set(),
        controller,
        indexer,
        receiptKeyOf,
      );
      if (judged.some((judgement) => verdictOf(judgement).verdict !== 'created'))
        throw new StammkundeError('LEDGER_CONFLICT', `claim ${claimId} was used for something else`);
      onCommitted();
    }
    const after = before ?? (await this.#stateOf(claimId));
    if (after === undefined || (before !== undefined && before.saleId !== saleId))
      throw new StammkundeError('LEDGER_CONFLICT', `claim ${claimId} was used for something else`);
    if (after.state === 'refused')
      throw new StammkundeError(knownCode(after.code), `the receipt of sale ${saleId} is not credited`);
    return after.state;
  }

  async #stateOf(claimId: string) {
    const { rows } = await sql<{
      state: 'posted' | 'waiting' | 'refused';
      code: string | null;
      saleId: string;
    }>`
      select state, code, sale_id as "saleId" from sale_claim where entry_id = ${claimId}::uuid`.execute(
      this.#ports.database.db,
    );
    return rows[0];
  }
}

function knownCode(code: string | null): ErrorCode {
  // Written by this program alone, from its own codes; checked in the same expression all the same.
  return code !== null && code in errorCodes ? (code as ErrorCode) : 'LATE_CODE';
}
