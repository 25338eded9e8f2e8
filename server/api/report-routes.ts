import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { InstantMs, TillId, Uuid } from '../../sync/contract/ids.ts';
import type { Database } from '../database/database.ts';
import { readExposure, readOverdraws, readRefusedReturns } from '../reports/redemption-reports.ts';
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

const Page = z.strictObject({ limit: z.coerce.number().int().min(1).max(1_000).default(100) });

/** What head office looks at: what may be redeemed unasked, what was overdrawn, what could not be returned. */
export function reportRoutes(database: Database, clock: Clock) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/v1/reports/exposure',
      schema: {
        summary: 'The most that tills can redeem without the server',
        response: { 200: ExposureBody, default: ErrorBody },
      },
      handler: async () => {
        const exposure = await readExposure(database.db, clock.now());
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
        overdraws: [...(await readOverdraws(database.db, request.query.limit))],
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
        returns: [...(await readRefusedReturns(database.db, request.query.limit))],
      }),
    });
  };
}
