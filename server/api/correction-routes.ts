import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import { Uuid } from '../../sync/contract/ids.ts';
import { holdsNoPaymentCard, NO_PAYMENT_CARD } from '../../sync/contract/plain-text.ts';
import type { Customers } from '../customers/customers.ts';
import type { Database } from '../database/database.ts';
import type { OfficeClaims } from '../intake/office-claims.ts';
import { adjust } from '../ledger/adjust.ts';
import { mergeCustomers } from '../ledger/merge-customers.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';
import { Id } from './parameters.ts';

const AdjustmentBody = z.strictObject({
  id: Uuid.toLowerCase().describe('Made by the caller, so that the call can be repeated'),
  points: z
    .int()
    .min(-1_000_000_000)
    .max(1_000_000_000)
    .refine((n) => n !== 0, 'points to give, or to take')
    .describe('Above zero: given; below: taken, if they are there'),
  reason: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/)
    .refine(holdsNoPaymentCard, NO_PAYMENT_CARD)
    .describe('A word; each reason has an account of its own'),
  partner: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/)
    .refine(holdsNoPaymentCard, NO_PAYMENT_CARD)
    .optional()
    .describe('Another company that bears them; absent: the programme does'),
});

const Done = z.strictObject({ verdict: z.enum(['created', 'exists']) });

/** What people correct by hand: balances, and customers who are one. */
export function correctionRoutes(
  database: Database,
  customers: Customers,
  {
    claims,
    clock,
    onCommitted,
  }: {
    readonly claims: Pick<OfficeClaims, 'claim'>;
    readonly clock: Clock;
    readonly onCommitted: () => void;
  },
) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'POST',
      url: '/v1/customers/:id/adjustments',
      schema: {
        summary: 'Give or take points, for a reason',
        params: Id,
        body: AdjustmentBody,
        response: { 200: Done, default: ErrorBody },
      },
      handler: async (request) => {
        const { id: customerId } = request.params;
        const outcome = await database.transaction((tx) =>
          adjust(tx, { ...request.body, customerId }, clock.now()),
        );
        switch (outcome.kind) {
          case 'created':
            onCommitted();
            return { verdict: outcome.kind };
          case 'exists':
            return { verdict: outcome.kind };
          case 'conflict':
            throw new StammkundeError('LEDGER_CONFLICT', 'this id was used for another adjustment');
          case 'refused':
            throw new StammkundeError(outcome.code, 'nothing was given or taken');
        }
      },
    });

    app.route({
      method: 'POST',
      url: '/v1/customers/:id/receipts',
      schema: {
        summary: 'Credit a sale without a customer, by the code on its receipt',
        params: Id,
        body: z.strictObject({
          claimId: Uuid.toLowerCase().describe('Made by the caller, so that the call can be repeated'),
          code: z.string().min(1).max(64),
        }),
        response: {
          200: z.strictObject({
            state: z.enum(['posted', 'waiting']).describe('waiting: the sale has not arrived yet'),
          }),
          default: ErrorBody,
        },
      },
      handler: async (request) => {
        const { id } = await customers.get(request.params.id);
        const { claimId, code } = request.body;
        return { state: await claims.claim(claimId, code, id) };
      },
    });

    app.route({
      method: 'POST',
      url: '/v1/customers/:id/merge',
      schema: {
        summary: 'Make a customer one with another, for good: points, cards and phones go there',
        params: Id,
        body: z.strictObject({ into: Uuid.toLowerCase() }),
        response: { 200: Done, default: ErrorBody },
      },
      handler: async (request) => {
        const outcome = await database.transaction((tx) =>
          mergeCustomers(tx, { from: request.params.id, to: request.body.into }, clock.now()),
        );
        if (outcome.kind === 'refused')
          throw new StammkundeError(outcome.code, 'both must be there, two, and not closed');
        onCommitted();
        return { verdict: outcome.kind };
      },
    });
  };
}
