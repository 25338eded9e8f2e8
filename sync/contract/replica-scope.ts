import { z } from 'zod';
import { StoreId } from './ids.ts';
import { holdsNoPaymentCard, NO_PAYMENT_CARD } from './plain-text.ts';

const ActiveWithinDays = z
  .int()
  .min(1)
  .max(3_650)
  .optional()
  .describe('Leave out who did not buy for so many days; they are looked up at the server');

const Region = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
    .refine(holdsNoPaymentCard, NO_PAYMENT_CARD),
  stores: z.array(StoreId.refine(holdsNoPaymentCard, NO_PAYMENT_CARD)).min(1).max(2_000),
});

/**
 * Which customers a till holds. A customer belongs to the store they bought in last; who never bought belongs to all.
 * Whoever is not on a till is looked up at the server when their card is shown.
 */
export const ReplicaScope = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('all') }),
  z.strictObject({ by: z.literal('store'), activeWithinDays: ActiveWithinDays }),
  z.strictObject({
    by: z.literal('region'),
    regions: z
      .array(Region)
      .min(1)
      .max(200)
      .refine((regions) => {
        const stores = regions.flatMap((region) => region.stores);
        return new Set(stores).size === stores.length;
      }, 'a store is in one region at most')
      .describe('A store in none of them is a region of its own'),
    activeWithinDays: ActiveWithinDays,
  }),
]);
export type ReplicaScope = z.infer<typeof ReplicaScope>;
