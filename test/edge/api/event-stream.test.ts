// Goal: every client is told the same in the same order, and one that does not listen cannot fill the till's memory.
import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { CLOSE_TOO_SLOW, defaultStreamLimits } from '../../../edge/api/event-stream.ts';
import type { TillNews } from '../../../edge/api/till-port.ts';
import { settle } from '../../support/manual-clock.ts';
import { basketOf } from '../sale/sale-fixture.ts';
import { DISPLAY_TOKEN, EventClient, POS_TOKEN, call, openApi } from './api-fixture.ts';
import type { ApiShop } from './api-fixture.ts';

const shopOfTest = (options: Parameters<typeof openApi>[1] = {}): Promise<ApiShop> =>
  openApi((end) => onTestFinished(end), options);

function clientOfTest({ api }: ApiShop): EventClient {
  const client = new EventClient(api);
  onTestFinished(() => client.socket.terminate());
  return client;
}

const reader = (scans: number): TillNews => ({
  event: 'reader',
  reader: { id: 'counter', kind: 'serial', status: 'ready', code: null, scans },
});

test('first comes how things stand, then all that happens, each one number further', async () => {
  const shop = await shopOfTest();
  const { saleId } = shop.till.sales.open({});
  shop.tell(reader(1));
  const client = clientOfTest(shop);
  const [hello] = await client.received(1);
  expect(hello).toMatchObject({
    at: shop.clock.now(),
    payload: {
      event: 'hello',
      till: 'till-1',
      sale: { saleId },
      sync: { unconfirmed: 0 },
      readers: [{ id: 'counter' }],
    },
  });
  await call(shop.api, { method: 'PUT', path: `/v1/sales/${saleId}/basket`, body: basketOf(100) });
  await call(shop.api, { method: 'POST', path: '/v1/identifications', body: { number: '9001' } });
  await call(shop.api, { method: 'POST', path: `/v1/sales/${saleId}/complete` });
  const messages = await client.received(5);
  expect(messages.map(({ payload }) => payload.event)).toEqual([
    'hello',
    'sale',
    'sale',
    'identified',
    'sale',
  ]);
  const from = hello?.n ?? 0;
  expect(messages.map(({ n }) => n)).toEqual([from, from + 1, from + 2, from + 3, from + 4]);
  expect(messages.at(-1)?.payload).toMatchObject({ sale: { status: 'completed', entry: { seq: 1 } } });
});

test('two clients are told the same, each from its own hello on', async () => {
  const shop = await shopOfTest();
  const early = clientOfTest(shop);
  await early.received(1);
  shop.tell(reader(1));
  const late = clientOfTest(shop);
  await late.received(1);
  for (let scans = 2; scans <= 50; scans += 1) shop.tell(reader(scans));
  const [all, rest] = [await early.received(51), await late.received(50)];
  expect(rest[0]?.n).toBe(all[1]?.n);
  expect(rest.slice(1)).toEqual(all.slice(2));
});

test('a client that leaves is forgotten and the others are told on', async () => {
  const shop = await shopOfTest();
  const [stays, leaves] = [clientOfTest(shop), clientOfTest(shop)];
  await Promise.all([stays.received(1), leaves.received(1)]);
  leaves.socket.terminate();
  await once(leaves.socket, 'close');
  shop.tell(reader(1));
  expect(await stays.received(2)).toHaveLength(2);
});

