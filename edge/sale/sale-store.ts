import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import type {
  SaleClaimed,
  SaleCompleted,
  SaleReturned,
  SaleTransaction,
} from '../../sync/contract/transaction.ts';
import type { SaleView } from '../api/events.ts';
import type { StoredSale } from './stored-sale.ts';

/** Where sales rest. Everything is on the disk when a call returns, or the call throws and nothing has changed. */
export interface SaleStore {
  /** The open sales in the order they were opened. */
  all(): readonly StoredSale[];
  /** Puts an open sale in place of its former state. @throws StammkundeError DATA_DISK_FULL · DATA_UNWRITABLE */
  save(sale: StoredSale): void;
  /**
   * In one step: the transaction becomes a journal entry, the sale is no longer open, and its last view is kept.
   * @throws StammkundeError JRN_FULL · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  close(transaction: SaleTransaction, view: (entry: JournalEntry) => SaleView): SaleView;
  /** The last view of a closed sale whose entries are still kept. */
  closed(saleId: string): SaleView | undefined;
  /** The entry of a sale that was completed at this till, while it is kept. */
  completed(saleId: string): SaleCompleted | undefined;
  /** The sale that was completed at this till and paid with this redemption, while its entry is kept. */
  paidWith(redemptionId: string): string | undefined;
  /** The entries of what came back of a sale at this till, in their order. */
  returnsOf(saleId: string): readonly SaleReturned[];
  /** The entry of a return at this till, while it is kept. */
  returned(returnId: string): SaleReturned | undefined;
  /** The entry of a claimed receipt at this till, while it is kept. */
  claimed(claimId: string): SaleClaimed | undefined;
}
