import type { IncomingMessage } from 'node:http';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { StammkundeError } from '../../foundation/errors.ts';
import { ErrorBody } from './api-error.ts';
import { IdentificationView, StatusView, TypedNumberRequest } from './api-schemas.ts';
import type { EventStream } from './event-stream.ts';
import type { Caller } from './gate.ts';
import type { TillPort } from './till-port.ts';

const errors = { '4xx': ErrorBody, '5xx': ErrorBody };

/** The till beside its sales: how it is, numbers typed by people, and all that happens. */
export function tillRoutes(
  till: TillPort,
  stream: EventStream,
  callerOf: (request: IncomingMessage) => Caller,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/status',
      {
        schema: {
          tags: ['till'],
          summary: 'Replica, journal and readers',
          response: { ...errors, 200: StatusView },
        },
      },
      async () => {
        const { sync, readers, passThrough, keyProtection } = till.status();
        return {
          till: till.till,
          store: till.store,
          sync,
          readers: [...readers],
          ...(keyProtection === undefined ? {} : { keyProtection }),
          ...(passThrough === undefined
            ? {}
            : { passThrough: { outputs: [...passThrough.outputs], claims: [...passThrough.claims] } }),
        };
      },
    );
    app.post(
      '/identifications',
      {
        schema: {
          tags: ['till'],
          summary: 'Identify a typed number',
          body: TypedNumberRequest,
          response: { ...errors, 200: IdentificationView },
        },
      },
      async ({ body }) => {
        const outcome = await till.identifyTyped(body.number);
        switch (outcome.kind) {
          case 'refused':
            throw new StammkundeError(outcome.code, outcome.reason);
          case 'identified': {
            const { event: _event, ...view } = outcome.event;
            return view;
          }
        }
      },
    );
    app.route({
      method: 'GET',
      url: '/events',
      schema: {
        tags: ['till'],
        summary: 'WebSocket: each message is an EventMessage; the first is the event hello',
        description:
          'Token by Authorization header, or by the subprotocols "stammkunde.v1, stammkunde.token.<token>". ' +
          '`n` grows by one; the first event after hello has the next n. Close code 4008: the client did not keep up.',
        response: errors,
      },
      handler: () => {
        throw new StammkundeError('API_NOT_FOUND', 'connect here by WebSocket');
      },
      wsHandler: (socket, request) => stream.accept(socket, callerOf(request.raw)),
    });
  };
}
