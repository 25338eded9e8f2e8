import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import type { Log, LogFields } from '../../../foundation/log.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, SystemRandom } from '../../../foundation/random.ts';
import type { BusOpening } from '../../../sync/bus.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { busContract, whenConnected } from '../bus-contract.ts';
import { Inbox } from '../support/inbox.ts';
import { Listener, TestBroker } from '../support/test-broker.ts';

const OPENSSL = 'openssl';
const RECONNECT = { firstMs: 20, maxMs: 50 };

function openBus(
  url: string,
  opening: Partial<BusOpening> = {},
  extra: { config?: Record<string, unknown>; log?: Log } = {},
): Promise<MqttBus> {
  const config = MqttConfig.parse({ url, reconnect: RECONNECT, ...extra.config });
  return MqttBus.open(config, {
    subscriptions: [],
    ...opening,
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: extra.log ?? silentLog,
  });
}

/** A log that resolves its promise with the first line that fits. */
function watchLog(event: string): { log: Log; line: Promise<LogFields & { level: string }> } {
  const seen = Promise.withResolvers<LogFields & { level: string }>();
  const at =
    (level: string) =>
    (fields: LogFields): void => {
      if (fields.event === event) seen.resolve({ ...fields, level });
    };
  return {
    log: { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') },
    line: seen.promise,
  };
}

busContract('MQTT, on a real broker', async () => {
  const broker = await TestBroker.open();
  let count = 0;
  const ids = new Map<object, string>();
  return {
    async open(opening) {
      const id = `bus-${(count += 1)}`;
      const bus = await openBus(broker.url, opening, { config: { clientId: id } });
      ids.set(bus, id);
      return bus;
    },
    cut(bus) {
      const client = Object.entries(connectedClients(broker)).find(([id]) => id === ids.get(bus))?.[1];
      client?.conn.destroy();
    },
    stopBroker: () => broker.stop(),
    restartBroker: () => broker.start(),
    close: () => broker.stop(),
  };
});

/** aedes keeps its clients by id in a field its types leave out. */
function connectedClients(broker: TestBroker): Record<string, { conn: Socket }> {
  return (
    (broker.aedes as unknown as { clients: Record<string, { conn: Socket }> } | undefined)?.clients ?? {}
  );
}

/** CONNACK, MQTT 3.1.1, 3.2: no session, return code. */
const connack = (returnCode: number): Buffer => Buffer.from([0x20, 2, 0, returnCode]);
/** PUBLISH QoS 0, MQTT 3.1.1, 3.3. */
function publishPacket(topic: string, text: string): Buffer {
  const [name, payload] = [Buffer.from(topic), Buffer.from(text)];
  return Buffer.concat([
    Buffer.from([0x30, 2 + name.length + payload.length, 0, name.length]),
    name,
    payload,
  ]);
}

test('a message in the same read as the CONNACK is not lost', async () => {
  const listener = await new Listener((socket) => {
    socket.once('data', () => socket.write(Buffer.concat([connack(0), publishPacket('early', 'bird')])));
  }).listen();
  onTestFinished(() => listener.close());
  const inbox = new Inbox();
  const bus = await openBus(`mqtt://127.0.0.1:${listener.port}`, {
    subscriptions: [{ filter: 'early', onMessage: inbox.take }],
  });
  onTestFinished(() => bus.close());
  expect(await inbox.next()).toEqual(['early', 'bird']);
  expect(bus.connected).toBe(false);
});

test('a refused connection is an error in the log, once, and is tried again', async () => {
  let attempts = 0;
  const twice = Promise.withResolvers<void>();
  const listener = await new Listener((socket) => {
    socket.once('data', () => socket.end(connack(5)));
    if ((attempts += 1) === 3) twice.resolve();
  }).listen();
  onTestFinished(() => listener.close());
  const lines: (LogFields & { level: string })[] = [];
  const bus = await openBus(
    `mqtt://127.0.0.1:${listener.port}`,
    {},
    {
      log: {
        ...silentLog,
        error: (fields) => void lines.push({ ...fields, level: 'error' }),
        warn: (fields) => void lines.push({ ...fields, level: 'warn' }),
      },
    },
  );
  onTestFinished(() => bus.close());
  await twice.promise;
  expect(lines).toEqual([expect.objectContaining({ level: 'error', code: 'BUS_REFUSED' })]);
});

test('a refused subscription is no connection, and an error in the log', async () => {
  const broker = await TestBroker.open({
    authorizeSubscribe: (_client, subscription, callback) =>
      callback(null, subscription.topic === 'forbidden' ? null : subscription),
  });
  const { log, line } = watchLog('bus.unreachable');
  const bus = await openBus(
    broker.url,
    { subscriptions: ['allowed', 'forbidden'].map((filter) => ({ filter, onMessage() {} })) },
    { log },
  );
  onTestFinished(() => bus.close());
  expect(await line).toMatchObject({
    level: 'error',
    code: 'BUS_REFUSED',
    reason: 'subscription refused: forbidden',
  });
  expect(bus.connected).toBe(false);
});

test('a broker that takes the connection and says nothing is given up after the connect deadline', async () => {
  const listener = await new Listener(() => {}).listen();
  onTestFinished(() => listener.close());
  const { log, line } = watchLog('bus.unreachable');
  const bus = await openBus(
    `mqtt://127.0.0.1:${listener.port}`,
    {},
    { log, config: { connectTimeoutMs: 100 } },
  );
  onTestFinished(() => bus.close());
  expect(await line).toMatchObject({ level: 'warn', code: 'BUS_UNREACHABLE' });
});

test('a connection on which nothing comes back any more is noticed by the keepalive', async () => {
  const broker = await TestBroker.open();
  let silent = false;
  const proxy = await new Listener((socket) => {
    // After the switch everything is swallowed, as by a firewall that forgot the connection.
    const through = silent ? undefined : connectTo(broker.listener.port);
    socket.on('data', (chunk) => void (silent || through?.write(chunk)));
    through?.on('data', (chunk) => void (silent || socket.write(chunk)));
    through?.on('error', () => {});
    socket.on('close', () => through?.destroy());
  }).listen();
  onTestFinished(() => proxy.close());
  const { log, line } = watchLog('bus.lost');
  const bus = await openBus(
    `mqtt://127.0.0.1:${proxy.port}`,
    {},
    { log, config: { keepaliveSeconds: 1, connectTimeoutMs: 200 } },
  );
  onTestFinished(() => bus.close());
  await whenConnected(bus);
  silent = true;
  expect(await line).toMatchObject({ code: 'BUS_UNREACHABLE', reason: 'Keepalive timeout' });
  expect(bus.connected).toBe(false);
  silent = false;
  await whenConnected(bus);
});

function connectTo(port: number): Socket {
  return createConnection({ port, host: '127.0.0.1' });
}

test('a broker that never acknowledges costs a deadline and no memory', async () => {
  const broker = await TestBroker.open({
    authorizePublish: () => {},
  });
  const bus = await openBus(broker.url, {}, { config: { publishTimeoutMs: 100 } });
  onTestFinished(() => bus.close());
  await whenConnected(bus);
  const first = Array.from({ length: 1_000 }, () => bus.publish('t', Buffer.from('x'), { qos: 1 }));
  expect(await bus.publish('t', Buffer.from('x'), { qos: 1 })).toBe('full');
  expect(new Set(await Promise.all(first))).toEqual(new Set(['timeout']));
  expect(await bus.publish('t', Buffer.from('x'), { qos: 1 })).toBe('timeout');
});

test('attempts to connect are spread by growing, jittered waits', async () => {
  const listener = await new Listener((socket) => socket.destroy()).listen();
  const { port } = listener;
  await listener.close();
  const clock = new ManualClock();
  const waits: number[] = [];
  let tried = Promise.withResolvers<void>();
  const bus = await MqttBus.open(
    MqttConfig.parse({ url: `mqtt://127.0.0.1:${port}`, reconnect: { firstMs: 1_000, maxMs: 8_000 } }),
    {
      clock,
      random: new SeededRandom(7),
      subscriptions: [],
      log: {
        ...silentLog,
        warn: (fields) => noteWait(fields),
        debug: (fields) => noteWait(fields),
      },
    },
  );
  function noteWait(fields: LogFields): void {
    waits.push(Number(fields['retryMs']));
    tried.resolve();
  }
  onTestFinished(() => bus.close());
  for (let i = 0; i < 6; i += 1) {
    await tried.promise;
    tried = Promise.withResolvers();
    await clock.advance(8_000);
  }
  for (const [i, bound] of [1_000, 2_000, 4_000, 8_000, 8_000, 8_000].entries()) {
    expect(waits[i]).toBeGreaterThanOrEqual(bound / 2);
    expect(waits[i]).toBeLessThanOrEqual(bound);
  }
  expect(new Set(waits).size).toBe(waits.length);
});

test('an aborted signal closes the bus', async () => {
  const broker = await TestBroker.open();
  const controller = new AbortController();
  const bus = await MqttBus.open(MqttConfig.parse({ url: broker.url }), {
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: silentLog,
    subscriptions: [],
    signal: controller.signal,
  });
  await whenConnected(bus);
  controller.abort();
  await whenConnected(bus, false);
  await bus.close();
  expect(await bus.publish('t', Buffer.from('x'), { qos: 1 })).toBe('offline');
});

test('the password is read from a file that only the service account may read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bus-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, 'open sesame\n', { mode: 0o600 });
  const broker = await TestBroker.open({
    authenticate: (_client, username, password, done) =>
      done(null, username === 'till' && password?.toString() === 'open sesame'),
  });
  const bus = await openBus(broker.url, {}, { config: { username: 'till', passwordFile } });
  onTestFinished(() => bus.close());
  await whenConnected(bus);
  chmodSync(passwordFile, 0o644);
  await expect(openBus(broker.url, {}, { config: { username: 'till', passwordFile } })).rejects.toMatchObject(
    {
      code: 'KEY_EXPOSED',
    },
  );
});

