import { z } from 'zod';
import { Basket } from '../../sync/contract/basket.ts';
import { BLIND_INDEX_PATTERN } from '../../sync/contract/blind-index.ts';
import { identifierKinds, trustLevels } from '../../sync/contract/credential.ts';
import { InstantMs, Uuid } from '../../sync/contract/ids.ts';
import { Currency } from '../../sync/contract/money.ts';
import { CustomerDocument } from '../../sync/contract/replica-documents.ts';
import { SaleRedemption } from './redemption.ts';
import type { Identified, IdentifiedAs } from './identified.ts';

/**
 * The customer of an open sale as it rests on the disk: what the rules need and no more. Neither the number, nor its
 * last digits, nor the first name of the greeting.
 */
export const StoredCustomer = z.strictObject({
  identificationId: Uuid,
  index: z.string().regex(BLIND_INDEX_PATTERN),
  kind: z.enum(identifierKinds),
  trust: z.enum(trustLevels),
  as: z.discriminatedUnion('verdict', [
    z.strictObject({
      verdict: z.literal('known'),
      customer: CustomerDocument.extend({ greeting: z.null() }),
      toldAt: InstantMs.optional().describe('When the server told of the customer itself'),
    }),
    z.strictObject({ verdict: z.literal('blocked') }),
    z.strictObject({ verdict: z.literal('expired'), since: InstantMs }),
    z.strictObject({ verdict: z.literal('unknown') }),
    z.strictObject({ verdict: z.literal('unreached') }),
  ]),
});
export type StoredCustomer = z.infer<typeof StoredCustomer>;

/** An open sale as it rests on the disk. */
export const StoredSale = z.strictObject({
  saleId: Uuid,
  openedNo: z.int().min(1).describe('Grows with each opening: the highest is the most recent'),
  openedAt: InstantMs,
  currency: Currency,
  basket: Basket,
  customer: StoredCustomer.nullable(),
  redemption: SaleRedemption.nullable().optional().describe('Points it is to be paid with'),
});
export type StoredSale = z.infer<typeof StoredSale>;

/** What of an identification may rest on the disk. */
export function storedCustomer(identified: Identified): StoredCustomer {
  const { identificationId, index, kind, trust } = identified;
  return { identificationId, index, kind, trust, as: withoutName(identified.as) };
}

/** An identification read back: its masked number is only the kind. */
export function restoredCustomer(stored: StoredCustomer): Identified {
  return { ...stored, credential: stored.kind };
}

function withoutName(as: IdentifiedAs): StoredCustomer['as'] {
  return as.verdict === 'known' ? { ...as, customer: { ...as.customer, greeting: null } } : as;
}
