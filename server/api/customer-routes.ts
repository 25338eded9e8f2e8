import { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import { Card, CardNumber } from '../cards/card.ts';
import type { Cards } from '../cards/cards.ts';
import { CustomerPatch, CustomerView, NewCustomer } from '../customers/customer.ts';
import type { Customers } from '../customers/customers.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';
import { Id } from './parameters.ts';

const BATCH_MAX = 1_000;

const Outcome = z.strictObject({
  id: z.uuid(),
  verdict: z.enum(['created', 'exists', 'refused']),
  code: z.string().optional().describe('Why it was refused'),
});

/** Customers and their cards. Card numbers travel in bodies only, never in an address. */
export function customerRoutes(customers: Customers, cards: Cards) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'POST',
      url: '/v1/customers',
      schema: {
        summary: 'Make a customer, with their first cards',
        body: NewCustomer,
        response: { 200: CustomerView.describe('Stood already'), 201: CustomerView, default: ErrorBody },
      },
      handler: async (request, reply) => {
        const [outcome] = await customers.create([request.body]);
        if (outcome === undefined) throw new StammkundeError('API_INTERNAL', 'no outcome');
        if (outcome.verdict === 'refused') {
          throw new StammkundeError(outcome.code, 'the customer cannot be made');
        }
        const view = await customers.get(outcome.id);
        return reply.code(outcome.verdict === 'created' ? 201 : 200).send(view);
      },
    });

    app.route({
      method: 'POST',
      url: '/v1/customers/batch',
      schema: {
        summary: 'Make many customers at once; each is told apart',
        body: z.strictObject({ customers: z.array(NewCustomer).min(1).max(BATCH_MAX) }),
        response: {
          200: z.strictObject({ results: z.array(Outcome).describe('In the order of the request') }),
          default: ErrorBody,
        },
      },
      handler: async (request) => ({ results: [...(await customers.create(request.body.customers))] }),
    });

    app.route({
      method: 'GET',
      url: '/v1/customers/:id',
      schema: { params: Id, response: { 200: CustomerView, default: ErrorBody } },
      handler: (request) => customers.get(request.params.id),
    });

    app.route({
      method: 'PATCH',
      url: '/v1/customers/:id',
      schema: {
        summary:
          'Change status, tier, purposes or greeting; what takes something away is told to all tills at once',
        params: Id,
        body: CustomerPatch,
        response: { 200: CustomerView, default: ErrorBody },
      },
      handler: (request) => customers.patch(request.params.id, request.body),
    });

    app.route({
      method: 'POST',
      url: '/v1/customers/:id/cards',
      schema: {
        summary: 'Give a card to a customer, with the points earned with it so far',
        params: Id,
        body: CardNumber,
        response: { 200: Card, default: ErrorBody },
      },
      handler: (request) => cards.issue(request.params.id, request.body),
    });

    for (const [action, status] of [
      ['block', 'blocked'],
      ['unblock', 'active'],
    ] as const) {
      app.route({
        method: 'POST',
        url: `/v1/cards/:id/${action}`,
        schema: { params: Id, response: { 200: Card, default: ErrorBody } },
        handler: (request) => cards.setStatus(request.params.id, status),
      });
    }
  };
}
