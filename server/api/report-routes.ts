import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { errorCodes } from '../../foundation/error-codes.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { InstantMs, TillId, Uuid } from '../../sync/contract/ids.ts';
import { recogniseRevenue } from '../reports/breakage.ts';
import { readLiability } from '../reports/liability.ts';
import {
  readExposure,
  readOverdraws,
  readRefusedClaims,
  readRefusedReturns,
} from '../reports/redemption-reports.ts';
import type { ReportQueries } from '../reports/report-queries.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';

const ExposureBody = z.strictObject({
  tills: z.int().describe('Tills whose allowance is valid'),
  points: z.int().describe('The most they can redeem without the server, together'),
  perCustomerPoints: z.int().describe('The most one copied card can redeem at all of them'),
  minor: z.int().nullable().describe('Worth of the points by the programme in force'),
  byTill: z.array(
    z.strictObject({
      till: TillId,
      version: z.int(),
      perCustomer: z.int(),
      perTill: z.int(),
      validUntil: InstantMs,
    }),
  ),
});

const Overdraws = z.strictObject({
  overdraws: z.array(
    z.strictObject({
      redemptionId: Uuid,
      account: z.string(),
      saleId: Uuid,
      till: TillId,
      at: InstantMs,
      points: z.int(),
      owed: z.int().describe('What the account came to owe by it'),
      allowanceVersion: z.int().nullable(),
      flag: z.enum(['overdrawn', 'after-void']),
    }),
  ),
});

const RefusedReturns = z.strictObject({
  returns: z.array(
    z.strictObject({
      entryId: Uuid,
      returnId: Uuid,
      saleId: Uuid,
      till: TillId,
      at: InstantMs,
      code: z.string(),
    }),
  ),
});

const RefusedClaims = z.strictObject({
  claims: z.array(
    z.strictObject({
      entryId: Uuid,
      claimId: Uuid,
      saleId: Uuid,
      till: z.string(),
      at: InstantMs,
      customerId: Uuid.nullable().describe('Whose card it is now; null while nobody has it'),
      code: z.string(),
      reason: z.string().describe('For the customer service, in a sentence'),
    }),
  ),
});

const LiabilityBody = z.strictObject({
  usable: z.int(),
  pending: z.int().describe('Earned, not vested'),
  unclaimed: z.int().describe('Of cards that have no owner yet'),
  held: z.int().describe('Kept for sales under way'),
  owed: z.int().describe('What customers owe; not set off against what others have'),
  points: z.int().describe('Usable, pending, unclaimed and held together'),
  minor: z.int().nullable().describe('Their worth by the programme in force'),
  currency: z.string().nullable(),
  byExpiry: z
    .array(z.strictObject({ month: z.string().nullable(), points: z.int() }))
    .describe('Points in lots by the month they expire in (UTC); null: they do not'),
  agrees: z.boolean().describe('Lots and accounts say the same'),
});

const Amount = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const RevenueQuery = z
  .strictObject({
    allocated: Amount.describe('Price allotted to the points (IFRS 15 B42)'),
    expected: Amount.min(1).describe('Points that will be redeemed in all, as expected today'),
    redeemed: Amount.describe('Points redeemed so far'),
    recognised: Amount.describe('Revenue recognised before'),
  })
  .refine(({ expected, redeemed }) => redeemed <= expected, 'more was redeemed than is expected in all');
const RevenueBody = z.strictObject({
  revenue: z.int().describe('Of this period'),
  total: z.int(),
  deferred: z.int(),
});

const Page = z.strictObject({ limit: z.coerce.number().int().min(1).max(1_000).default(100) });

/** What head office looks at: what may be redeemed unasked, what was overdrawn, what could not be returned or credited. */
export function reportRoutes(reports: ReportQueries, clock: Clock) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/v1/reports/liability',
      schema: {
        summary: 'Points the programme owes, and what they are worth',
        response: { 200: LiabilityBody, default: ErrorBody },
      },
      handler: async () => {
        const liability = await reports.wholeTables(readLiability);
        return { ...liability, byExpiry: [...liability.byExpiry] };
      },
    });

    app.route({
      method: 'POST',
      url: '/v1/reports/revenue',
      schema: {
        summary: 'Revenue of points with expected breakage (IFRS 15 B44–B46)',
        body: RevenueQuery,
        response: { 200: RevenueBody, default: ErrorBody },
      },
      handler: (request) => Promise.resolve(recogniseRevenue(request.body)),
    });

    app.route({
      method: 'GET',
      url: '/v1/reports/exposure',
      schema: {
        summary: 'The most that tills can redeem without the server',
        response: { 200: ExposureBody, default: ErrorBody },
      },
      handler: async () => {
        const exposure = await readExposure(reports.db, clock.now());
        return { ...exposure, byTill: [...exposure.byTill] };
      },
    });

    app.route({
      method: 'GET',
      url: '/v1/reports/overdraws',
      schema: {
        summary: 'Redemptions that were honoured beyond the balance, newest first',
        querystring: Page,
        response: { 200: Overdraws, default: ErrorBody },
      },
      handler: async (request) => ({
        overdraws: [...(await readOverdraws(reports.db, request.query.limit))],
      }),
    });

    app.route({
      method: 'GET',
      url: '/v1/reports/refused-returns',
      schema: {
        summary: 'Returns that took nothing back, newest first',
        querystring: Page,
        response: { 200: RefusedReturns, default: ErrorBody },
      },
      handler: async (request) => ({
        returns: [...(await readRefusedReturns(reports.db, request.query.limit))],
      }),
    });

    app.route({
      method: 'GET',
      url: '/v1/reports/refused-claims',
      schema: {
        summary: 'Receipts that were claimed and not credited, with the reason, newest first',
        querystring: Page,
        response: { 200: RefusedClaims, default: ErrorBody },
      },
      handler: async (request) => ({
        claims: (await readRefusedClaims(reports.db, request.query.limit)).map((claim) => ({
          ...claim,
          reason: reasonOf(claim.code),
        })),
      }),
    });
  };
}

/** What a code of ours means; a newer server's, that this one does not know, says itself. */
function reasonOf(code: string): string {
  // Checked to be one of the known codes in the same expression.
  return code in errorCodes ? errorCodes[code as ErrorCode][0] : code;
}
