import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import type { ApiInstance } from '../api/api.ts';
import { ErrorBody, send } from '../api/errors.ts';
import type { Database } from '../database/database.ts';
import { byteRangeOf } from './byte-range.ts';
import { chunkSize, readChunk } from './snapshot-store.ts';
import type { Tickets } from './ticket.ts';

const Parameters = z.strictObject({
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Of the chunk’s bytes: its name'),
});

/**
 * Chunks of snapshots, for tills with a ticket. There is no list of them: whoever does not know the 256 bits of a
 * name finds nothing.
 */
export function snapshotRoutes({
  database,
  tickets,
  clock,
}: {
  readonly database: Database;
  readonly tickets: Tickets;
  readonly clock: Clock;
}) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/v1/snapshots/chunks/:sha256',
      config: { ownTicket: true },
      schema: {
        summary: 'A chunk of a snapshot, or a range of its bytes (Range, If-Range)',
        description:
          'For tills: the bearer token is the ticket of a `snapshot.offer`, which names the till and lasts an hour.',
        params: Parameters,
        response: {
          200: z.any().describe('The bytes, application/octet-stream; they never change'),
          206: z.any().describe('The bytes of the range'),
          401: ErrorBody,
          404: ErrorBody,
          416: ErrorBody,
        },
      },
      handler: async (request, reply) => {
        const ticket = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
        if (tickets.tillOf(ticket, clock.now()) === undefined) {
          void reply.header('www-authenticate', 'Bearer');
          send(reply, 'API_UNAUTHORISED', 'the ticket is missing, wrong or expired');
          return reply;
        }
        const { sha256 } = request.params;
        const total = await chunkSize(database.db, sha256);
        if (total === undefined) {
          send(reply, 'API_NOT_FOUND', 'no chunk of this name is kept');
          return reply;
        }
        const etag = `"${sha256}"`;
        const ifRange = request.headers['if-range'];
        const range = byteRangeOf(
          ifRange === undefined || ifRange === etag ? request.headers.range : undefined,
          total,
        );
        void reply.header('accept-ranges', 'bytes');
        if (range.kind === 'beyond') {
          void reply.header('content-range', `bytes */${total}`);
          send(reply, 'API_RANGE', 'the range lies beyond the chunk');
          return reply;
        }
        const chunk = await readChunk(
          database.db,
          sha256,
          range.kind === 'part' ? { offset: range.start, length: range.end - range.start + 1 } : {},
        );
        if (chunk === undefined) {
          send(reply, 'API_NOT_FOUND', 'no chunk of this name is kept');
          return reply;
        }
        if (range.kind === 'part') {
          void reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${total}`);
        }
        return reply
          .header('etag', etag)
          .header('cache-control', 'private, max-age=31536000, immutable')
          .type('application/octet-stream')
          .send(chunk.bytes);
      },
    });
  };
}
