import { z } from 'zod';
import { LINES_MAX } from './basket.ts';
import { BLIND_INDEX_PATTERN } from './blind-index.ts';
import { identifierKinds, trustLevels } from './credential.ts';
import { InstantMs, TillId, Uuid } from './ids.ts';

const Points = z.int().min(1).max(1_000_000_000);
const Limit = z.int().min(0).max(1_000_000_000);

/** How long a till waits until it is told that points are held for it, ms: the customer stands there. */
export const RESERVE_DEADLINE_MS = 150;

/**
 * What a sale was paid with points. It is in the same entry as the sale: either both are in the journal or none.
 *
 * ```
 *   points.reserve ──▶ held ──sale completed──▶ redeemed
 *        │               └── released, or its time is over ──▶ back with the customer
 *        └─ no answer ──▶ the till's allowance ──sale completed──▶ redeemed, honoured whatever the balance was
 * ```
 */
export const RedeemedPoints = z.strictObject({
  redemptionId: Uuid.describe('Made by the till before it asked'),
  points: Points,
  minor: z.int().min(1).max(1_000_000_000_000).describe('What they paid, in minor units'),
  parts: z
    .array(z.int().min(0))
    .max(LINES_MAX)
    .describe('Points of each line of the basket, in its order; lines past its end carry none'),
  authorised: z.enum(['reservation', 'allowance']),
  allowanceVersion: z.int().min(1).nullable().describe('Of the allowance the till went by'),
});
export type RedeemedPoints = z.infer<typeof RedeemedPoints>;

/** Asks that points be kept for a sale. The same id again is the same reservation. */
export const PointsReserveRequest = z.strictObject({
  kind: z.literal('points.reserve'),
  redemptionId: Uuid,
  saleId: Uuid,
  index: z.string().regex(BLIND_INDEX_PATTERN),
  identifier: z.enum(identifierKinds),
  trust: z.enum(trustLevels),
  points: Points,
});
export type PointsReserveRequest = z.infer<typeof PointsReserveRequest>;

export const PointsReserveAnswer = z.strictObject({
  kind: z.literal('points.reserve'),
  outcome: z.discriminatedUnion('verdict', [
    z.strictObject({ verdict: z.literal('reserved'), until: InstantMs }),
    z.strictObject({ verdict: z.literal('refused'), code: z.string().max(64) }),
  ]),
});
export type PointsReserveAnswer = z.infer<typeof PointsReserveAnswer>;

/** Says that points are not needed any more; without it they come back when their time is over. */
export const PointsReleaseRequest = z.strictObject({
  kind: z.literal('points.release'),
  redemptionId: Uuid,
});
export type PointsReleaseRequest = z.infer<typeof PointsReleaseRequest>;

export const PointsReleaseAnswer = z.strictObject({
  kind: z.literal('points.release'),
  state: z.enum(['unknown', 'voided', 'posted']),
});
export type PointsReleaseAnswer = z.infer<typeof PointsReleaseAnswer>;

/** How many points a till may take while nobody can be asked. The answer it comes in is signed by the server. */
export const Allowance = z.strictObject({
  till: TillId,
  version: z.int().min(1).describe('Grows with every allowance of the till'),
  perCustomer: Limit,
  perTill: Limit,
  byTrust: z.strictObject({ L0: Limit, L1: Limit, L2: Limit, L3: Limit, L4: Limit }),
  validUntil: InstantMs,
});
export type Allowance = z.infer<typeof Allowance>;

export const PointsAllowanceRequest = z.strictObject({ kind: z.literal('points.allowance') });
export type PointsAllowanceRequest = z.infer<typeof PointsAllowanceRequest>;

export const PointsAllowanceAnswer = z.strictObject({
  kind: z.literal('points.allowance'),
  allowance: Allowance.nullable().describe('null: nothing is redeemed without the server'),
});
export type PointsAllowanceAnswer = z.infer<typeof PointsAllowanceAnswer>;
