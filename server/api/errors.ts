import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import { scrub } from '../../foundation/scrub.ts';
import { asDatabaseFault, databaseCodeOf, UNIQUE_VIOLATION } from '../database/faults.ts';

/** What every refused request is answered with. */
export const ErrorBody = z.strictObject({
  error: z.strictObject({
    code: z.string().describe('Stable; see the table of error codes'),
    message: z.string(),
    problems: z.array(z.string()).optional().describe('Each with its path, for API_INVALID'),
  }),
});

const STATUS: Partial<Record<ErrorCode, number>> = {
  API_UNAUTHORISED: 401,
  API_MEDIA_TYPE: 415,
  API_INVALID: 400,
  API_TOO_LARGE: 413,
  API_NOT_FOUND: 404,
  API_RANGE: 416,
  CUSTOMER_NOT_FOUND: 404,
  CARD_NOT_FOUND: 404,
  CARD_TAKEN: 409,
  DEVICE_NOT_FOUND: 404,
  DEVICE_LIMIT: 409,
  DEVICE_KEY_UNSOUND: 422,
  PROGRAMME_OUTDATED: 409,
  QUARANTINE_SETTLED: 409,
  LEDGER_CONFLICT: 409,
  BURN_BALANCE: 422,
  LATE_OFF: 422,
  LATE_CODE: 422,
  LATE_TAKEN: 409,
  LATE_EXPIRED: 422,
  LATE_OWN_SHIFT: 422,
  SALE_CLOSED: 409,
  LEDGER_CHAIN: 422,
  KEY_TILLS_BEHIND: 409,
  KEY_OUTDATED: 503,
  WIPE_AMBIGUOUS: 409,
  CUSTOMER_ERASED: 409,
  CARD_NUMBER_INVALID: 422,
  PAN_REJECTED: 422,
  DB_UNREACHABLE: 503,
};

/** Fastify's own refusals, by its codes. */
const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'API_MEDIA_TYPE',
  FST_ERR_CTP_BODY_TOO_LARGE: 'API_TOO_LARGE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'API_INVALID',
  FST_ERR_CTP_INVALID_JSON_BODY: 'API_INVALID',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'API_INVALID',
};

/** Answers with a code, and never with what the database or the runtime said. */
export function errorHandler(log: Log) {
  return (thrown: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    if (hasZodFastifySchemaValidationErrors(thrown)) {
      const problems = thrown.validation.map(({ instancePath, message }) =>
        scrub(
          `${instancePath.slice(1).replaceAll('/', '.') || thrown.validationContext || 'body'}: ${message}`.trim(),
        ),
      );
      send(reply, 'API_INVALID', 'the request does not fit the schema', problems);
      return;
    }
    const own = FASTIFY_CODES[thrown.code];
    if (own !== undefined) {
      send(reply, own, 'the request cannot be read');
      return;
    }
    const fault = asDatabaseFault(thrown);
    if (isFault(fault) && STATUS[fault.code] !== undefined) {
      send(reply, fault.code, scrub(fault.message));
      return;
    }
    if (databaseCodeOf(fault) === UNIQUE_VIOLATION) {
      // Two requests at once made the same thing; the second is told as it would have been a moment later.
      send(reply, 'CARD_TAKEN', 'the id or the card was taken at the same time');
      return;
    }
    log.error({
      event: 'api.failed',
      method: request.method,
      route: request.routeOptions.url,
      error: asError(thrown),
    });
    send(reply, 'API_INTERNAL', 'an unexpected fault');
  };
}

export function send(
  reply: FastifyReply,
  code: ErrorCode,
  message: string,
  problems?: readonly string[],
): void {
  void reply
    .code(STATUS[code] ?? 500)
    .type('application/json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send({ error: { code, message, ...(problems === undefined ? {} : { problems }) } });
}
