import { z } from 'zod';
import { identifierKinds } from '../../sync/contract/credential.ts';
import { InstantMs, Uuid } from '../../sync/contract/ids.ts';

/** A card as it is given out. The number is turned into its blind index at once and kept nowhere. */
export const CardNumber = z.strictObject({
  scheme: z.string().min(1).max(64).describe('Name of a configured card scheme'),
  number: z.string().min(1).max(64).describe('As printed'),
  validUntil: InstantMs.nullable().default(null).describe('No longer accepted from this instant on'),
});
export type CardNumber = z.infer<typeof CardNumber>;

/** A card as it is shown: without its number. */
export const Card = z.strictObject({
  id: Uuid,
  kind: z.enum(identifierKinds),
  scheme: z.string(),
  customerId: Uuid.nullable(),
  status: z.enum(['active', 'blocked']),
  validUntil: InstantMs.nullable(),
  issuedAt: InstantMs,
});
export type Card = z.infer<typeof Card>;