test('a client that does not read is cut off, and nobody waits for it', async () => {
  const shop = await shopOfTest({ streamLimits: { ...defaultStreamLimits, bufferMaxBytes: 256 * 1024 } });
  const good = clientOfTest(shop);
  await good.received(1);
  // A raw socket, for a library would read.
  const deaf = connect(shop.api.port, '127.0.0.1');
  onTestFinished(() => void deaf.destroy());
  deaf.write(
    `GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:${shop.api.port}\r\nAuthorization: Bearer ${POS_TOKEN}\r\n` +
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  await once(deaf, 'readable');
  // Until here it has read the handshake; from now on it reads nothing.
  const { saleId } = shop.till.sales.open({});
  const large = shop.till.sales.putBasket(saleId, basketOf(...Array.from({ length: 1_500 }, () => 1)));
  let sent = good.messages.length + 2;
  while (shop.clock.pending === 0) {
    shop.tell({ event: 'sale', sale: large });
    sent += 1;
    await good.received(sent);
    expect(sent).toBeLessThan(1_000);
  }
  // Its own close frame is behind all it has not read; a second later the connection is gone.
  await shop.clock.advance(1_000);
  deaf.on('error', () => {});
  const gone = once(deaf, 'close');
  deaf.resume();
  await gone;
  expect(shop.clock.pending).toBe(0);
  shop.tell(reader(9));
  expect((await good.received(sent + 1)).at(-1)?.payload.event).toBe('reader');
});

test('a client that is too slow but reads on is told why', async () => {
  const shop = await shopOfTest({ streamLimits: { ...defaultStreamLimits, bufferMaxBytes: 100 } });
  const client = new EventClient(shop.api);
  expect(await client.closed()).toBe(CLOSE_TOO_SLOW);
});

test('clients beyond the limit are asked to come again', async () => {
  const shop = await shopOfTest({ streamLimits: { ...defaultStreamLimits, clientsMax: 1 } });
  await clientOfTest(shop).received(1);
  expect(await clientOfTest(shop).closed()).toBe(1013);
});

test('what a client says is ignored, until it is too much or too long', async () => {
  const shop = await shopOfTest({ streamLimits: { ...defaultStreamLimits, messagesMax: 3 } });
  const [chatty, verbose] = [clientOfTest(shop), clientOfTest(shop)];
  await Promise.all([chatty.received(1), verbose.received(1)]);
  for (let i = 0; i < 3; i += 1) chatty.socket.send('{"event":"sale"}');
  await settle();
  shop.tell(reader(1));
  expect(await chatty.received(2)).toHaveLength(2);
  chatty.socket.send('once more');
  expect(await chatty.closed()).toBe(1008);
  verbose.socket.send('x'.repeat(2_000));
  expect(await verbose.closed()).toBe(1009);
});

test('closing tells the clients that the till goes', async () => {
  const shop = await shopOfTest();
  const client = clientOfTest(shop);
  await client.received(1);
  const closed = client.closed();
  await shop.api.close();
  expect(await closed).toBe(1001);
});

function displayOfTest(shop: ApiShop): EventClient {
  const client = new EventClient(shop.api, { headers: { authorization: `Bearer ${DISPLAY_TOKEN}` } });
  onTestFinished(() => client.socket.terminate());
  return client;
}

test('the display hears at once who was identified before it came and waits for a sale', async () => {
  const shop = await shopOfTest();
  await call(shop.api, { method: 'POST', path: '/v1/identifications', body: { number: '9001' } });
  const identificationId = shop.till.sales.waiting()?.identificationId;
  await shop.clock.advance(7_000);
  const [hello] = await displayOfTest(shop).received(1);
  expect(hello?.payload).toMatchObject({
    event: 'hello',
    sale: null,
    waiting: {
      identificationId,
      identification: { verdict: 'known', customer: { greeting: 'Ingeborg' } },
      currency: 'EUR',
      waitedMs: 7_000,
    },
  });
  shop.till.sales.open({});
  const [later] = await displayOfTest(shop).received(1);
  expect(later?.payload).toMatchObject({ waiting: null, sale: { customer: { identificationId } } });
});

test('the display hears that the till is there while nothing happens, without a number of its own', async () => {
  const shop = await shopOfTest();
  const [display, pos] = [displayOfTest(shop), clientOfTest(shop)];
  const [hello] = await display.received(1);
  await pos.received(1);
  expect(hello?.payload).toMatchObject({ heartbeatMs: 2_000 });
  await shop.clock.advance(4_000);
  shop.tell(reader(1));
  const [, ...heard] = await display.received(4);
  expect(heard.map(({ payload }) => payload.event)).toEqual(['heartbeat', 'heartbeat', 'reader']);
  expect(heard.map(({ n }) => n)).toEqual([hello?.n, hello?.n, (hello?.n ?? 0) + 1]);
  const told = await pos.received(2);
  expect(told[0]?.payload).not.toHaveProperty('heartbeatMs');
  expect(told.map(({ payload }) => payload.event)).toEqual(['hello', 'reader']);
});

test('nothing beats once the last display has gone', async () => {
  const shop = await shopOfTest();
  const display = displayOfTest(shop);
  await display.received(1);
  expect(shop.clock.pending).toBe(1);
  display.socket.terminate();
  await once(display.socket, 'close');
  for (let beats = 0; shop.clock.pending > 0; beats += 1) {
    // The server hears of the end by the time other clients are greeted.
    await clientOfTest(shop).received(1);
    await shop.clock.advance(2_000);
    expect(beats).toBeLessThan(10);
  }
});
