import { z } from 'zod';
import type { ApiInstance } from './api.ts';

/** How the server is, for a watchdog and for the page that shows whether all is well. */
export const Health = z.strictObject({
  well: z.boolean(),
  worker: z.string().describe('Which of several servers answers'),
  database: z.boolean().describe('Whether it answers, and takes writes as far as is known'),
  history: z
    .boolean()
    .describe(
      'False while the database has another history than this server tells tills of, and cannot learn it',
    ),
  broker: z.boolean(),
  intake: z.strictObject({
    waiting: z.int(),
    stalled: z.boolean(),
    counts: z
      .record(z.string(), z.int())
      .describe(
        'Entries by verdict, messages dropped, and sales whose till showed other points than were posted, since the start',
      ),
  }),
  requests: z.strictObject({ waiting: z.int(), dropped: z.int() }),
  heldBackMs: z
    .int()
    .describe(
      'For how long a transaction that does not end has kept changes from all tills; 0: nothing is kept',
    ),
  feed: z.record(z.string(), z.string()).nullable().describe('Head of each collection, as xid/seq'),
});
export type Health = z.infer<typeof Health>;

export function healthRoutes(health: () => Promise<Health>) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/healthz',
      schema: {
        summary: 'Whether the server is well; 503 when not',
        security: [],
        response: { 200: Health, 503: Health },
      },
      handler: async (_request, reply) => {
        const state = await health();
        return reply.code(state.well ? 200 : 503).send(state);
      },
    });
  };
}
