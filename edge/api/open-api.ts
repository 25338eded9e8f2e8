import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { errorCodes } from '../../foundation/error-codes.ts';
import { EventMessage } from './events.ts';

/** Registers the description of all routes that follow: OpenAPI 3.1 from the very schemas that check the requests. */
export async function describeRoutes(app: FastifyInstance): Promise<void> {
  // A schema of zod is a JSON Schema of OpenAPI 3.1's dialect; only its own address has no place inside a document.
  const { $schema: _dialect, ...eventMessage } = z.toJSONSchema(EventMessage, {
    target: 'draft-2020-12',
    io: 'output',
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Stammkunde till',
        version: '1',
        description: [
          'The local API of a till, served to this machine only. Amounts are integers in minor units.',
          'Every call may be repeated. Errors are { error: { code, message, problems? } } with these codes:',
          ...Object.entries(errorCodes)
            .filter(([code]) => /^(API|READER|CLAIM|SALE|PAN|REC|JRN_FULL|DATA_DISK)/.test(code))
            .map(([code, [cause]]) => `- ${code}: ${cause}`),
        ].join('\n'),
      },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
        // The two libraries describe the same JSON with types of their own.
        schemas: { EventMessage: eventMessage as Record<string, unknown> },
      },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  });
}
