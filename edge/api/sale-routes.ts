import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { Basket } from '../../sync/contract/basket.ts';
import { ErrorBody } from './api-error.ts';
import { ClaimReceiptRequest, ClaimReceiptView } from '../sale/claims.ts';
import {
  AttachRequest,
  CompleteRequest,
  OpenSaleRequest,
  RedeemRequest,
  SaleList,
  SaleParams,
} from './api-schemas.ts';
import { ReturnRequest, ReturnView } from '../sale/returns.ts';
import { SaleView } from './events.ts';
import type { TillPort } from './till-port.ts';

const tags = ['sales'];
const response = { 200: SaleView, '4xx': ErrorBody, '5xx': ErrorBody };

/** A sale from its opening to its end. Every call may be repeated and answers with the whole sale. */
export function saleRoutes(till: TillPort): FastifyPluginAsyncZod {
  const { sales } = till;
  // Routes with nothing to say may be called without a body, or with an empty object.
  const nothing = z.strictObject({}).nullish();
  return async (app) => {
    app.post(
      '/sales',
      { schema: { tags, summary: 'Open a sale', body: OpenSaleRequest.nullish(), response } },
      async ({ body }) => sales.open(body ?? {}),
    );
    app.get(
      '/sales',
      { schema: { tags, summary: 'The open sales', response: { ...response, 200: SaleList } } },
      async () => ({ sales: [...sales.openViews()] }),
    );
    app.get(
      '/sales/:saleId',
      { schema: { tags, summary: 'A sale, open or closed', params: SaleParams, response } },
      async ({ params }) => sales.view(params.saleId),
    );
    app.put(
      '/sales/:saleId/basket',
      { schema: { tags, summary: 'Put the whole basket', params: SaleParams, body: Basket, response } },
      async ({ params, body }) => sales.putBasket(params.saleId, body),
    );
    app.put(
      '/sales/:saleId/customer',
      {
        schema: {
          tags,
          summary: 'Attach an identification',
          params: SaleParams,
          body: AttachRequest,
          response,
        },
      },
      async ({ params, body }) => sales.attach(params.saleId, body.identificationId),
    );
    app.delete(
      '/sales/:saleId/customer',
      { schema: { tags, summary: 'Detach the customer', params: SaleParams, response } },
      async ({ params }) => sales.detach(params.saleId),
    );
    app.put(
      '/sales/:saleId/redemption',
      {
        schema: {
          tags,
          summary: 'Pay with points; without the server within what it allowed before',
          params: SaleParams,
          body: RedeemRequest,
          response,
        },
      },
      async ({ params, body }) => till.redemptions.redeem(params.saleId, body),
    );
    app.delete(
      '/sales/:saleId/redemption',
      { schema: { tags, summary: 'Pay with no points after all', params: SaleParams, response } },
      async ({ params }) => till.redemptions.cancel(params.saleId),
    );
    app.post(
      '/receipts/claim',
      {
        schema: {
          tags,
          summary: 'Credit a sale without a customer to one, by the code on its receipt',
          body: ClaimReceiptRequest,
          response: { ...response, 200: ClaimReceiptView },
        },
      },
      async ({ body }) => till.receiptClaims.take(body),
    );
    app.post(
      '/returns',
      {
        schema: {
          tags,
          summary: 'Goods came back; answered when the entry is on the disk',
          body: ReturnRequest,
          response: { ...response, 200: ReturnView },
        },
      },
      async ({ body }) => till.returns.take(body),
    );
    app.post(
      '/sales/:saleId/complete',
      {
        schema: {
          tags,
          summary: 'Complete the sale; answered when its journal entry is on the disk',
          params: SaleParams,
          body: CompleteRequest.nullish(),
          response,
        },
      },
      async ({ params, body }) => sales.complete(params.saleId, body ?? {}),
    );
    app.post(
      '/sales/:saleId/void',
      {
        schema: {
          tags,
          summary: 'Void an open sale, reverse a completed one',
          params: SaleParams,
          body: nothing,
          response,
        },
      },
      async ({ params }) => sales.void(params.saleId),
    );
  };
}
