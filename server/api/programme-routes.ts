import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import { OfferDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../database/database.ts';
import { putOffer, putProgramme, withdrawOffer } from '../programme/programme-store.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';

const OfferId = z.strictObject({ id: OfferDocument.shape.id });

/** The programme's rules and its offers. */
export function programmeRoutes(database: Database, changes: Changes, clock: Clock) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'PUT',
      url: '/v1/programme',
      schema: {
        summary: 'Put a new version of the rules in force',
        body: ProgrammeDocument,
        response: { 200: ProgrammeDocument, default: ErrorBody },
      },
      handler: async (request) => {
        const verdict = await database.transaction((tx) => putProgramme(tx, request.body, clock.now()));
        if (verdict === 'outdated') {
          throw new StammkundeError('PROGRAMME_OUTDATED', 'this version or a later one stands already');
        }
        if (verdict === 'created') changes.changed();
        return request.body;
      },
    });

    app.route({
      method: 'PUT',
      url: '/v1/offers/:id',
      schema: {
        summary: 'Create or replace an offer',
        params: OfferId,
        body: OfferDocument,
        response: { 200: OfferDocument, default: ErrorBody },
      },
      handler: async (request) => {
        if (request.body.id !== request.params.id) {
          throw new StammkundeError('API_INVALID', 'the offer’s id is not the one in the address');
        }
        if (await database.transaction((tx) => putOffer(tx, request.body, clock.now()))) changes.changed();
        return request.body;
      },
    });

    app.route({
      method: 'DELETE',
      url: '/v1/offers/:id',
      schema: {
        summary: 'Withdraw an offer; tills forget it',
        params: OfferId,
        response: { 204: z.undefined(), default: ErrorBody },
      },
      handler: async (request, reply) => {
        const { id } = request.params;
        if (!(await database.transaction((tx) => withdrawOffer(tx, id, clock.now())))) {
          throw new StammkundeError('API_NOT_FOUND', `there is no offer ${id}`);
        }
        changes.changed();
        return reply.code(204).send();
      },
    });
  };
}
