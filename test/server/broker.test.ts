// The embedded broker as clients meet it: a real one on a free port, a real MQTT client.
import { connect as connectTcp } from 'node:net';
import { once } from 'node:events';
import { connect } from 'mqtt';
import type { IClientOptions, MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LogFields } from '../../foundation/log.ts';
import { silentLog } from '../../foundation/log.ts';
import { BrokerAccess } from '../../server/broker/access.ts';
import { EmbeddedBroker, PACKET_BYTES_MAX } from '../../server/broker/embedded-broker.ts';
import { serverToken, tillToken } from '../../server/keys.ts';
import { TillId } from '../../sync/contract/ids.ts';
import { topicsOf } from '../../sync/contract/topics.ts';

const secret = Buffer.alloc(32, 7);
const topics = topicsOf('kaufhaus');
const warnings: LogFields[] = [];
let broker: EmbeddedBroker;
let server: MqttClient;
const heard: string[] = [];
let onHeard: () => void = () => {};

beforeAll(async () => {
  broker = await EmbeddedBroker.open(
    { host: '127.0.0.1', port: 0 },
    {
      access: new BrokerAccess(secret, 'kaufhaus'),
      log: { ...silentLog, warn: (fields) => void warnings.push(fields) },
    },
  );
  server = await join('server', serverToken(secret, 'kaufhaus'));
  server.on('message', (topic, payload) => {
    heard.push(`${topic} ${payload.toString()}`);
    onHeard();
  });
  await server.subscribeAsync('stammkunde/v1/kaufhaus/#', { qos: 1 });
});

afterAll(async () => {
  await server.endAsync(true);
  await broker.close();
});

/** Connects; rejects with the broker's refusal. */
function join(username: string, password: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = connect(`mqtt://127.0.0.1:${broker.port}`, {
    protocolVersion: 4,
    username,
    password,
    reconnectPeriod: 0,
    ...options,
  });
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve(client));
    client.once('error', (error) => {
      client.end(true);
      reject(error);
    });
  });
}

function joinTill(till: string, options: IClientOptions = {}): Promise<MqttClient> {
  return join(till, tillToken(secret, 'kaufhaus', till), options);
}

/** The server has heard this, and with it all that was published before. */
async function serverHears(message: string): Promise<void> {
  while (!heard.includes(message)) await new Promise<void>((resolve) => (onHeard = resolve));
}

/** Proves that whatever was denied did not come through: a message published after it did. */
async function serverHeardNothingElse(marker: string, forbidden: string): Promise<void> {
  await server.publishAsync(topics.feedHead, marker, { qos: 1 });
  await serverHears(`${topics.feedHead} ${marker}`);
  expect(heard.filter((message) => message.includes(forbidden))).toEqual([]);
}

test('a till publishes on its own topics and hears what is meant for it', async () => {
  const till = await joinTill('till-1');
  const received: string[] = [];
  const all = new Promise<void>((resolve) => {
    till.on('message', (topic, payload) => {
      received.push(`${topic} ${payload.toString()}`);
      if (received.length === 2) resolve();
    });
  });
  await till.subscribeAsync([topics.receipt('till-1'), 'stammkunde/v1/kaufhaus/feed/#'], { qos: 1 });
  await till.publishAsync(topics.journal('till-1'), 'sales', { qos: 1 });
  await serverHears(`${topics.journal('till-1')} sales`);
  await server.publishAsync(topics.receipt('till-2'), 'not yours', { qos: 1 });
  await server.publishAsync(topics.receipt('till-1'), 'yours', { qos: 1 });
  await server.publishAsync(topics.feedUrgent, 'all', { qos: 1 });
  await all;
  expect(received.toSorted()).toEqual(
    [`${topics.feedUrgent} all`, `${topics.receipt('till-1')} yours`].toSorted(),
  );
  await till.endAsync();
});

test.each([
  ['another till’s token', 'till-1', tillToken(secret, 'kaufhaus', 'till-2')],
  ['another tenant’s token', 'till-1', tillToken(secret, 'warenhaus', 'till-1')],
  ['no token', 'till-1', ''],
  ['a till’s token for the server', 'server', tillToken(secret, 'kaufhaus', 'till-1')],
  ['a name no till can have', 'Till 1', tillToken(secret, 'kaufhaus', 'till-1')],
  ['the name of the feed', 'feed', tillToken(secret, 'kaufhaus', 'till-1')],
  ['a wildcard for a name', '+', tillToken(secret, 'kaufhaus', 'till-1')],
])('%s does not connect', async (_what, username, password) => {
  await expect(join(username, password)).rejects.toMatchObject({ code: 4 });
});

