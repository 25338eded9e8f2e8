import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { Uuid } from '../../sync/contract/ids.ts';
import { LinkAnswer, LinkingView, WithdrawalRequest } from '../linking/linking-view.ts';
import { ErrorBody } from './api-error.ts';
import type { TillPort } from './till-port.ts';

const tags = ['bank cards'];
const errors = { '4xx': ErrorBody, '5xx': ErrorBody };
/** The cashier answers on the display, so its token suffices here. */
const config = { forDisplay: true };

/** Linking a bank card to a customer: the question, its answer, and taking it back. */
export function linkingRoutes({ linking }: Pick<TillPort, 'linking'>): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/linking',
      {
        schema: {
          tags,
          summary: 'The question whether to link a bank card, while it is open',
          response: { ...errors, 200: z.strictObject({ linking: LinkingView.nullable() }) },
        },
      },
      async () => ({ linking: linking.current() }),
    );
    app.post(
      '/linking/:linkId/answer',
      {
        config,
        schema: {
          tags,
          summary: 'Answer it; a yes is answered when its journal entry is on the disk',
          description:
            'The event linking (status asking) brings the question with the text of the consent, which is to be shown or ' +
            'read out whole. Answer with the version and the language of what was shown.',
          params: z.strictObject({ linkId: Uuid }),
          body: LinkAnswer,
          response: { ...errors, 200: LinkingView },
        },
      },
      async ({ params, body }) => linking.answer(params.linkId, body),
    );
    app.post(
      '/linking/withdraw',
      {
        config,
        schema: {
          tags,
          summary: 'Take a link back, with the linked bank card just presented',
          body: WithdrawalRequest,
          response: { ...errors, 200: LinkingView },
        },
      },
      async ({ body }) => linking.withdraw(body),
    );
  };
}
