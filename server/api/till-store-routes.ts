import { z } from 'zod';
import { OperatorRef } from '../../sync/contract/consent.ts';
import { InstantMs, StoreId, TillId } from '../../sync/contract/ids.ts';
import type { TillStores } from '../tills/till-stores.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';
import { TillParameter } from './parameters.ts';

const MoveRequest = z.strictObject({
  store: StoreId.describe('Where the till stands from now on, as in its own configuration'),
  orderedBy: OperatorRef.describe('Who says so, as a pseudonym'),
});

const TillStoreView = z.strictObject({
  till: TillId,
  store: StoreId,
  at: InstantMs,
  putBy: z.string().nullable().describe('null: the till itself, with its first question'),
});

/** Where tills stand, which decides whose customers they are given. */
export function tillStoreRoutes(stores: TillStores) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/v1/till-stores',
      schema: {
        summary: 'Where each till stands; those that hold everybody are not asked and may be missing',
        response: { 200: z.strictObject({ tills: z.array(TillStoreView) }), default: ErrorBody },
      },
      handler: async () => ({ tills: [...(await stores.list())] }),
    });
    app.route({
      method: 'PUT',
      url: '/v1/tills/:till/store',
      schema: {
        summary: 'Move a till to another store: it is given the customers of that one',
        params: TillParameter,
        body: MoveRequest,
        response: { 200: TillStoreView, default: ErrorBody },
      },
      handler: ({ params, body }) => stores.move(params.till, body.store, body.orderedBy),
    });
  };
}
