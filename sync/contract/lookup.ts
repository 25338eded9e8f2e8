import { z } from 'zod';
import { BLIND_INDEX_PATTERN } from './blind-index.ts';
import { CredentialDocument, CustomerDocument } from './replica-documents.ts';

/**
 * How long a till waits for the answer, ms. A cashier takes it for at once, and what comes later is another sale's time.
 */
export const LOOKUP_DEADLINE_MS = 150;

/**
 * Asks whose card it is that is not on the till. In no scope: any card of the tenant may be presented anywhere.
 *
 * ```
 *   card ──▶ replica: not here ──▶ credential.lookup ──▶ known · blocked · expired · unknown
 *                                        └── no answer in time ──▶ unreached
 * ```
 */
export const LookupRequest = z.strictObject({
  kind: z.literal('credential.lookup'),
  index: z
    .string()
    .regex(BLIND_INDEX_PATTERN)
    .describe('The oldest blind index the till can make of the number; the server knows all later ones'),
});
export type LookupRequest = z.infer<typeof LookupRequest>;

/** What the feed would bring of the card and of its owner, and nothing else. */
export const LookupAnswer = z
  .strictObject({
    kind: z.literal('credential.lookup'),
    credential: CredentialDocument.nullable().describe('null: the server has no such card'),
    customer: CustomerDocument.nullable().describe(
      'Whose card it is; null when it is nobody’s, and of a blocked card, for nothing follows from who lost it',
    ),
  })
  .refine(
    ({ credential, customer }) => customer === null || credential?.customerId === customer.id,
    'the customer is the card’s owner',
  );
export type LookupAnswer = z.infer<typeof LookupAnswer>;
