// Goal: the POS gets through a whole sale by HTTP, may repeat every call, and is told all that is wrong at once.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ErrorBody } from '../../../edge/api/api-error.ts';
import { IdentificationView, SaleList, StatusView } from '../../../edge/api/api-schemas.ts';
import { ApiConfig } from '../../../edge/api/config.ts';
import { SaleView } from '../../../edge/api/events.ts';
import { LocalApi } from '../../../edge/api/local-api.ts';
import { createLog } from '../../../foundation/log.ts';
import { temporaryFolder } from '../journal/journal-fixture.ts';
import { basketOf, newId } from '../sale/sale-fixture.ts';
import { DISPLAY_TOKEN, POS_TOKEN, call, openApi, refusal } from './api-fixture.ts';
import type { ApiShop, Call } from './api-fixture.ts';

const shopOfTest = (options: Parameters<typeof openApi>[1] = {}): Promise<ApiShop> =>
  openApi((end) => onTestFinished(end), options);
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

async function sale({ api }: ApiShop, request: Call): Promise<SaleView> {
  const answer = await call(api, request);
  expect(answer).toMatchObject({ status: 200 });
  return SaleView.parse(answer.json);
}

describe('a sale by HTTP', () => {
  test('from its opening to its reversal, each call twice with one effect', async () => {
    const shop = await shopOfTest();
    const saleId = newId(shop.clock);
    const twice = async (request: Call): Promise<SaleView> => {
      const first = await sale(shop, request);
      expect(await sale(shop, request)).toEqual(first);
      return first;
    };
    await twice({ method: 'POST', path: '/v1/sales', body: { saleId } });
    const basket = basketOf(1_000, 500);
    await twice({ method: 'PUT', path: `/v1/sales/${saleId}/basket`, body: basket });
    const typed = await call(shop.api, {
      method: 'POST',
      path: '/v1/identifications',
      body: { number: '9001' },
    });
    const { identificationId } = IdentificationView.parse(typed.json);
    expect((await sale(shop, { path: `/v1/sales/${saleId}` })).customer?.identificationId).toBe(
      identificationId,
    );
    expect((await twice({ method: 'DELETE', path: `/v1/sales/${saleId}/customer` })).customer).toBeNull();
    const attached = await twice({
      method: 'PUT',
      path: `/v1/sales/${saleId}/customer`,
      body: { identificationId },
    });
    expect(attached.points.total).toBe(80);
    const open = await call(shop.api, { path: '/v1/sales' });
    expect(SaleList.parse(open.json).sales).toEqual([attached]);
    const completed = await twice({ method: 'POST', path: `/v1/sales/${saleId}/complete` });
    expect(completed).toMatchObject({ status: 'completed', basket, entry: { seq: 1 } });
    expect(shop.journal.lastSeq).toBe(1);
    const voided = await twice({ method: 'POST', path: `/v1/sales/${saleId}/void`, body: {} });
    expect(voided).toMatchObject({ status: 'voided', entry: { seq: 2 } });
    expect(await sale(shop, { path: `/v1/sales/${saleId}` })).toEqual(voided);
    const status = await call(shop.api, { path: '/v1/status', token: DISPLAY_TOKEN });
    expect(StatusView.parse(status.json)).toMatchObject({
      till: 'till-1',
      store: 'store-1',
      sync: { unconfirmed: 2 },
    });
  });

  test('is opened without a body and without an id', async () => {
    const shop = await shopOfTest();
    expect(await sale(shop, { method: 'POST', path: '/v1/sales' })).toMatchObject({ status: 'open' });
  });

  test('takes a basket of 2,000 full lines', async () => {
    const shop = await shopOfTest();
    const { saleId } = await sale(shop, { method: 'POST', path: '/v1/sales' });
    const basket = basketOf(...Array.from({ length: 2_000 }, () => 12_345));
    const full = {
      ...basket,
      lines: basket.lines.map((line) => ({
        ...line,
        article: `article ${'ä'.repeat(56)}`,
        category: 'c'.repeat(64),
      })),
    };
    await sale(shop, { method: 'PUT', path: `/v1/sales/${saleId}/basket`, body: full });
    expect((await sale(shop, { method: 'POST', path: `/v1/sales/${saleId}/complete` })).basket).toEqual(full);
  });

  test.for([
    [
      'another currency for the same id',
      { method: 'POST', path: '/v1/sales', currency: 'CHF' },
      409,
      'SALE_CONFLICT',
    ],
    [
      'a wrong sum',
      { method: 'PUT', path: '/basket', body: { ...basketOf(5), totalMinor: 6 } },
      422,
      'SALE_TOTAL',
    ],
    [
      'an identification nobody made',
      { method: 'PUT', path: '/customer', identification: true },
      404,
      'API_NOT_FOUND',
    ],
  ] as const)('%s is refused with its own code', async ([, request, status, expected]) => {
    const shop = await shopOfTest();
    const { saleId } = await sale(shop, { method: 'POST', path: '/v1/sales' });
    const opening = 'currency' in request;
    const answer = await call(shop.api, {
      method: request.method,
      path: opening ? request.path : `/v1/sales/${saleId}${request.path}`,
      body: opening
        ? { saleId, currency: request.currency }
        : 'body' in request
          ? request.body
          : { identificationId: newId(shop.clock) },
    });
    expect(refusal(answer)).toEqual([status, expected]);
  });

  test('a full disk answers 507, takes nothing, and is over when there is space', async () => {
    const shop = await shopOfTest();
    const { saleId } = await sale(shop, { method: 'POST', path: '/v1/sales' });
    shop.journal.limitSize(0);
    const basket = basketOf(...Array.from({ length: 1_000 }, () => 1));
    const put: Call = { method: 'PUT', path: `/v1/sales/${saleId}/basket`, body: basket };
    expect(refusal(await call(shop.api, put))).toEqual([507, 'DATA_DISK_FULL']);
    expect(await sale(shop, { path: `/v1/sales/${saleId}` })).toMatchObject({
      status: 'open',
      basket: { lines: [] },
    });
    shop.journal.limitSize(1e9);
    expect((await sale(shop, put)).basket).toEqual(basket);
    expect((await sale(shop, { method: 'POST', path: `/v1/sales/${saleId}/complete` })).entry?.seq).toBe(1);
  });
});

