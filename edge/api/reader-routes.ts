import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import { ErrorBody } from './api-error.ts';
import { ClaimRequest, ClaimView, ReaderParams, ReleaseQuery } from './api-schemas.ts';
import type { EventStream } from './event-stream.ts';
import type { TillPort } from './till-port.ts';

const tags = ['readers'];
const errors = { '4xx': ErrorBody, '5xx': ErrorBody };

/** What a POS may want of a reader: that it reads now, or that its products are for one connection alone. */
export function readerRoutes(
  till: Pick<TillPort, 'claims' | 'requestRead'>,
  stream: EventStream,
): FastifyPluginAsyncZod {
  const { claims } = till;
  return async (app) => {
    app.post(
      '/readers/:readerId/read',
      {
        schema: {
          tags,
          summary: 'Have a reader read a card now',
          description:
            'For a payment terminal that reads on request: it asks the customer for their card once.',
          params: ReaderParams,
          response: { ...errors, 202: z.undefined() },
        },
      },
      async ({ params }, reply) => {
        till.requestRead(params.readerId);
        await reply.code(202).send();
      },
    );
    app.post(
      '/readers/:readerId/claim',
      {
        schema: {
          tags,
          summary: 'Claim a reader’s products for one WebSocket connection',
          description:
            'As Claim and DataEventEnabled of UnifiedPOS. While the claim stands, products of the reader go to this ' +
            'connection alone: not to the virtual port or TCP, and other connections of the POS are told the outcome ' +
            '"claimed". Customers are identified as ever, and everyone is told. The claim ends with DELETE, with the ' +
            'connection, or with its lease; call again to renew it or to change dataEventEnabled.',
          params: ReaderParams,
          body: ClaimRequest,
          response: { ...errors, 200: ClaimView },
        },
      },
      async ({ params, body }) => {
        const { clientId, leaseSeconds, dataEventEnabled } = body;
        if (!stream.has(clientId)) {
          throw new StammkundeError('CLAIM_CLIENT_GONE', 'no connection to /v1/events has this clientId');
        }
        return claims.claim({
          readerId: params.readerId,
          clientId,
          leaseMs: leaseSeconds * 1_000,
          dataEventEnabled,
        });
      },
    );
    app.delete(
      '/readers/:readerId/claim',
      {
        schema: {
          tags,
          summary: 'Let a claimed reader go; harmless when it is not claimed',
          params: ReaderParams,
          querystring: ReleaseQuery,
          response: { ...errors, 204: z.undefined() },
        },
      },
      async ({ params, query }, reply) => {
        claims.release(params.readerId, query.clientId);
        await reply.code(204).send();
      },
    );
  };
}
