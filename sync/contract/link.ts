import { z } from 'zod';
import { BLIND_INDEX_PATTERN } from './blind-index.ts';
import { ConsentGranted, ConsentWithdrawn } from './consent.ts';
import { identifierKinds, trustLevels } from './credential.ts';
import { InstantMs, StoreId, Uuid } from './ids.ts';

/** What a bank card's alias is: the payment account reference (EMV tag 9F24), or a token of the terminal's operator. */
export const BankCardScheme = z.enum(['emv-par', 'card-token']);
export type BankCardScheme = z.infer<typeof BankCardScheme>;

const Index = z
  .string()
  .regex(BLIND_INDEX_PATTERN)
  .describe('Blind index of the alias; the alias itself never travels');

/** A customer agreed that a bank card's alias identifies them. */
export const CredentialLinked = z.strictObject({
  kind: z.literal('credential.linked'),
  linkId: Uuid.describe('Made with the question; one answer each'),
  storeId: StoreId,
  at: InstantMs,
  customerId: Uuid,
  credential: z.strictObject({ index: Index, kind: z.literal('bankcard'), scheme: BankCardScheme }),
  identifiedBy: z
    .strictObject({
      index: z.string().regex(BLIND_INDEX_PATTERN),
      kind: z.enum(identifierKinds).exclude(['bankcard']),
      trust: z.enum(trustLevels).exclude(['L0']),
    })
    .describe('The credential that said who the customer is: never a bank card, never a typed number'),
  consent: ConsentGranted,
});
export type CredentialLinked = z.infer<typeof CredentialLinked>;

/** A customer took that back at a till. */
export const CredentialUnlinked = z.strictObject({
  kind: z.literal('credential.unlinked'),
  linkId: Uuid.describe('Made with the withdrawal'),
  storeId: StoreId,
  at: InstantMs,
  customerId: Uuid,
  credential: z.strictObject({ index: Index, kind: z.literal('bankcard') }),
  consent: ConsentWithdrawn,
});
export type CredentialUnlinked = z.infer<typeof CredentialUnlinked>;