describe('a typed number', () => {
  test('of a payment card is refused, and nothing of it comes back or is logged', async () => {
    const lines: string[] = [];
    const shop = await shopOfTest({
      log: createLog({ name: 'till', level: 'debug', write: (line) => lines.push(line) }),
    });
    const answer = await call(shop.api, {
      method: 'POST',
      path: '/v1/identifications',
      body: { number: '4111111111111111' },
    });
    expect(refusal(answer)).toEqual([422, 'PAN_REJECTED']);
    expect(answer.text + lines.join('')).not.toMatch(/4111|1111/);
  });
});

describe('a request that does not fit', () => {
  test('is told every problem with its path', async () => {
    const shop = await shopOfTest();
    const { saleId } = await sale(shop, { method: 'POST', path: '/v1/sales' });
    const answer = await call(shop.api, {
      method: 'PUT',
      path: `/v1/sales/${saleId}/basket`,
      body: {
        currency: 'euro',
        lines: [{ id: '', article: 'a', quantityMilli: 1.5, totalMinor: '1' }],
        totalMinor: 1,
        extra: true,
      },
    });
    expect(refusal(answer)).toEqual([400, 'API_INVALID']);
    const problems = ErrorBody.parse(answer.json).error.problems ?? [];
    const missed = [
      '/currency',
      '/lines/0/id',
      '/lines/0/quantityMilli',
      '/lines/0/totalMinor',
      'extra',
    ].filter((path) => !problems.some((problem) => problem.includes(path)));
    expect(missed).toEqual([]);
  });

  test('an id that is none is refused before anything is looked up', async () => {
    const shop = await shopOfTest();
    expect(refusal(await call(shop.api, { path: '/v1/sales/1' }))).toEqual([400, 'API_INVALID']);
  });

  test('prototype pollution is just an unknown key', async () => {
    const shop = await shopOfTest();
    const answer = await call(shop.api, {
      method: 'POST',
      path: '/v1/sales',
      raw: '{"__proto__":{"saleId":"x"}}',
    });
    expect([200, 400]).toContain(answer.status);
    expect(Object.hasOwn(Object.prototype, 'saleId')).toBe(false);
  });
});

describe('what is described', () => {
  test('OpenAPI 3.1 names every route, its errors, and the events', async () => {
    const shop = await shopOfTest();
    const answer = await call(shop.api, { path: '/openapi.json', token: null });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      openapi: '3.1.0',
      components: {
        schemas: { EventMessage: { type: 'object' } },
        securitySchemes: { token: { scheme: 'bearer' } },
      },
      paths: {
        '/v1/sales': { get: {}, post: {} },
        '/v1/sales/{saleId}': { get: {} },
        '/v1/sales/{saleId}/basket': { put: { requestBody: {} } },
        '/v1/sales/{saleId}/customer': { put: {}, delete: {} },
        '/v1/sales/{saleId}/complete': { post: {} },
        '/v1/sales/{saleId}/void': { post: {} },
        '/v1/identifications': { post: {} },
        '/v1/status': { get: {} },
        '/v1/events': { get: {} },
      },
    });
    for (const mark of ['"hello"', '"identified"', 'SALE_CONFLICT', '4XX'])
      expect(answer.text).toContain(mark);
  });
});