test('over TLS only a broker with a certificate of the named authority is believed', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'bus-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    execFileSync(
      OPENSSL,
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout ${key} -out ${cert}`.split(
        ' ',
      ),
      { stdio: 'ignore' },
    );
  } catch {
    context.skip('openssl is not installed: no certificate to test with');
  }
  const broker = await TestBroker.open();
  const listener = await new Listener(
    (socket) => void broker.aedes?.handle(socket),
    (serve) => createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, serve),
  ).listen();
  onTestFinished(() => listener.close());
  const url = `mqtts://127.0.0.1:${listener.port}`;
  const trusting = await openBus(url, {}, { config: { caFile: cert } });
  onTestFinished(() => trusting.close());
  await whenConnected(trusting);
  expect(await trusting.publish('t', Buffer.from('x'), { qos: 1 })).toBe('sent');
  const { log, line } = watchLog('bus.unreachable');
  const wary = await openBus(url, {}, { log });
  onTestFinished(() => wary.close());
  const { code, reason } = await line;
  expect(code).toBe('BUS_UNREACHABLE');
  expect(reason).toMatch(/^self-signed certificate/);
});

test('a file of authorities that is not there is said at once', async () => {
  await expect(openBus('mqtts://127.0.0.1:1', {}, { config: { caFile: '/nowhere' } })).rejects.toMatchObject({
    code: 'CFG_UNREADABLE',
  });
});

test('a password without a user name is refused by the configuration', () => {
  expect(MqttConfig.safeParse({ url: 'mqtt://broker', passwordFile: '/etc/password' }).success).toBe(false);
});

test.each(['http://broker', 'mqtt://user:secret@broker', 'mqtt://broker?clientId=x', 'broker:1883'])(
  '%s is no address of a broker',
  (url) => {
    expect(MqttConfig.safeParse({ url }).success).toBe(false);
  },
);

test.each(['mqtt://broker', 'mqtts://broker.example:8883', 'mqtt://[::1]:1883'])(
  '%s is an address of a broker',
  (url) => {
    expect(MqttConfig.safeParse({ url }).success).toBe(true);
  },
);
