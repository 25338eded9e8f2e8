import { createHash, timingSafeEqual } from 'node:crypto';
import { fastifySwagger } from '@fastify/swagger';
import { fastify } from 'fastify';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { errorHandler, send } from './errors.ts';

/** A batch of a thousand customers with their cards fits several times. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
/** Reachable without the token: they say nothing about anyone. */
const OPEN_PATHS: readonly string[] = ['/healthz', '/openapi.json'];

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route asks for a ticket of its own in place of the API's token. */
    ownTicket?: true;
  }
}

export interface ApiOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly token: string;
}

/** The routes' view of the server: requests and answers are checked and typed by zod. */
export type ApiInstance = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** The server's HTTP API: JSON only, a bearer token, every answer with a stable code. */
export class Api implements Closable {
  readonly #app: FastifyInstance;
  readonly url: string;
  #closing: Promise<void> | undefined;

  private constructor(app: FastifyInstance, url: string) {
    this.#app = app;
    this.url = url;
  }

  /** @throws StammkundeError PORT_IN_USE */
  static async open(
    options: ApiOptions,
    ports: { readonly log: Log; readonly routes: readonly ((app: ApiInstance) => void)[] },
  ): Promise<Api> {
    const app = fastify({
      bodyLimit: BODY_BYTES_MAX,
      requestTimeout: REQUEST_TIMEOUT_MS,
      forceCloseConnections: 'idle',
      logger: false,
    });
    app.setValidatorCompiler(validatorCompiler);
    app.setSerializerCompiler(serializerCompiler);
    app.setErrorHandler(errorHandler(ports.log));
    app.setNotFoundHandler((_request, reply) => send(reply, 'API_NOT_FOUND', 'there is no such resource'));
    acceptJsonOnly(app);
    requireToken(app, options.token);
    endConnectionsWhenClosing(app);
    await app.register(fastifySwagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Stammkunde server',
          description: 'Customers, cards, offers, and the points ledger',
          version: '1',
        },
        components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
        security: [{ token: [] }],
      },
      transform: jsonSchemaTransform,
    });
    await app.register((scope, _options, done) => {
      scope.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
      const typed = scope.withTypeProvider<ZodTypeProvider>();
      for (const route of ports.routes) route(typed);
      done();
    });
    try {
      return new Api(app, await app.listen({ host: options.host, port: options.port }));
    } catch (error) {
      await app.close();
      if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
        throw new StammkundeError('PORT_IN_USE', `the API cannot listen on ${options.host}:${options.port}`, {
          cause: error,
        });
      }
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#app.close();
    return this.#closing;
  }
}

/** A connection that is answered while we close would stay open for its next request, and closing would wait for it. */
function endConnectionsWhenClosing(app: FastifyInstance): void {
  let isClosing = false;
  app.addHook('preClose', (done) => {
    isClosing = true;
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (isClosing) reply.header('connection', 'close');
    done(null, payload);
  });
}

function acceptJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    const text = body.toString();
    // PostgreSQL stores no NUL in a text, and nobody's name has one.
    if (text.includes('\0') || text.includes('\\u0000')) {
      done(new StammkundeError('API_INVALID', 'a text contains a NUL character'));
      return;
    }
    try {
      done(null, text === '' ? undefined : JSON.parse(text));
    } catch (error) {
      done(new StammkundeError('API_INVALID', 'the body is no JSON', { cause: error }));
    }
  });
}

function requireToken(app: FastifyInstance, token: string): void {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(`Bearer ${token}`);
  app.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.config.ownTicket === true) {
      done();
      return;
    }
    const path = request.url.split('?')[0] ?? '';
    if (OPEN_PATHS.includes(path) || timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) {
      done();
      return;
    }
    void reply.header('www-authenticate', 'Bearer');
    send(reply, 'API_UNAUTHORISED', 'the bearer token is missing or wrong');
  });
}
