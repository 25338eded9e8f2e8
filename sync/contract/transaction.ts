import { z } from 'zod';
import { Basket, BasketLine, LINES_MAX, QUANTITY_MILLI_MAX } from './basket.ts';
import { BLIND_INDEX_PATTERN } from './blind-index.ts';
import { identifierKinds, trustLevels } from './credential.ts';
import { InstantMs, StoreId, Uuid } from './ids.ts';
import { CredentialLinked, CredentialUnlinked } from './link.ts';
import { holdsNoPaymentCard, NO_PAYMENT_CARD } from './plain-text.ts';
import { RECEIPT_CODE_PATTERN } from './receipt-code.ts';
import { RedeemedPoints } from './redemption.ts';
import { PROGRAMME_VERSION_MAX } from './replica-documents.ts';

/** Whose sale it is, as far as the till knew: the card always, the customer when the replica had it. */
export const SaleCustomer = z.strictObject({
  index: z.string().regex(BLIND_INDEX_PATTERN).describe('Blind index of the presented credential'),
  kind: z.enum(identifierKinds),
  trust: z.enum(trustLevels),
  customerId: Uuid.nullable().describe('null when the till did not know the card; the server settles it'),
});
export type SaleCustomer = z.infer<typeof SaleCustomer>;

/** Points as the till calculated and showed them; the ledger posts what the server calculates by the same rules. */
export const EarnedPoints = z.strictObject({
  programmeVersion: z
    .int()
    .min(0)
    .max(PROGRAMME_VERSION_MAX)
    .describe('0 when the till had no programme yet'),
  base: z.int(),
  bonuses: z.array(z.strictObject({ offerId: z.string().max(64), points: z.int() })).max(100),
  parts: z
    .array(z.int().min(0))
    .max(LINES_MAX)
    .optional()
    .describe('Points of each line of the basket, in its order; lines past its end carry none'),
});
export type EarnedPoints = z.infer<typeof EarnedPoints>;

/** Of whoever is at the till: a pseudonym the POS makes, so that nobody credits sales of their own shift. */
export const Shift = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,40}$/)
  .refine(holdsNoPaymentCard, NO_PAYMENT_CARD);

export const SaleCompleted = z.strictObject({
  kind: z.literal('sale.completed'),
  saleId: Uuid,
  storeId: StoreId,
  at: InstantMs,
  basket: Basket,
  customer: SaleCustomer.nullable(),
  earned: EarnedPoints,
  redeemed: RedeemedPoints.optional().describe('What was paid with points'),
  shift: Shift.optional(),
});

export const SaleVoided = z.strictObject({
  kind: z.literal('sale.voided'),
  saleId: Uuid,
  storeId: StoreId,
  at: InstantMs,
  completed: Uuid.nullable().describe(
    'Entry id of the completed sale that is undone; null when it was still open',
  ),
});

/**
 * Goods of a completed sale that came back. The sale may be another till’s or another store’s, and may reach the server
 * later than this.
 */
export const SaleReturned = z.strictObject({
  kind: z.literal('sale.returned'),
  returnId: Uuid,
  saleId: Uuid.describe('The sale the goods were bought in'),
  storeId: StoreId,
  at: InstantMs,
  lines: z
    .array(
      z.strictObject({
        lineId: BasketLine.shape.id,
        quantityMilli: z.int().min(1).max(QUANTITY_MILLI_MAX),
      }),
    )
    .min(1)
    .max(LINES_MAX),
  reversed: z
    .int()
    .min(0)
    .nullable()
    .describe('Points taken back as the till showed them; null when it did not have the sale'),
});

/** A sale without a customer is claimed for one by the code on its receipt; the server says whether it counts. */
export const SaleClaimed = z.strictObject({
  kind: z.literal('sale.claimed'),
  claimId: Uuid,
  saleId: Uuid,
  storeId: StoreId,
  at: InstantMs,
  customer: SaleCustomer,
  code: z.string().regex(RECEIPT_CODE_PATTERN),
  shift: Shift.optional(),
});
export type SaleClaimed = z.infer<typeof SaleClaimed>;

/** Everything a till can put into its journal. */
export const Transaction = z.discriminatedUnion('kind', [
  SaleCompleted,
  SaleVoided,
  SaleReturned,
  SaleClaimed,
  CredentialLinked,
  CredentialUnlinked,
]);
export type Transaction = z.infer<typeof Transaction>;
export type SaleCompleted = z.infer<typeof SaleCompleted>;
export type SaleVoided = z.infer<typeof SaleVoided>;
export type SaleReturned = z.infer<typeof SaleReturned>;
/** A transaction that ends a sale. */
export type SaleTransaction = SaleCompleted | SaleVoided;

/** What a transaction is about: its sale, return or link. A subject has one entry of each kind. */
export function subjectOf(transaction: Transaction): string {
  switch (transaction.kind) {
    case 'sale.completed':
    case 'sale.voided':
      return transaction.saleId;
    // A sale may be returned in many parts; each is an entry of its own.
    case 'sale.returned':
      return transaction.returnId;
    case 'sale.claimed':
      return transaction.claimId;
    case 'credential.linked':
    case 'credential.unlinked':
      return transaction.linkId;
  }
}
