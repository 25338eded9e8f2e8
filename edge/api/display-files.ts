import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** Where the display's build stands, seen from the source and from the built package alike. */
export const DISPLAY_FOLDER: string = fileURLToPath(new URL('../display/dist', import.meta.url));

const NOT_BUILT =
  'The display page is not built. Run "npm run display" in the project’s folder, then reload this page.\n';

/**
 * Serves the cashier's page below /display/. The files hold nothing secret and need no token; the page gets its token
 * from the fragment of its address, which no browser sends to a server.
 */
export async function serveDisplay(app: FastifyInstance, folder: string): Promise<void> {
  app.get('/', { schema: { hide: true } }, (_request, reply) => reply.redirect('/display/'));
  app.get('/display', { schema: { hide: true } }, (_request, reply) => reply.redirect('/display/'));
  if (existsSync(join(folder, 'index.html'))) {
    await app.register(fastifyStatic, {
      root: folder,
      prefix: '/display/',
      cacheControl: false,
      schemaHide: true,
    });
    return;
  }
  app.get('/display/*', { schema: { hide: true } }, (_request, reply) =>
    reply.code(503).type('text/plain; charset=utf-8').send(NOT_BUILT),
  );
}

/** The page may load what stands beside it, talk to this service, and nothing else (Content Security Policy 3). */
export function displayPolicy(host: string, allowedOrigins: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self' ws://${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    // A POS page may show the display in a frame.
    `frame-ancestors 'self' ${allowedOrigins.join(' ')}`.trim(),
  ].join('; ');
}
