import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { StammkundeError } from '../../foundation/errors.ts';

/** In the list of WebSocket subprotocols, before a token: a browser cannot send an Authorization header there. */
const TOKEN_PROTOCOL = 'stammkunde.token.';
/** The subprotocol that is spoken. */
export const EVENT_PROTOCOL = 'stammkunde.v1';

/** Whose token was sent: the POS may change things, the display may read and answer what it asks. */
export type Caller = 'pos' | 'display';

export interface Tokens {
  readonly pos: string;
  readonly display: string;
}

/** Where the API listens, and which foreign pages may call it. */
export interface Doors {
  readonly port: number;
  readonly allowedOrigins: readonly string[];
}

/** A request whose addressee and sender have been checked. */
export interface Checked {
  /** The Host header, one of three spellings of this service. */
  readonly host: string;
  /** The allow-listed foreign origin the request comes from, if it does. */
  readonly foreignOrigin: string | undefined;
}

/**
 * Refuses what a web page could make a browser send here. Loopback is reachable from every page in every browser of
 * this machine: the Host header tells a rebound DNS name, Origin and Sec-Fetch-Site tell a foreign page. Everything is
 * compared whole, since each looser check has been tricked.
 * @throws StammkundeError API_FORBIDDEN_HOST · API_FORBIDDEN_ORIGIN
 */
export function checkSender(request: IncomingMessage, doors: Doors): Checked {
  const host = only(request, 'host');
  if (host === undefined || !isOwnHost(host, doors.port))
    throw new StammkundeError('API_FORBIDDEN_HOST', 'the Host header does not name this service');
  const foreignOrigin = checkOrigin(request, host, doors.allowedOrigins);
  const site = only(request, 'sec-fetch-site');
  if (foreignOrigin === undefined && site !== undefined && !isTrustedSite(site, request))
    throw new StammkundeError('API_FORBIDDEN_ORIGIN', 'another site’s page sent this request');
  return { host, foreignOrigin };
}

/**
 * Whose token the request carries.
 * @param forDisplay whether the display's token suffices for a route that changes something
 * @throws StammkundeError API_UNAUTHORISED · API_READ_ONLY
 */
export function checkToken(request: IncomingMessage, tokens: Tokens, forDisplay = false): Caller {
  const token = sentToken(request);
  // Both are always compared, so the time tells nothing of which one came near.
  const isPos = sameText(token ?? '', tokens.pos);
  const isDisplay = sameText(token ?? '', tokens.display);
  if (token === undefined || !(isPos || isDisplay))
    throw new StammkundeError('API_UNAUTHORISED', 'the bearer token is missing or wrong');
  if (isPos) return 'pos';
  if (request.method !== 'GET' && !forDisplay)
    throw new StammkundeError('API_READ_ONLY', 'this token may only read');
  return 'display';
}

function isOwnHost(host: string, port: number): boolean {
  return [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(host);
}

function checkOrigin(
  request: IncomingMessage,
  host: string,
  allowedOrigins: readonly string[],
): string | undefined {
  if (request.headersDistinct['origin'] === undefined) return undefined;
  const origin = only(request, 'origin');
  if (origin === `http://${host}`) return undefined;
  if (origin === undefined || !allowedOrigins.includes(origin))
    throw new StammkundeError('API_FORBIDDEN_ORIGIN', 'the Origin is not allowed');
  return origin;
}

/** `same-site` is another port of this machine: it may lead a person to a page, and nothing else. */
function isTrustedSite(site: string, request: IncomingMessage): boolean {
  if (site === 'same-site')
    return request.headers['sec-fetch-mode'] === 'navigate' && (request.url ?? '').startsWith('/display');
  return site === 'same-origin' || site === 'none';
}

function sentToken(request: IncomingMessage): string | undefined {
  const authorization = only(request, 'authorization');
  if (authorization !== undefined) return /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization)?.[1];
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
  return (request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((protocol) => protocol.trim())
    .find((protocol) => protocol.startsWith(TOKEN_PROTOCOL))
    ?.slice(TOKEN_PROTOCOL.length);
}

/** A header that was sent once; sent twice it counts as absent, for programs differ in which they believe. */
function only(request: IncomingMessage, name: string): string | undefined {
  const values = request.headersDistinct[name];
  return values?.length === 1 ? values[0] : undefined;
}

/** Compares in a time that depends on neither text. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