test.each(['server', 'feed'])('no till can be called %s', (name) => {
  expect(TillId.safeParse(name).success).toBe(false);
});

test.each([
  ['another till’s journal', topics.journal('till-2')],
  ['its own receipts', topics.receipt('till-1')],
  ['its own commands', topics.command('till-1')],
  ['the feed', topics.feedHead],
  ['another tenant', topicsOf('warenhaus').journal('till-1')],
  ['the broker’s own topics', '$SYS/till-1/new/clients'],
  ['a level below its journal', `${topics.journal('till-1')}/x`],
])('a till that publishes on %s is cut off, and nothing arrives', async (what, topic) => {
  const till = await joinTill('till-1');
  const closed = new Promise<void>((resolve) => till.once('close', resolve));
  const marker = `after ${what}`;
  warnings.length = 0;
  till.publish(topic, 'forbidden', { qos: 1, retain: true }, () => {});
  await closed;
  await serverHeardNothingElse(marker, 'forbidden');
  expect(warnings).toMatchObject([
    { event: 'broker.denied', code: 'WIRE_FOREIGN', what: 'publish', till: 'till-1' },
  ]);
  till.end(true);
});

test.each([
  ['everything', '#'],
  ['all of the tenant', 'stammkunde/v1/kaufhaus/#'],
  ['all receipts', topics.receipt('+')],
  ['another till’s receipts', topics.receipt('till-2')],
  ['all its own at once', 'stammkunde/v1/kaufhaus/till-1/#'],
  ['journals', topics.journal('till-1')],
  ['the broker’s own topics', '$SYS/#'],
])('a till may not subscribe to %s', async (_what, filter) => {
  const till = await joinTill('till-1');
  const granted = await new Promise((resolve) => {
    till.subscribe(filter, { qos: 1 }, (_error, _grants, suback) => resolve(suback?.granted));
  });
  expect(granted).toEqual([0x80]);
  await till.endAsync();
});

test('a last will on another till’s topic is not published', async () => {
  const will = {
    topic: topics.state('till-2'),
    payload: Buffer.from('forbidden will'),
    qos: 1,
    retain: true,
  } as const;
  const till = await joinTill('till-1', { will });
  warnings.length = 0;
  till.stream.destroy();
  const good = await joinTill('till-3', {
    will: { ...will, topic: topics.state('till-3'), payload: Buffer.from('own will') },
  });
  good.stream.destroy();
  await serverHears(`${topics.state('till-3')} own will`);
  await serverHeardNothingElse('after the wills', 'forbidden will');
  expect(warnings).toMatchObject([{ event: 'broker.denied', till: 'till-1', topic: topics.state('till-2') }]);
});

test('a till cannot throw another out by taking its client id', async () => {
  const first = await joinTill('till-1', { clientId: 'shared' });
  await expect(joinTill('till-2', { clientId: 'shared' })).rejects.toMatchObject({ code: 2 });
  expect(first.connected).toBe(true);
  const again = await joinTill('till-1', { clientId: 'shared' });
  expect(again.connected).toBe(true);
  first.end(true);
  await again.endAsync();
});

test('a client that announces a packet larger than allowed is cut off before it is sent', async () => {
  const till = await joinTill('till-1');
  const closed = new Promise<void>((resolve) => till.once('close', resolve));
  const header = [0x30];
  for (let length = PACKET_BYTES_MAX + 1; length > 0; length = Math.floor(length / 128)) {
    header.push((length % 128) | (length >= 128 ? 0x80 : 0));
  }
  till.stream.write(Buffer.from(header));
  await closed;
  expect(till.connected).toBe(false);
});

test.each([
  ['noise', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['an endless length', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])],
  ['a publish before connecting', Buffer.from([0x30, 0x03, 0x00, 0x01, 0x61])],
])('%s ends that connection and no other', async (_what, bytes) => {
  const socket = connectTcp(broker.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.end(bytes);
  socket.resume();
  await closed;
  await serverHeardNothingElse(`alive after ${_what}`, 'nobody says this');
  expect(server.connected).toBe(true);
});

test('a taken port is said to be taken', async () => {
  const access = new BrokerAccess(secret, 'kaufhaus');
  const second = EmbeddedBroker.open({ host: '127.0.0.1', port: broker.port }, { access, log: silentLog });
  await expect(second).rejects.toMatchObject({ code: 'PORT_IN_USE' });
});
