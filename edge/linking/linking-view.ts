import { z } from 'zod';
import { ConsentLocale, ConsentTextVersion, OperatorRef, UiVariant } from '../../sync/contract/consent.ts';
import { Uuid } from '../../sync/contract/ids.ts';
import { Text } from '../../sync/contract/replica-documents.ts';

const linkId = Uuid.describe('Of the question; of a withdrawal its own');

/** Where the linking of a bank card stands. */
export const LinkingView = z.discriminatedUnion('status', [
  z
    .strictObject({
      status: z.literal('asking'),
      linkId,
      customer: z.strictObject({
        id: Uuid,
        greeting: z.string().nullable(),
        tier: z.string(),
        tierName: Text.nullable(),
      }),
      text: z
        .strictObject({ version: ConsentTextVersion, de: z.string(), en: z.string() })
        .describe('To be shown or read out whole before anybody answers'),
      answerWithinMs: z.int().min(0),
    })
    .describe('Somebody must answer yes or no; nothing happens without'),
  z
    .strictObject({ status: z.literal('saved'), linkId })
    .describe('The yes is on the disk; the card is recognised once the server has confirmed it'),
  z.strictObject({ status: z.literal('confirmed'), linkId }).describe('The server has linked the card'),
  z
    .strictObject({ status: z.literal('refused'), linkId, code: z.string() })
    .describe('The server did not: LINK_TAKEN when the card is another customer’s'),
  z.strictObject({ status: z.literal('declined'), linkId }).describe('A no; nothing of it is kept'),
  z
    .strictObject({
      status: z.literal('ended'),
      linkId,
      reason: z.enum(['timeout', 'customer-changed']),
    })
    .describe('Nobody answered; nothing is kept'),
  z
    .strictObject({ status: z.literal('withdrawal-saved'), linkId })
    .describe('On the disk; the card is forgotten once the server has confirmed it'),
  z.strictObject({ status: z.literal('withdrawn'), linkId }).describe('The server has ended the link'),
]);
export type LinkingView = z.infer<typeof LinkingView>;

/** What the cashier or the customer pressed. */
export const LinkAnswer = z.strictObject({
  answer: z.enum(['yes', 'no']),
  textVersion: ConsentTextVersion.describe('Version of the text that was shown'),
  locale: ConsentLocale.describe('Language it was shown in'),
  uiVariant: UiVariant.default('pos').describe('Which screen asked'),
  operatorRef: OperatorRef.optional(),
});
export type LinkAnswer = z.infer<typeof LinkAnswer>;

/** A customer takes a link back at the till, with the card they present. */
export const WithdrawalRequest = z.strictObject({
  identificationId: Uuid.describe('Of the linked bank card, not older than half an hour'),
  operatorRef: OperatorRef.optional(),
});
export type WithdrawalRequest = z.infer<typeof WithdrawalRequest>;
