// The whole server as it is started: embedded database and broker, HTTP API, and what a till's MQTT client meets.
import { createPublicKey } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { gs1CheckDigit } from '../../foundation/check-digit.ts';
import { SystemClock } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { writeSecretFile } from '../../foundation/secret-file.ts';
import { Server } from '../../server/server.ts';
import { CustomerView } from '../../server/customers/customer.ts';
import { loadKeys, publicKeyFileOf, tillToken } from '../../server/keys.ts';
import type { Bus } from '../../sync/bus.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { isBehind } from '../../sync/contract/feed.ts';
import type { FeedHead } from '../../sync/contract/feed.ts';
import type { FeedUrgent, Question, Receipt, Response } from '../../sync/contract/messages.ts';
import { verifyStatement } from '../../sync/contract/server-signature.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import { encode } from '../../sync/contract/wire.ts';
import { MqttConfig } from '../../sync/mqtt/config.ts';
import { MqttBus } from '../../sync/mqtt/mqtt-bus.ts';
import { programme } from './programme.ts';
import { ServerFolder } from './server-folder.ts';
import { TestTill } from './test-till.ts';

const clock = new SystemClock();
const random = new SystemRandom();
const ports = { clock, random, log: silentLog };
const topics = topicsOf('kaufhaus');
const folder = new ServerFolder();
const keys = loadKeys(folder.config.keys);
const publicKey = createPublicKey(readFileSync(publicKeyFileOf(folder.config.keys)));
const indexer = new BlindIndexer(keys.identifierKey, 'kaufhaus');
const till = new TestTill('till-1');
let server: Server;
let bus: Bus;

const receipts: Receipt[] = [];
const heads: FeedHead[] = [];
const urgent: FeedUrgent[] = [];
const responses: Response[] = [];
let onMessage: () => void = () => {};

beforeAll(async () => {
  server = await Server.open(folder.config, ports);
  const passwordFile = join(folder.path, 'till-token');
  writeSecretFile(passwordFile, tillToken(keys.secret, 'kaufhaus', 'till-1'), 'owner');
  const listen = (take: (payload: Uint8Array) => void) => ({
    onMessage: (_topic: string, payload: Uint8Array) => {
      take(payload);
      onMessage();
    },
  });
  const expected = { till: 'till-1', publicKey, now: 0 };
  bus = await MqttBus.open(MqttConfig.parse({ url: server.brokerUrl, username: 'till-1', passwordFile }), {
    ...ports,
    subscriptions: [
      {
        filter: topics.receipt('till-1'),
        ...listen((payload) =>
          receipts.push(verifyStatement(payload, { ...expected, kind: 'receipt' }).body),
        ),
      },
      {
        filter: topics.response('till-1'),
        ...listen((payload) =>
          responses.push(verifyStatement(payload, { ...expected, kind: 'response' }).body),
        ),
      },
      {
        filter: topics.feedHead,
        ...listen((payload) => heads.push(verifyStatement(payload, { ...expected, kind: 'head' }).body)),
      },
      {
        filter: topics.feedUrgent,
        ...listen((payload) => urgent.push(verifyStatement(payload, { ...expected, kind: 'urgent' }).body)),
      },
    ],
  });
  if (!bus.connected) await new Promise<void>((resolve) => void bus.onConnection(() => resolve()));
});

afterAll(async () => {
  await bus?.close();
  await server?.close();
  folder[Symbol.dispose]();
});

