import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import websocket from '@fastify/websocket';
import { fastify } from 'fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError, asError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { readTokenFile } from '../../foundation/secret-file.ts';
import type { Frozen } from '../../foundation/yaml-config.ts';
import { errorBody } from './api-error.ts';
import type { ApiConfig } from './config.ts';
import { DISPLAY_FOLDER, displayPolicy, serveDisplay } from './display-files.ts';
import { answerError } from './error-answer.ts';
import { EventStream, defaultStreamLimits } from './event-stream.ts';
import type { StreamLimits } from './event-stream.ts';
import { EVENT_PROTOCOL, checkSender, checkToken } from './gate.ts';
import type { Tokens } from './gate.ts';
import { parseBody } from './json-body.ts';
import { readerRoutes } from './reader-routes.ts';
import { linkingRoutes } from './linking-routes.ts';
import { describeRoutes } from './open-api.ts';
import { saleRoutes } from './sale-routes.ts';
import { tillRoutes } from './till-routes.ts';
import type { TillPort } from './till-port.ts';

/** A basket of 2,000 lines fits; RFC 9110 leaves the limit to the server. */
const BODY_MAX_BYTES = 1024 * 1024;
/** A request must have arrived whole by then, ms. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Longest message a WebSocket client may send, bytes; nothing is done with it. */
const CLIENT_MESSAGE_MAX_BYTES = 1_024;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The token of the display suffices, though the route changes something. */
    forDisplay?: boolean;
  }
}

export interface LocalApiOptions {
  readonly config: Frozen<ApiConfig>;
  readonly till: TillPort;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the built display stands. */
  readonly displayFolder?: string;
  readonly streamLimits?: StreamLimits;
}

/**
 * What the POS and the display speak with, on this machine alone.
 *
 * ```
 *   request ─▶ Host, Origin, Sec-Fetch-Site ─▶ token ─▶ JSON ─▶ schema ─▶ till
 *                  (every address)            (/v1)
 * ```
 */
export class LocalApi implements Closable {
  /** The port that was taken. */
  readonly port: number;
  /** For people and for the display's address, without a slash at the end. */
  readonly url: string;
  readonly #opened: Opened;

  private constructor(port: number, host: string, opened: Opened) {
    this.port = port;
    this.url = `http://${host}:${port}`;
    this.#opened = opened;
  }

  /** @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED · CFG_INVALID (one token for both) · PORT_IN_USE */
  static async open(options: LocalApiOptions): Promise<LocalApi> {
    const { config, till, clock, log } = options;
    const tokens = readTokens(config);
    const opened = new Opened();
    try {
      const doors = { port: config.port, allowedOrigins: config.allowedOrigins };
      const app = newApp(log);
      opened.defer(() => app.close());
      const stream = new EventStream(till, clock, log, options.streamLimits ?? defaultStreamLimits);
      opened.defer(() => stream.close());
      await app.register(websocket, {
        options: {
          maxPayload: CLIENT_MESSAGE_MAX_BYTES,
          handleProtocols: (offered: Set<string>) => (offered.has(EVENT_PROTOCOL) ? EVENT_PROTOCOL : false),
        },
      });
      await describeRoutes(app);
      guard(app, doors, tokens);
      await app.register(readerRoutes(till, stream), { prefix: '/v1' });
      await app.register(saleRoutes(till), { prefix: '/v1' });
      await app.register(linkingRoutes(till), { prefix: '/v1' });
      await app.register(
        tillRoutes(till, stream, (request) => checkToken(request, tokens)),
        { prefix: '/v1' },
      );
      app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
      await serveDisplay(app, options.displayFolder ?? DISPLAY_FOLDER);

      const host = config.host === '::1' ? '::1' : '127.0.0.1';
      doors.port = await listen(app, host, config.port);
      if (config.host === 'loopback') {
        const second = await listenToIpv6(app, doors.port, config.port === 0);
        if (second !== undefined) opened.defer(() => closeServer(second));
      }
      log.info({ event: 'api.open', port: doors.port });
      return new LocalApi(doors.port, host === '::1' ? '[::1]' : host, opened);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

function readTokens(config: Frozen<ApiConfig>): Tokens {
  const tokens = { pos: readTokenFile(config.tokenFile), display: readTokenFile(config.displayTokenFile) };
  if (tokens.pos === tokens.display)
    throw new StammkundeError('CFG_INVALID', 'api.tokenFile and api.displayTokenFile hold the same token');
  return tokens;
}

function newApp(log: Log): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    clientErrorHandler: (_error, socket) => refuseRaw(socket),
    frameworkErrors: (error, _request, reply) => {
      // Fastify does not wait here: an answer that cannot be sent any more is only logged.
      answerError(error, reply, log).catch((failure: unknown) =>
        log.warn({ event: 'api.answer-failed', error: asError(failure) }),
      );
    },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    /^application\/json(?:\s*;\s*charset="?utf-8"?)?\s*$/i,
    { parseAs: 'buffer' },
    // Parsed as a buffer, that is what comes.
    async (_request: unknown, body: string | Buffer) => parseBody(Buffer.from(body)),
  );
  app.setErrorHandler((error, _request, reply) => answerError(error, reply, log));
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(errorBody('API_NOT_FOUND', 'there is no such resource')),
  );
  return app;
}

