import type { FastifyError, FastifyReply } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { asError, isFault } from '../../foundation/errors.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { Log } from '../../foundation/log.ts';
import { scrub } from '../../foundation/scrub.ts';
import { errorBody, statusOf } from './api-error.ts';

/** Problems listed in one answer. */
const PROBLEMS_MAX = 100;

/** Fastify's own errors (https://fastify.dev/docs/latest/Reference/Errors/) in terms of ours. */
const ofFramework: Readonly<Record<string, readonly [code: ErrorCode, message: string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['API_TOO_LARGE', 'the body is larger than 1 MiB'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['API_MEDIA_TYPE', 'the body must be application/json'],
  FST_ERR_NOT_FOUND: ['API_NOT_FOUND', 'there is no such resource'],
};

/** Answers with `{ error: { code, message, problems? } }`. What nobody foresaw is logged and told as API_INTERNAL. */
export async function answerError(thrown: unknown, reply: FastifyReply, log: Log): Promise<void> {
  const error = asError(thrown);
  if (isFault(error)) {
    const status = statusOf(error.code);
    if (status >= 500) log.error({ event: 'api.fault', code: error.code, error });
    await send(reply, error.code, error.message, undefined);
    return;
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const problems = error.validation
      .slice(0, PROBLEMS_MAX)
      .map(({ instancePath, message }) => scrub(`${instancePath}: ${message ?? 'not valid'}`));
    await send(reply, 'API_INVALID', 'the request does not fit the schema', problems);
    return;
  }
  const { code, statusCode } = error as Partial<FastifyError>; // read as optional: any error may come here
  const known = code === undefined ? undefined : ofFramework[code];
  if (known !== undefined) {
    await send(reply, known[0], known[1], undefined);
  } else if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    await send(reply, 'API_INVALID', 'the request is not valid HTTP or JSON', undefined);
  } else {
    log.error({ event: 'api.unforeseen', error });
    await send(reply, 'API_INTERNAL', 'an unexpected fault', undefined);
  }
}

async function send(
  reply: FastifyReply,
  code: ErrorCode,
  message: string,
  problems: readonly string[] | undefined,
): Promise<void> {
  // Every answer of an error has this form, whatever the route declares for its success.
  await reply
    .code(statusOf(code))
    .header('content-type', 'application/json; charset=utf-8')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(errorBody(code, message, problems));
}
