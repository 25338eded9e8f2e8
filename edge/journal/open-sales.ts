import type { z } from 'zod';
import { ProgrammerError, StammkundeError } from '../../foundation/errors.ts';
import { emptyBasket } from '../../sync/contract/basket.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import { SaleClaimed, SaleCompleted, SaleReturned } from '../../sync/contract/transaction.ts';
import type { SaleTransaction } from '../../sync/contract/transaction.ts';
import { SaleView } from '../api/events.ts';
import type { SaleStore } from '../sale/sale-store.ts';
import { StoredSale } from '../sale/stored-sale.ts';
import type { JournalDatabase } from './journal-database.ts';

type Append = (transaction: SaleTransaction, within: (entry: JournalEntry) => void) => JournalEntry;

/**
 * Sales rest in the journal's file, so that closing one and writing its entry is a single step: after a power cut a
 * sale is open or in the journal, never both and never neither.
 */
export class OpenSales implements SaleStore {
  readonly #database: JournalDatabase;
  readonly #append: Append;

  constructor(database: JournalDatabase, append: Append) {
    this.#database = database;
    this.#append = append;
  }

  all(): readonly StoredSale[] {
    return this.#database
      .rows<{ body: string }>('SELECT body FROM open_sale ORDER BY opened_no')
      .map(({ body }) => this.#parse(body, StoredSale));
  }

  save(sale: StoredSale): void {
    this.#database.run(
      `INSERT INTO open_sale(sale_id, opened_no, body) VALUES(?, ?, ?)
       ON CONFLICT(sale_id) DO UPDATE SET opened_no = excluded.opened_no, body = excluded.body`,
      sale.saleId,
      sale.openedNo,
      JSON.stringify(sale),
    );
  }

  close(transaction: SaleTransaction, view: (entry: JournalEntry) => SaleView): SaleView {
    let closed: SaleView | undefined;
    this.#append(transaction, (entry) => {
      closed = view(entry);
      // The entry of a completed sale holds its basket; there is no need to keep it twice.
      const kept =
        transaction.kind === 'sale.completed'
          ? { ...closed, basket: emptyBasket(closed.basket.currency) }
          : closed;
      this.#database.run('DELETE FROM open_sale WHERE sale_id = ?', transaction.saleId);
      this.#database.run(
        `INSERT INTO closed_sale(sale_id, last_seq, body) VALUES(?, ?, ?)
         ON CONFLICT(sale_id) DO UPDATE SET last_seq = excluded.last_seq, body = excluded.body`,
        transaction.saleId,
        entry.seq,
        JSON.stringify(kept),
      );
    });
    if (closed === undefined) throw new ProgrammerError('an entry was written without its sale');
    return closed;
  }

  closed(saleId: string): SaleView | undefined {
    const [row] = this.#database.rows<{ body: string }>(
      'SELECT body FROM closed_sale WHERE sale_id = ?',
      saleId,
    );
    if (row === undefined) return undefined;
    const view = this.#parse(row.body, SaleView);
    return view.status === 'completed'
      ? { ...view, basket: this.completed(saleId)?.basket ?? view.basket }
      : view;
  }

  completed(saleId: string): SaleCompleted | undefined {
    const [row] = this.#entries('sale_id = ?', 'sale.completed', saleId);
    return row === undefined ? undefined : this.#parse(row.body, SaleCompleted);
  }

  returnsOf(saleId: string): readonly SaleReturned[] {
    const rows = this.#entries(`json_extract(body, '$.saleId') = ?`, 'sale.returned', saleId);
    return rows.map(({ body }) => this.#parse(body, SaleReturned));
  }

  returned(returnId: string): SaleReturned | undefined {
    const [row] = this.#entries('sale_id = ?', 'sale.returned', returnId);
    return row === undefined ? undefined : this.#parse(row.body, SaleReturned);
  }

  claimed(claimId: string): SaleClaimed | undefined {
    const [row] = this.#entries('sale_id = ?', 'sale.claimed', claimId);
    return row === undefined ? undefined : this.#parse(row.body, SaleClaimed);
  }

  paidWith(redemptionId: string): string | undefined {
    const [row] = this.#database.rows<{ saleId: string }>(
      `SELECT sale_id AS saleId FROM entry
       WHERE kind = 'sale.completed' AND json_extract(body, '$.redeemed.redemptionId') = ?`,
      redemptionId,
    );
    return row?.saleId;
  }

  #entries(
    where: string,
    kind: 'sale.completed' | 'sale.returned' | 'sale.claimed',
    id: string,
  ): readonly { readonly body: string }[] {
    // The kind stands in the text, so that the index of returns, which has no other, is used.
    return this.#database.rows<{ body: string }>(
      `SELECT body FROM entry WHERE ${where} AND kind = '${kind}' ORDER BY seq`,
      id,
    );
  }

  #parse<T extends z.ZodType>(body: string, schema: T): z.infer<T> {
    const result = schema.safeParse(JSON.parse(body));
    if (result.success) return result.data;
    throw new StammkundeError('JRN_CORRUPT', `${this.#database.file} holds a sale of another form`, {
      cause: result.error,
    });
  }
}
