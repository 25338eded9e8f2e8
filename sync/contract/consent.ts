import { createHash } from 'node:crypto';
import { z } from 'zod';
import { InstantMs } from './ids.ts';
import { findPaymentCard } from './payment-card.ts';
import { holdsNoPaymentCard, NO_PAYMENT_CARD } from './plain-text.ts';

/** What may be agreed to step by step at a till. `bankcard_link`: a bank card's alias identifies the customer. */
const ConsentPurpose = z.enum(['bankcard_link']);
export type ConsentPurpose = z.infer<typeof ConsentPurpose>;

/** The languages a consent is asked for in. */
export const ConsentLocale = z.enum(['de', 'en']);
export type ConsentLocale = z.infer<typeof ConsentLocale>;

const Wording = z
  .string()
  .min(20)
  .max(2_000)
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'is no text')
  .refine((text) => findPaymentCard(text) === undefined, 'looks like a payment card number');

/** Version of a consent text; a text that was shown under it never changes. */
export const ConsentTextVersion = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,31}$/)
  .refine(holdsNoPaymentCard, NO_PAYMENT_CARD);

/** The very words a customer agrees to. */
export const ConsentText = z.strictObject({
  purpose: ConsentPurpose,
  version: ConsentTextVersion.describe('Raise it with every change of a word'),
  text: z.strictObject({ de: Wording, en: Wording }),
});
export type ConsentText = z.infer<typeof ConsentText>;

/** How far the clock that gave `occurredAt` is trusted: held against the server's, never compared, or far from it. */
export const ClockQuality = z.enum(['good', 'unknown', 'bad']);
export type ClockQuality = z.infer<typeof ClockQuality>;

/** Who assisted, as the POS calls them: a pseudonym, never a name. */
export const OperatorRef = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,23}$/)
  .refine(holdsNoPaymentCard, NO_PAYMENT_CARD)
  .describe('Pseudonym of who assisted, at most 24 characters; never a name');

/** Which screen asked: a consent may be void for its layout alone. */
export const UiVariant = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
  .refine(holdsNoPaymentCard, NO_PAYMENT_CARD);

/** SHA-256 of the text as shown. */
const TextHash = z.string().regex(/^[0-9a-f]{64}$/);

const circumstances = {
  purpose: ConsentPurpose,
  channel: z.literal('till'),
  operatorRef: OperatorRef.nullable(),
  occurredAt: InstantMs.describe('By the till’s clock'),
  clock: ClockQuality,
};

/** A yes, with what was shown when it was said. */
export const ConsentGranted = z.strictObject({
  ...circumstances,
  decision: z.literal('granted'),
  textVersion: ConsentTextVersion,
  textSha256: TextHash,
  locale: ConsentLocale,
  uiVariant: UiVariant,
});
export type ConsentGranted = z.infer<typeof ConsentGranted>;

/** A consent taken back. It needs no text: which one it takes back, the server knows. */
export const ConsentWithdrawn = z.strictObject({ ...circumstances, decision: z.literal('withdrawn') });
export type ConsentWithdrawn = z.infer<typeof ConsentWithdrawn>;

/** SHA-256 over the UTF-8 bytes of a text as it was shown, lower-case hex. */
export function consentTextHash(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
