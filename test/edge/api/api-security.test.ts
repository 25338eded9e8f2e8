// Goal: only the programs that hold a token, on this machine, get through, whatever a web page makes a browser send
// (privacy and security requirement R48). Method: real sockets, headers no client library would send.
import { connect } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  DISPLAY_TOKEN,
  EventClient,
  POS_ORIGIN,
  POS_TOKEN,
  call,
  handshake,
  openApi,
  refusal,
} from './api-fixture.ts';
import type { ApiShop, Call } from './api-fixture.ts';

let shop: ApiShop;
const ends: (() => Promise<void> | void)[] = [];
beforeAll(async () => {
  shop = await openApi((end) => void ends.unshift(end));
});
afterAll(async () => {
  for (const end of ends) await end();
});

const status = '/v1/status';

describe('refused', () => {
  const port = (): number => shop.api.port;
  const cases: readonly (readonly [title: string, call: () => Call, status: number, code: string])[] = [
    [
      'no token on an address written otherwise',
      () => ({ path: '/v%31/status', token: null }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'no token on an address wholly encoded',
      () => ({ path: '/%76%31/status', token: null }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'no token on an encoded sale',
      () => ({ method: 'POST', path: '/v%31/sales', token: null, body: {} }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'the display’s token on an encoded sale',
      () => ({ method: 'POST', path: '/v%31/sales', token: DISPLAY_TOKEN, body: {} }),
      403,
      'API_READ_ONLY',
    ],
    ['no token', () => ({ path: status, token: null }), 401, 'API_UNAUTHORISED'],
    ['a wrong token', () => ({ path: status, token: 'wrong-token-0123456789' }), 401, 'API_UNAUTHORISED'],
    [
      'a token that is only the beginning',
      () => ({ path: status, token: POS_TOKEN.slice(0, -1) }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'a token with more behind it',
      () => ({ path: status, token: `${POS_TOKEN}x` }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'an empty token',
      () => ({ path: status, token: null, headers: { authorization: 'Bearer ' } }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'basic authentication',
      () => ({ path: status, token: null, headers: { authorization: `Basic ${POS_TOKEN}` } }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'a token in the address',
      () => ({ path: `${status}?token=${POS_TOKEN}`, token: null }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'a token as subprotocol outside a WebSocket',
      () => ({
        path: status,
        token: null,
        headers: { 'sec-websocket-protocol': `stammkunde.token.${POS_TOKEN}` },
      }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'an absent resource without a token',
      () => ({ path: '/v1/absent', token: null }),
      401,
      'API_UNAUTHORISED',
    ],
    [
      'a change with the display’s token',
      () => ({ method: 'POST', path: '/v1/sales', body: {}, token: DISPLAY_TOKEN }),
      403,
      'API_READ_ONLY',
    ],
    [
      'a typed number with the display’s token',
      () => ({ method: 'POST', path: '/v1/identifications', body: { number: '1' }, token: DISPLAY_TOKEN }),
      403,
      'API_READ_ONLY',
    ],
    [
      'a rebound host name',
      () => ({ path: status, headers: { host: `evil.example:${port()}` } }),
      403,
      'API_FORBIDDEN_HOST',
    ],
    [
      'a host with our name in front',
      () => ({ path: status, headers: { host: `127.0.0.1.evil.example:${port()}` } }),
      403,
      'API_FORBIDDEN_HOST',
    ],
    [
      'a host with our name behind',
      () => ({ path: status, headers: { host: `evil.localhost:${port()}` } }),
      403,
      'API_FORBIDDEN_HOST',
    ],
    [
      'a host with another port',
      () => ({ path: status, headers: { host: '127.0.0.1:1' } }),
      403,
      'API_FORBIDDEN_HOST',
    ],
    [
      'a host without a port',
      () => ({ path: status, headers: { host: 'localhost' } }),
      403,
      'API_FORBIDDEN_HOST',
    ],
    [
      'another spelling of loopback',
      () => ({ path: status, headers: { host: `2130706433:${port()}` } }),
      403,
      'API_FORBIDDEN_HOST',
    ],
    [
      'the unspecified address',
      () => ({ path: status, headers: { host: `0.0.0.0:${port()}` } }),
      403,
      'API_FORBIDDEN_HOST',
    ],
    [
      'a foreign origin',
      () => ({ path: status, headers: { origin: 'https://evil.example' } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    ['the origin null', () => ({ path: status, headers: { origin: 'null' } }), 403, 'API_FORBIDDEN_ORIGIN'],
    ['an empty origin', () => ({ path: status, headers: { origin: '' } }), 403, 'API_FORBIDDEN_ORIGIN'],
    [
      'an allowed origin with a suffix',
      () => ({ path: status, headers: { origin: `${POS_ORIGIN}.evil.example` } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'an allowed origin with another port',
      () => ({ path: status, headers: { origin: 'https://pos.example' } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'an allowed origin by plain HTTP',
      () => ({ path: status, headers: { origin: 'http://pos.example:8443' } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'our own address as user name',
      () => ({ path: status, headers: { origin: `http://127.0.0.1:${port()}@evil.example` } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'our own host on another port',
      () => ({ path: status, headers: { origin: 'http://127.0.0.1:1' } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'our own host by HTTPS',
      () => ({ path: status, headers: { origin: `https://127.0.0.1:${port()}` } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'a request of another site’s page',
      () => ({ path: status, headers: { 'sec-fetch-site': 'cross-site' } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'a request of another local page',
      () => ({ path: status, headers: { 'sec-fetch-site': 'same-site' } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'a foreign origin on the page itself',
      () => ({ path: '/display/', headers: { origin: 'https://evil.example' } }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'a preflight of a foreign origin',
      () => ({
        method: 'OPTIONS',
        path: '/v1/sales',
        token: null,
        headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
      }),
      403,
      'API_FORBIDDEN_ORIGIN',
    ],
    [
      'a form’s text body',
      () => ({ method: 'POST', path: '/v1/sales', raw: '{}', headers: { 'content-type': 'text/plain' } }),
      415,
      'API_MEDIA_TYPE',
    ],
    [
      'a form’s fields',
      () => ({
        method: 'POST',
        path: '/v1/sales',
        raw: 'a=b',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
      415,
      'API_MEDIA_TYPE',
    ],
    [
      'JSON in another encoding',
      () => ({
        method: 'POST',
        path: '/v1/sales',
        raw: '{}',
        headers: { 'content-type': 'application/json; charset=utf-16' },
      }),
      415,
      'API_MEDIA_TYPE',
    ],
    [
      'JSON by a similar name',
      () => ({
        method: 'POST',
        path: '/v1/sales',
        raw: '{}',
        headers: { 'content-type': 'application/json-seq' },
      }),
      415,
      'API_MEDIA_TYPE',
    ],
    [
      'a body that is no JSON',
      () => ({ method: 'POST', path: '/v1/sales', raw: '{"saleId":' }),
      400,
      'API_INVALID',
    ],
    [
      'a body that is no UTF-8',
      () => ({
        method: 'POST',
        path: '/v1/identifications',
        raw: Buffer.from('{"number":"9\xff"}', 'latin1'),
      }),
      400,
      'API_INVALID',
    ],
    [
      'a body of more than a mebibyte',
      () => ({ method: 'POST', path: '/v1/identifications', raw: Buffer.alloc(1024 * 1024 + 1, 0x20) }),
      413,
      'API_TOO_LARGE',
    ],
    [
      'a path out of the display’s folder',
      () => ({ path: '/display/..%2f..%2fapi/gate.ts' }),
      404,
      'API_NOT_FOUND',
    ],
    ['an absent resource', () => ({ path: '/v1/absent' }), 404, 'API_NOT_FOUND'],
    ['an address that is none', () => ({ path: '/v1/sales/%ff' }), 400, 'API_INVALID'],
  ];

  test.for(cases)('%s', async ([, make, expectedStatus, expectedCode]) => {
    const answer = await call(shop.api, make());
    expect(refusal(answer)).toEqual([expectedStatus, expectedCode]);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('two Host headers, which two programs might read differently', async () => {
    const socket = connect(shop.api.port, '127.0.0.1');
    socket.end(
      `GET ${status} HTTP/1.1\r\nHost: 127.0.0.1:${shop.api.port}\r\nHost: evil.example\r\nAuthorization: Bearer ${POS_TOKEN}\r\nConnection: close\r\n\r\n`,
    );
    const [chunk] = (await once(socket, 'data')) as [Buffer]; // what 'data' carries
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 40[03]/);
  });

  test('bytes that are no HTTP are told so, and the service lives on', async () => {
    const socket = connect(shop.api.port, '127.0.0.1');
    socket.end(Buffer.from([0x16, 0x03, 0x01, 0x00, 0xff, 0x0d, 0x0a, 0x0d, 0x0a]));
    const [chunk] = (await once(socket, 'data')) as [Buffer]; // what 'data' carries
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 400[^]*API_INVALID/);
    expect((await call(shop.api, { path: status })).status).toBe(200);
  });

  test('what is refused is not repeated in the answer', async () => {
    const number = '5555555555554444';
    const answers = await Promise.all([
      call(shop.api, { path: `/v1/${number}` }),
      call(shop.api, { path: `/v1/sales/${number}` }),
      call(shop.api, { method: 'POST', path: '/v1/sales', body: { [number]: 1, saleId: number } }),
      call(shop.api, { method: 'POST', path: '/v1/sales', raw: number + '}' }),
    ]);
    expect(answers.map(({ status: each }) => each)).toEqual([404, 400, 400, 400]);
    for (const { text } of answers) expect(text).not.toContain(number);
  });
});

describe('a WebSocket is refused', () => {
  const bearer = { authorization: `Bearer ${POS_TOKEN}` };
  test.for([
    ['without a token', {}, [], 401],
    ['with a wrong token', { authorization: 'Bearer wrong-token-0123456789' }, [], 401],
    [
      'with a wrong token as subprotocol',
      {},
      ['stammkunde.v1', 'stammkunde.token.wrong-token-0123456789'],
      401,
    ],
    ['with a subprotocol and no token', {}, ['stammkunde.v1'], 401],
    ['from a foreign page that knows the token', { ...bearer, origin: 'https://evil.example' }, [], 403],
    ['from a sandboxed page', { ...bearer, origin: 'null' }, [], 403],
    ['by another host name', { ...bearer, host: 'evil.example' }, [], 403],
  ] as const)('%s', async ([, headers, protocols, expected]) => {
    expect(await handshake(shop.api, { headers: { ...headers }, protocols: [...protocols] })).toBe(expected);
  });

  test.for(['/v%31/events', '/%76%31/%65vents'])(
    'without a token at an address written as %s',
    async (path) => {
      expect(await handshake(shop.api, { headers: {}, path })).toBe(401);
    },
  );

  test('where there is none', async () => {
    expect(await handshake(shop.api, { headers: bearer, path: '/v1/absent' })).toBe(404);
  });
});

describe('allowed', () => {
  test.for(['127.0.0.1', 'localhost', '[::1]'])('the host %s with its port', async (name) => {
    const answer = await call(shop.api, { path: status, headers: { host: `${name}:${shop.api.port}` } });
    expect(answer.status).toBe(200);
  });

  test('our own page, with either token', async () => {
    const headers = { origin: `http://127.0.0.1:${shop.api.port}`, 'sec-fetch-site': 'same-origin' };
    expect((await call(shop.api, { path: status, headers, token: DISPLAY_TOKEN })).status).toBe(200);
    expect((await call(shop.api, { path: status, headers })).status).toBe(200);
  });

  test('a POS page of the list, its preflight included', async () => {
    const headers = { origin: POS_ORIGIN, 'sec-fetch-site': 'cross-site' };
    const preflight = await call(shop.api, {
      method: 'OPTIONS',
      path: '/v1/sales',
      token: null,
      headers: {
        ...headers,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    });
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, POS_ORIGIN]);
    const answer = await call(shop.api, { method: 'POST', path: '/v1/sales', body: {}, headers });
    expect([answer.status, answer.headers['access-control-allow-origin'], answer.headers['vary']]).toEqual([
      200,
      POS_ORIGIN,
      'origin',
    ]);
    expect(await call(shop.api, { path: status, token: null, headers })).toMatchObject({ status: 401 });
  });

  test('a browser’s WebSocket, its token among the subprotocols and not in the answer', async () => {
    const client = new EventClient(shop.api, {
      headers: { origin: `http://127.0.0.1:${shop.api.port}` },
      protocols: ['stammkunde.v1', `stammkunde.token.${DISPLAY_TOKEN}`],
    });
    onTestFinished(() => client.socket.terminate());
    await client.received(1);
    expect(client.socket.protocol).toBe('stammkunde.v1');
  });
});