/** The checks before every route, and the headers on every answer. */
function guard(
  app: FastifyInstance,
  doors: { readonly port: number; readonly allowedOrigins: readonly string[] },
  tokens: Tokens,
): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    reply.header('referrer-policy', 'no-referrer');
    const { host, foreignOrigin } = checkSender(request.raw, doors);
    if (foreignOrigin !== undefined) {
      // CORS (https://fetch.spec.whatwg.org/#http-cors-protocol) for the origins of the configuration alone.
      reply.header('access-control-allow-origin', foreignOrigin);
      reply.header('vary', 'origin');
      if (request.method === 'OPTIONS') {
        reply.header('access-control-allow-methods', 'GET, POST, PUT, DELETE');
        reply.header('access-control-allow-headers', 'authorization, content-type');
        reply.header('access-control-allow-private-network', 'true');
        reply.header('access-control-max-age', '600');
        await reply.code(204).send();
        return reply;
      }
    }
    if (isPublic(request)) {
      reply.header('cache-control', 'no-cache');
      reply.header('content-security-policy', displayPolicy(host, doors.allowedOrigins));
    } else {
      reply.header('cache-control', 'no-store');
      checkToken(request.raw, tokens, request.routeOptions.config.forDisplay === true);
    }
    return undefined;
  });
}

/**
 * Whether a request needs no token: the route it was led to decides, never the text of its address, which may be written
 * in many ways (`/v%31/status`). What leads nowhere is told so, but not below the API.
 */
function isPublic({ routeOptions, url }: FastifyRequest): boolean {
  const route = routeOptions.url;
  if (route === undefined) return !/^\/v1(?:[/?]|$)/.test(url);
  return route === '/' || route === '/openapi.json' || route === '/display' || route.startsWith('/display/');
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw listenFault(error, host, port);
  }
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/** `localhost` may mean ::1 first: who listens there would be sent the token. undefined where there is no IPv6. */
async function listenToIpv6(
  app: FastifyInstance,
  port: number,
  anyPort: boolean,
): Promise<Server | undefined> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) =>
    app.routing(request, response),
  );
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    app.server.emit('upgrade', request, socket, head),
  );
  server.on('clientError', (_error, socket) => refuseRaw(socket));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '::1', port, ipv6Only: true }, resolve);
    });
    return server;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return undefined;
    // A port chosen by the system is free on 127.0.0.1 only by luck on ::1 as well, and nobody knows it by heart.
    if (code === 'EADDRINUSE' && anyPort) return undefined;
    throw listenFault(error, '::1', port);
  }
}

function listenFault(error: unknown, host: string, port: number): Error {
  if (codeOf(error) !== 'EADDRINUSE') return asError(error);
  return new StammkundeError('PORT_IN_USE', `something listens on ${host} port ${port}`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** For bytes that are no HTTP request. */
function refuseRaw(socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(errorBody('API_INVALID', 'the request is not valid HTTP'));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
