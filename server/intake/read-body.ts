import type { ErrorCode } from '../../foundation/error-codes.ts';
import { checkerOf } from '../../foundation/schema-checker.ts';
import { addsUp } from '../../sync/contract/basket.ts';
import { holdsPaymentCard } from '../../sync/contract/basket-payment-card.ts';
import { findPaymentCard } from '../../sync/contract/payment-card.ts';
import { Transaction } from '../../sync/contract/transaction.ts';
import { hasMoreParts } from '../../sync/contract/wire.ts';

export type Body =
  | { readonly kind: 'transaction'; readonly transaction: Transaction }
  | { readonly kind: 'refused'; readonly code: ErrorCode };

/** The largest sale there may be has some 20,000: 2,000 lines, and the points of each. */
const PARTS_MAX = 50_000;
/** Of a body this short the parts need not be counted. */
const UNCOUNTED_CHARS = 2_048;

const isTransaction = checkerOf(Transaction);

/** The transaction in an entry's body, or why it is none. A refusal never holds up the entries behind it. */
export function readBody(body: string): Body {
  if (body.length > UNCOUNTED_CHARS && hasMoreParts(body, PARTS_MAX)) {
    return { kind: 'refused', code: 'WIRE_MALFORMED' };
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { kind: 'refused', code: 'WIRE_MALFORMED' };
  }
  const transaction = asTransaction(parsed);
  if (transaction === undefined) return { kind: 'refused', code: 'WIRE_MALFORMED' };
  if (transaction.kind === 'sale.completed' && !addsUp(transaction.basket)) {
    return { kind: 'refused', code: 'SALE_TOTAL' };
  }
  if (transaction.kind === 'sale.completed' && holdsPaymentCard(transaction.basket)) {
    return { kind: 'refused', code: 'PAN_REJECTED' };
  }
  if (
    transaction.kind === 'sale.returned' &&
    transaction.lines.some(({ lineId }) => findPaymentCard(lineId) !== undefined)
  ) {
    return { kind: 'refused', code: 'PAN_REJECTED' };
  }
  return { kind: 'transaction', transaction };
}

/** Nearly all that comes is as a till of today writes it, and need not be taken apart to be made anew. */
function asTransaction(parsed: unknown): Transaction | undefined {
  // Checked by the schema's own rules.
  return isTransaction(parsed) ? (parsed as Transaction) : Transaction.safeParse(parsed).data;
}
