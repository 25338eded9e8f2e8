import { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import { OperatorRef } from '../../sync/contract/consent.ts';
import { InstantMs, TillId, Uuid } from '../../sync/contract/ids.ts';
import type { WipeOrders } from '../tills/wipe-orders.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';
import { TillParameter } from './parameters.ts';

const Reason = z.string().min(1).max(200).optional().describe('For the record; no names of persons');

const WipeRequest = z.strictObject({
  confirm: TillId.describe('The till’s name once more'),
  incarnation: Uuid.optional().describe(
    'The till’s journal that is meant. Needed where the name had several, as a stolen till and the one in its place: without it the answer is WIPE_AMBIGUOUS and lists them with the times they were last seen',
  ),
  orderedBy: OperatorRef.describe('Who gives the order, as a pseudonym'),
  reason: Reason,
});

const LiftRequest = z.strictObject({ orderedBy: OperatorRef, reason: Reason });

const WipeOrderView = z.strictObject({
  id: Uuid,
  till: TillId,
  incarnation: Uuid.nullable().describe('The till’s journal that is meant; null: the server never saw one'),
  at: InstantMs,
  sent: z
    .boolean()
    .describe('false: the broker was away; the order stands and is given when the till shows up'),
});

/** Orders to stolen tills. */
export function wipeRoutes(orders: WipeOrders) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'POST',
      url: '/v1/tills/:till/wipe',
      schema: {
        summary: 'Order a till to destroy its keys and data; this cannot be undone',
        params: TillParameter,
        body: WipeRequest,
        response: { 200: WipeOrderView, default: ErrorBody },
      },
      handler: ({ params, body }) => {
        const { confirm, incarnation, ...by } = body;
        if (confirm !== params.till) {
          throw new StammkundeError('API_INVALID', 'confirm is not the name of the till in the address');
        }
        return orders.order(params.till, by, incarnation);
      },
    });
    app.route({
      method: 'POST',
      url: '/v1/tills/:till/wipe/lift',
      schema: {
        summary: 'Give the order no more: the till was found, or is set up anew',
        params: TillParameter,
        body: LiftRequest,
        response: { 204: z.undefined(), default: ErrorBody },
      },
      handler: async ({ params, body }, reply) => {
        if (!(await orders.lift(params.till, body))) {
          throw new StammkundeError('API_NOT_FOUND', `no wipe of ${params.till} is ordered`);
        }
        return reply.code(204).send();
      },
    });
  };
}
