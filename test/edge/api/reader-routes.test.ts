// Goal: one client of the POS may have a reader's products to itself, and never for longer than it lives and asks.
import { expect, onTestFinished, test } from 'vitest';
import type { EventMessage } from '../../../edge/api/events.ts';
import type { TillNews } from '../../../edge/api/till-port.ts';
import { DISPLAY_TOKEN, EventClient, call, openApi, refusal } from './api-fixture.ts';
import type { ApiShop } from './api-fixture.ts';

const shopOfTest = (): Promise<ApiShop> => openApi((end) => onTestFinished(end));

async function clientOf(shop: ApiShop, token?: string): Promise<{ client: EventClient; id: string }> {
  const client = new EventClient(
    shop.api,
    token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
  );
  onTestFinished(() => client.socket.terminate());
  const [hello] = await client.received(1);
  if (hello?.payload.event !== 'hello') throw new Error('hello comes first');
  return { client, id: hello.payload.clientId ?? '' };
}

const claim = (shop: ApiShop, clientId: string, more: object = {}, readerId = 'counter') =>
  call(shop.api, { method: 'POST', path: `/v1/readers/${readerId}/claim`, body: { clientId, ...more } });

const product = (onlyFor?: string): TillNews => ({
  event: 'scan',
  scanId: '0197f0c4-0000-7000-8000-000000000001',
  readerId: 'counter',
  outcome: { kind: 'product', code: '4006381333931', symbology: 'ean-13' },
  ...(onlyFor === undefined ? {} : { onlyFor }),
});

const outcomeOf = (message: EventMessage | undefined): unknown =>
  message?.payload.event === 'scan' ? message.payload.outcome : undefined;

test('connections have names of their own', async () => {
  const shop = await shopOfTest();
  const [a, b] = [await clientOf(shop), await clientOf(shop)];
  expect(a.id).not.toBe('');
  expect(a.id).not.toBe(b.id);
});

test('a claimed product is told to its client and the display, and withheld from others, in one order', async () => {
  const shop = await shopOfTest();
  const [holder, other, display] = [
    await clientOf(shop),
    await clientOf(shop),
    await clientOf(shop, DISPLAY_TOKEN),
  ];
  shop.tell(product(holder.id));
  shop.tell(product());
  const [mine, theirs, shown] = [
    await holder.client.received(3),
    await other.client.received(3),
    await display.client.received(3),
  ];
  const told = { kind: 'product', code: '4006381333931', symbology: 'ean-13' };
  expect([outcomeOf(mine[1]), outcomeOf(theirs[1]), outcomeOf(shown[1])]).toEqual([
    told,
    { kind: 'claimed' },
    told,
  ]);
  expect([outcomeOf(mine[2]), outcomeOf(theirs[2])]).toEqual([told, told]);
  expect(theirs.map(({ n }) => n)).toEqual(mine.map(({ n }) => n));
  expect(JSON.stringify(mine)).not.toContain('onlyFor');
});

test('a reader is claimed by one client until it lets go', async () => {
  const shop = await shopOfTest();
  const [a, b] = [await clientOf(shop), await clientOf(shop)];
  const granted = await claim(shop, a.id, { dataEventEnabled: false });
  expect(granted).toMatchObject({
    status: 200,
    json: { readerId: 'counter', clientId: a.id, dataEventEnabled: false, leaseEndsInMs: 60_000 },
  });
  expect(refusal(await claim(shop, b.id))).toEqual([409, 'CLAIM_HELD']);
  expect((await claim(shop, b.id, {}, 'portal')).status).toBe(200);
  const path = `/v1/readers/counter/claim?clientId=`;
  expect(refusal(await call(shop.api, { method: 'DELETE', path: path + b.id }))).toEqual([409, 'CLAIM_HELD']);
  expect((await call(shop.api, { method: 'DELETE', path: path + a.id })).status).toBe(204);
  expect((await call(shop.api, { method: 'DELETE', path: path + a.id })).status).toBe(204);
  expect((await claim(shop, b.id)).status).toBe(200);
});

test('a lease ends by itself, unless it is renewed', async () => {
  const shop = await shopOfTest();
  const [a, b] = [await clientOf(shop), await clientOf(shop)];
  await claim(shop, a.id, { leaseSeconds: 10 });
  await shop.clock.advance(9_999);
  expect(refusal(await claim(shop, b.id))).toEqual([409, 'CLAIM_HELD']);
  await claim(shop, a.id, { leaseSeconds: 10 });
  await shop.clock.advance(9_999);
  expect(refusal(await claim(shop, b.id))).toEqual([409, 'CLAIM_HELD']);
  await shop.clock.advance(1);
  expect((await claim(shop, b.id)).status).toBe(200);
});

test('a claim ends with its connection', async () => {
  const shop = await shopOfTest();
  const [a, b] = [await clientOf(shop), await clientOf(shop)];
  await claim(shop, a.id, { leaseSeconds: 600 });
  const closed = a.client.closed();
  a.client.socket.close();
  await closed;
  // The till hears of the end at about the same time as the client.
  for (let tries = 0; tries < 1_000 && (await claim(shop, b.id)).status !== 200; tries += 1);
  expect((await claim(shop, b.id)).status).toBe(200);
  expect(refusal(await claim(shop, a.id))).toEqual([409, 'CLAIM_CLIENT_GONE']);
});

test('who is not connected, only reads, or names no reader of the till claims nothing', async () => {
  const shop = await shopOfTest();
  const pos = await clientOf(shop);
  const display = await clientOf(shop, DISPLAY_TOKEN);
  expect(refusal(await claim(shop, 'nobody'))).toEqual([409, 'CLAIM_CLIENT_GONE']);
  expect(refusal(await claim(shop, display.id))).toEqual([409, 'CLAIM_CLIENT_GONE']);
  expect(refusal(await claim(shop, pos.id, {}, 'nowhere'))).toEqual([404, 'READER_NOT_FOUND']);
  expect(refusal(await claim(shop, pos.id, { leaseSeconds: 601 }))).toEqual([400, 'API_INVALID']);
  const readOnly = await call(shop.api, {
    method: 'POST',
    path: '/v1/readers/counter/claim',
    body: { clientId: pos.id },
    token: DISPLAY_TOKEN,
  });
  expect(refusal(readOnly)).toEqual([403, 'API_READ_ONLY']);
});

test('the description of the API tells of claims', async () => {
  const shop = await shopOfTest();
  const { text } = await call(shop.api, { path: '/openapi.json', token: null });
  expect(text).toContain('/v1/readers/{readerId}/claim');
  expect(text).toContain('DataEventEnabled of UnifiedPOS');
  expect(text).toContain('CLAIM_HELD');
});

test('a terminal that waits to be asked is asked; other readers and no readers are told apart; the display may not', async () => {
  const shop = await shopOfTest();
  const read = (readerId: string, token?: string) =>
    call(shop.api, {
      method: 'POST',
      path: `/v1/readers/${readerId}/read`,
      ...(token === undefined ? {} : { token }),
    });
  expect(await read('terminal')).toMatchObject({ status: 202 });
  expect(refusal(await read('counter'))).toEqual([409, 'READER_NOT_READY']);
  expect(refusal(await read('nobody'))).toEqual([404, 'READER_NOT_FOUND']);
  expect(refusal(await read('terminal', DISPLAY_TOKEN))).toEqual([403, 'API_READ_ONLY']);
});