describe('the display', () => {
  test('is served with a strict policy and without a token', async () => {
    const displayFolder = temporaryFolder(onTestFinished);
    mkdirSync(join(displayFolder, 'assets'));
    writeFileSync(join(displayFolder, 'index.html'), '<!doctype html><title>till</title>');
    writeFileSync(join(displayFolder, 'assets', 'page.js'), 'export {};');
    const { api } = await shopOfTest({ displayFolder });
    const page = await call(api, { path: '/display/', token: null });
    expect([page.status, page.headers['content-type']]).toEqual([200, expect.stringContaining('text/html')]);
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; /);
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect(page.headers['x-content-type-options']).toBe('nosniff');
    expect(
      (await call(api, { path: '/display/assets/page.js', token: null })).headers['content-type'],
    ).toContain('javascript');
    for (const path of ['/', '/display']) {
      expect(await call(api, { path, token: null })).toMatchObject({
        status: 302,
        headers: { location: '/display/' },
      });
    }
    expect(refusal(await call(api, { path: '/display/absent.js', token: null }))).toEqual([
      404,
      'API_NOT_FOUND',
    ]);
  });

  test('that is not built is said so', async () => {
    const { api } = await shopOfTest({ displayFolder: temporaryFolder(onTestFinished) });
    const page = await call(api, { path: '/display/', token: null });
    expect([page.status, page.text]).toEqual([503, expect.stringContaining('npm run display')]);
  });
});

describe('opening', () => {
  test('on a taken port says so and leaves nothing behind', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const address = blocker.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(shopOfTest({ port })).rejects.toThrow(code('PORT_IN_USE'));
    blocker.close();
    await once(blocker, 'close');
    expect((await shopOfTest({ port })).api.port).toBe(port);
  });

  test('serves ::1 as well, where there is one', async (context) => {
    const { api } = await shopOfTest({ host: 'loopback' });
    const answer = await fetch(`http://[::1]:${api.port}/v1/status`, {
      headers: { authorization: `Bearer ${POS_TOKEN}` },
    }).catch(() => undefined);
    if (answer === undefined) context.skip('this machine has no ::1');
    expect(answer?.status).toBe(200);
    await answer?.body?.cancel();
  });

  test('with a token others may read, or one token for both, is refused', async () => {
    const folder = temporaryFolder(onTestFinished);
    const { till, clock } = await shopOfTest();
    const files = { tokenFile: join(folder, 'a'), displayTokenFile: join(folder, 'b') };
    for (const file of Object.values(files))
      writeFileSync(file, 'the-same-token-0123456789\n', { mode: 0o640 });
    const config = ApiConfig.parse({ port: 0, ...files });
    const log = createLog({ name: 'till', level: 'silent' });
    await expect(LocalApi.open({ config, till, clock, log })).rejects.toThrow(code('CFG_INVALID'));
    chmodSync(files.tokenFile, 0o644);
    await expect(LocalApi.open({ config, till, clock, log })).rejects.toThrow(code('KEY_EXPOSED'));
  });

  test.for(['0.0.0.0', '192.168.1.5', 'till.example', ''])('the host %j is no choice', (host) => {
    expect(ApiConfig.safeParse({ host, tokenFile: 'a', displayTokenFile: 'b' }).success).toBe(false);
  });

  test.for(['https://pos.example/', '*', 'null', 'pos.example', 'file://x', 'HTTPS://pos.example'])(
    'the origin %j is none',
    (origin) => {
      expect(
        ApiConfig.safeParse({ tokenFile: 'a', displayTokenFile: 'b', allowedOrigins: [origin] }).success,
      ).toBe(false);
    },
  );
});

describe('closing', () => {
  test('does not wait for a client that never ends its request', async () => {
    const { api } = await shopOfTest();
    const slow = connect(api.port, '127.0.0.1');
    slow.on('error', () => {});
    slow.write(
      `POST /v1/sales HTTP/1.1\r\nHost: 127.0.0.1:${api.port}\r\nAuthorization: Bearer ${POS_TOKEN}\r\n`,
    );
    slow.write('Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
    // Its bytes have arrived when a later request is answered.
    await call(api, { path: '/v1/status' });
    const gone = once(slow, 'close');
    await api.close();
    await gone;
    expect(slow.destroyed).toBe(true);
  });

  test('twice is once, and the port is free at once though a client kept its connection', async () => {
    const { api } = await shopOfTest();
    await fetch(`${api.url}/v1/status`, { headers: { authorization: `Bearer ${POS_TOKEN}` } }).then(
      (answer) => answer.text(),
    );
    expect(api.close()).toBe(api.close());
    await api.close();
    expect((await shopOfTest({ port: api.port })).api.port).toBe(api.port);
  });
});