/** Resolves once a message has come that makes `found` say something. */
async function hear<T>(found: () => T | undefined): Promise<T> {
  for (;;) {
    const value = found();
    if (value !== undefined) return value;
    await new Promise<void>((resolve) => (onMessage = resolve));
  }
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(new URL(path, server.apiUrl), {
    method,
    headers: {
      authorization: `Bearer ${folder.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

const Failure = z.object({ error: z.object({ code: z.string(), problems: z.array(z.string()).optional() }) });

let serial = 0;
function houseNumber(): string {
  const digits = `29${String((serial += 1)).padStart(10, '0')}`;
  return digits + gs1CheckDigit(digits);
}

async function makeCustomer(number: string, more: object = {}): Promise<CustomerView> {
  const { status, body } = await call('POST', '/v1/customers', {
    tier: 'basic',
    cards: [{ scheme: 'house-card', number }],
    ...more,
  });
  expect(status).toBe(201);
  return CustomerView.parse(body);
}

test('a sale over MQTT is in the ledger, and its receipt comes back', async () => {
  expect(await call('PUT', '/v1/programme', programme)).toMatchObject({ status: 200 });
  const number = houseNumber();
  const customer = await makeCustomer(number);
  const entry = till.sell(indexer.index('card', number), 2_500);
  await bus.publish(topics.journal('till-1'), encode(till.batch()), { qos: 1 });
  const receipt = await hear(() => receipts.find(({ contiguous }) => contiguous === entry.seq));
  expect(receipt).toMatchObject({ hash: entry.hash, verdicts: [{ verdict: 'created' }] });
  expect(await call('GET', `/v1/customers/${customer.id}/ledger`)).toMatchObject({
    status: 200,
    body: { balance: 25, lines: [{ kind: 'sale', points: 25, till: 'till-1', transactionId: entry.id }] },
  });
  expect(await call('GET', `/v1/customers/${customer.id}`)).toMatchObject({ body: { points: 25 } });
  expect(await call('GET', '/v1/ledger/trial-balance')).toMatchObject({
    body: { balanced: true, debits: 25, credits: 25 },
  });
  expect(await call('GET', '/v1/journal/till-1')).toMatchObject({
    body: { journals: [{ entries: 1, created: 1, contiguous: 1, quarantined: 0 }] },
  });
});

test('what changes moves the heads of its collections, and tills are told', async () => {
  const before = await hear(() => heads.at(-1)?.heads);
  await makeCustomer(houseNumber());
  await hear(() => heads.find(({ heads: { credentials } }) => isBehind(before.credentials, credentials)));
  expect(isBehind(before.customers, heads.at(-1)?.heads.customers ?? before.customers)).toBe(true);
});

test('a blocked card is told to all tills at once', async () => {
  const number = houseNumber();
  const { cards } = await makeCustomer(number);
  const blocked = await call('POST', `/v1/cards/${cards[0]?.id}/block`);
  expect(blocked).toMatchObject({ status: 200, body: { status: 'blocked' } });
  const index = indexer.index('card', number);
  const told = await hear(() => urgent.find(({ credentials }) => credentials[0]?.index === index));
  expect(told.credentials).toMatchObject([{ status: 'blocked' }]);
});

test('a withdrawn consent takes the greeting away, here and at all tills at once', async () => {
  const { id } = await makeCustomer(houseNumber(), { purposes: ['greeting', 'profiling'], greeting: 'Anna' });
  const patched = await call('PATCH', `/v1/customers/${id}`, { purposes: ['profiling'] });
  expect(patched).toMatchObject({ status: 200, body: { greeting: null, purposes: ['profiling'] } });
  const told = await hear(() => urgent.find(({ customers }) => customers[0]?.id === id));
  expect(told.customers).toMatchObject([{ greeting: null, purposes: ['profiling'] }]);
});

test('no answer repeats the digits of a card number it was sent', async () => {
  const number = '4111111111111111';
  const answers = [
    await call('POST', '/v1/customers', { tier: 'basic', [number]: 1 }),
    await call('POST', '/v1/customers', { tier: number }),
    await call('POST', '/v1/customers', { tier: 'basic', cards: [{ scheme: number, number }] }),
    await call('POST', '/v1/customers', `{"tier": ${number}`),
    await call('GET', `/v1/customers/${number}`),
    await call('GET', `/v1/${number}`),
    await call('PUT', `/v1/offers/${number}`, {}),
  ];
  for (const answer of answers) {
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(JSON.stringify(answer.body)).not.toContain(number);
  }
});

test('the folder of the embedded database is open to its owner alone', () => {
  expect(statSync(join(folder.path, 'data')).mode & 0o077).toBe(0);
});

test('making the same customer again makes no second one', async () => {
  const customer = { id: till.id(), tier: 'basic', cards: [{ scheme: 'house-card', number: houseNumber() }] };
  expect(await call('POST', '/v1/customers', customer)).toMatchObject({ status: 201 });
  expect(await call('POST', '/v1/customers', customer)).toMatchObject({
    status: 200,
    body: { id: customer.id },
  });
});

test('a thousand customers with their cards are one call, each told apart', async () => {
  const good = Array.from({ length: 998 }, () => ({
    id: till.id(),
    tier: 'basic',
    profile: { givenName: 'Anna', familyName: 'Müller', birthDate: '1990-02-28', email: 'anna@example.com' },
    cards: [{ scheme: 'house-card', number: houseNumber() }],
  }));
  const customers = [
    ...good,
    { tier: 'basic', cards: [{ scheme: 'house-card', number: '2900000000000' }] },
    { tier: 'basic', cards: [{ scheme: 'house-card', number: '4111 1111 1111 1111' }] },
  ];
  const { status, body } = await call('POST', '/v1/customers/batch', { customers });
  const { results } = z
    .object({ results: z.array(z.object({ verdict: z.string(), code: z.string().optional() })) })
    .parse(body);
  expect(status).toBe(200);
  expect(results.slice(0, 998).every(({ verdict }) => verdict === 'created')).toBe(true);
  expect(results.slice(998).map(({ code }) => code)).toEqual(['CARD_NUMBER_INVALID', 'PAN_REJECTED']);
  const view = await call('GET', `/v1/customers/${good[0]?.id}`);
  expect(view).toMatchObject({
    body: { profile: { givenName: 'Anna', birthDate: '1990-02-28', phone: null } },
  });
});

test('no plain card number rests anywhere in the database folder', async () => {
  const number = houseNumber();
  await makeCustomer(number);
  const base = join(folder.path, 'data');
  const files = readdirSync(base, { recursive: true, encoding: 'utf8' })
    .map((name) => join(base, name))
    .filter((path) => statSync(path).isFile());
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((path) => readFileSync(path).includes(number))).toEqual([]);
});

test.each<[string, string, string, unknown, Record<string, string>, number, string]>([
  ['without a token', 'GET', '/v1/tills', undefined, { authorization: '' }, 401, 'API_UNAUTHORISED'],
  [
    'with another token',
    'GET',
    '/v1/tills',
    undefined,
    { authorization: 'Bearer x' },
    401,
    'API_UNAUTHORISED',
  ],
  ['to nowhere', 'GET', '/v1/nowhere', undefined, {}, 404, 'API_NOT_FOUND'],
  ['that is no JSON', 'POST', '/v1/customers', '{', {}, 400, 'API_INVALID'],
  ['in plain text', 'POST', '/v1/customers', '{}', { 'content-type': 'text/plain' }, 415, 'API_MEDIA_TYPE'],
  ['with an unknown field', 'POST', '/v1/customers', { tier: 'basic', tear: 1 }, {}, 400, 'API_INVALID'],
  ['with a NUL in a name', 'POST', '/v1/customers', { tier: 'a\0' }, {}, 400, 'API_INVALID'],
  [
    'with a greeting nobody agreed to',
    'POST',
    '/v1/customers',
    { tier: 'basic', greeting: 'A' },
    {},
    400,
    'API_INVALID',
  ],
  [
    'with a payment card for a name',
    'POST',
    '/v1/customers',
    { tier: 'basic', profile: { street: 'x 4111111111111111' } },
    {},
    400,
    'API_INVALID',
  ],
  [
    'with a payment card',
    'POST',
    '/v1/customers',
    { tier: 'basic', cards: [{ scheme: 'house-card', number: '4242-4242-4242-4242' }] },
    {},
    422,
    'PAN_REJECTED',
  ],
  [
    'with a number of no scheme',
    'POST',
    '/v1/customers',
    { tier: 'basic', cards: [{ scheme: 'other', number: '12345' }] },
    {},
    422,
    'CARD_NUMBER_INVALID',
  ],
  ['too large', 'POST', '/v1/customers', `"${'x'.repeat(5_000_000)}"`, {}, 413, 'API_TOO_LARGE'],
  ['for an id that is none', 'GET', '/v1/customers/1%27--', undefined, {}, 400, 'API_INVALID'],
  [
    'for nobody',
    'GET',
    '/v1/customers/00000000-0000-7000-8000-000000000000',
    undefined,
    {},
    404,
    'CUSTOMER_NOT_FOUND',
  ],
  [
    'for no card',
    'POST',
    '/v1/cards/00000000-0000-7000-8000-000000000000/block',
    undefined,
    {},
    404,
    'CARD_NOT_FOUND',
  ],
  [
    'with an old programme',
    'PUT',
    '/v1/programme',
    { ...programme, staleAfterMs: 60_000 },
    {},
    409,
    'PROGRAMME_OUTDATED',
  ],
])('a request %s is refused with its code', async (_what, method, path, body, headers, status, code) => {
  const answer = await call(method, path, body, headers);
  expect({ status: answer.status, code: Failure.parse(answer.body).error.code }).toEqual({ status, code });
});

test('all problems of a request are listed with their paths', async () => {
  const { body } = await call('POST', '/v1/customers', { tier: '', purposes: ['everything'] });
  const { problems } = Failure.parse(body).error;
  expect(problems?.map((problem) => problem.split(':')[0])).toEqual(['tier', 'purposes.0']);
});

test('a card that belongs to another customer is taken; one’s own is there already', async () => {
  const number = houseNumber();
  const [one, two] = [await makeCustomer(number), await makeCustomer(houseNumber())];
  const card = { scheme: 'house-card', number };
  expect(await call('POST', `/v1/customers/${two.id}/cards`, card)).toMatchObject({
    status: 409,
    body: { error: { code: 'CARD_TAKEN' } },
  });
  expect(await call('POST', `/v1/customers/${one.id}/cards`, card)).toMatchObject({
    status: 200,
    body: { id: one.cards[0]?.id },
  });
});

test('health needs no token and says how things are', async () => {
  expect(await call('GET', '/healthz', undefined, { authorization: '' })).toMatchObject({
    status: 200,
    body: { well: true, database: true, broker: true, intake: { waiting: 0, stalled: false } },
  });
});

test('the API describes itself in OpenAPI 3.1', async () => {
  const { body } = await call('GET', '/openapi.json', undefined, { authorization: '' });
  const { openapi, paths } = z
    .object({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) })
    .parse(body);
  expect(openapi).toBe('3.1.0');
  expect(Object.keys(paths)).toContain('/v1/customers/{id}/ledger');
});

test('a till is answered for its own store alone until it is moved, and is told rules and offers in any', async () => {
  const ask = async (collection: 'customers' | 'programme', store: string): Promise<Response> => {
    const requestId = till.id();
    const body: Question = { kind: 'feed.page', collection, store, after: null, limit: 10 };
    await bus.publish(topics.request('till-1'), encode({ till: 'till-1', requestId, body }), { qos: 1 });
    return hear(() => responses.find((response) => response.requestId === requestId));
  };
  const scoped = { ...programme, version: 1_000, replica: { scope: { by: 'store' } } };
  expect(await call('PUT', '/v1/programme', scoped)).toMatchObject({ status: 200 });
  expect(await ask('customers', 'graz')).toMatchObject({ ok: true });
  expect(await ask('customers', 'kiel')).toMatchObject({ ok: false, code: 'SCOPE_FOREIGN' });
  expect(await ask('programme', 'kiel')).toMatchObject({ ok: true });
  const moved = await call('PUT', '/v1/tills/till-1/store', { store: 'kiel', orderedBy: 'hq-1' });
  expect(moved).toMatchObject({ status: 200, body: { till: 'till-1', store: 'kiel', putBy: 'hq-1' } });
  expect(await call('GET', '/v1/till-stores')).toEqual({ status: 200, body: { tills: [moved.body] } });
  expect(await ask('customers', 'kiel')).toMatchObject({ ok: true });
  expect(await ask('customers', 'graz')).toMatchObject({ ok: false, code: 'SCOPE_FOREIGN' });
});

test('an order to wipe that could mean another till is refused, and lists the journals there are', async () => {
  const order = (more: object) =>
    call('POST', '/v1/tills/till-1/wipe', { confirm: 'till-1', orderedBy: 'hq-1', ...more });
  const foreign = await order({ incarnation: till.id() });
  expect(foreign).toMatchObject({ status: 409, body: { error: { code: 'WIPE_AMBIGUOUS' } } });
  expect(JSON.stringify(foreign.body)).toContain(`${till.incarnation}, last seen 20`);
  expect(await order({ incarnation: till.incarnation })).toMatchObject({
    status: 200,
    body: { incarnation: till.incarnation, sent: true },
  });
  expect(await call('POST', '/v1/tills/till-1/wipe/lift', { orderedBy: 'hq-1' })).toMatchObject({
    status: 204,
  });
});

test('a second server on the same folder is refused, and leaves nothing behind', async () => {
  await expect(Server.open(folder.config, ports)).rejects.toMatchObject({ code: 'DATA_IN_USE' });
  expect(await call('GET', '/healthz')).toMatchObject({ status: 200 });
});
