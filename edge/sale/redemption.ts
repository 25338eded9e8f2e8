import { z } from 'zod';
import { Uuid } from '../../sync/contract/ids.ts';

/**
 * Points an open sale is to be paid with. `asking` until somebody allowed it: the server (`reserved`), or, when it did
 * not answer, the allowance it gave before (`allowed`).
 */
export const SaleRedemption = z.strictObject({
  redemptionId: Uuid,
  points: z.int().min(1).max(1_000_000_000),
  minor: z.int().min(1).max(1_000_000_000_000).describe('What they pay, in minor units'),
  state: z.enum(['asking', 'reserved', 'allowed']),
  allowanceVersion: z.int().min(1).nullable(),
});
export type SaleRedemption = z.infer<typeof SaleRedemption>;
