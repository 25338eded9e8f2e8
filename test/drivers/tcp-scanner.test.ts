// Goal: a scanner in the network, real sockets on the loopback, that is switched off and on again.
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../foundation/clock.ts';
import { SystemClock } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import type { ReaderStatus, Scan } from '../../drivers/driver.ts';
import { driverFor, ReaderConfig } from '../../drivers/registry.ts';
import { ReaderSupervisor } from '../../drivers/supervisor.ts';
import { tcpTransport } from '../../drivers/transport/tcp.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { asText } from './hex.ts';
import { Inbox } from './inbox.ts';

class Scanner {
  readonly connections = new Inbox<Socket>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      this.connections.put(socket);
    });
  }

  static async listen(port = 0): Promise<Scanner> {
    const server = createServer();
    const scanner = new Scanner(server);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return scanner;
  }

  get port(): number {
    // A server that listens on TCP has an address of this form.
    return (this.#server.address() as AddressInfo).port;
  }

  async switchOff(): Promise<void> {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let scanner: Scanner;
let supervisor: ReaderSupervisor | undefined;
const scans = new Inbox<Scan>();
const statuses = new Inbox<ReaderStatus>();

beforeEach(async () => {
  scanner = await Scanner.listen();
});

afterEach(async () => {
  await supervisor?.close();
  await scanner.switchOff();
  scans.clear();
  statuses.clear();
});

async function supervise(): Promise<void> {
  const config = ReaderConfig.parse({ kind: 'tcp', id: 'gate', host: '127.0.0.1', port: scanner.port });
  supervisor = await ReaderSupervisor.open({
    readers: [{ id: config.id, driver: driverFor(config) }],
    clock: new SystemClock(),
    random: new SeededRandom(1),
    log: silentLog,
    reopen: { firstMs: 20, maxMs: 50 },
    onScan: (scan) => scans.put(scan),
    onStatus: (status) => statuses.put(status),
  });
}

test('a network scanner that is switched off and on is read again by itself', async () => {
  await supervise();
  (await scanner.connections.next()).write(']E04006381333931\r\n');
  const scan = await scans.next();
  expect([scan.symbology, asText(scan.payload)]).toEqual(['ean-13', '4006381333931']);

  const port = scanner.port;
  await scanner.switchOff();
  expect(await statuses.until(({ kind }) => kind === 'waiting')).toMatchObject({ code: 'DRV_PORT_LOST' });
  await statuses.until((status) => status.kind === 'waiting' && status.code === 'DRV_PORT_ABSENT');

  scanner = await Scanner.listen(port);
  (await scanner.connections.next()).write('K-1\r\n');
  expect(asText((await scans.next()).payload)).toBe('K-1');
});

test('a scanner that hangs up politely is lost all the same', async () => {
  await supervise();
  (await scanner.connections.next()).end();
  expect(await statuses.until(({ kind }) => kind === 'waiting')).toMatchObject({ code: 'DRV_PORT_LOST' });
});

test('a scanner that has not answered by the deadline is absent, and its late answer is nothing', async () => {
  const pending = new Set<() => void>();
  const dueAtOnce: Clock = {
    now: () => 0,
    monotonicMs: () => 0,
    schedule: (_delayMs, callback) => {
      pending.add(callback);
      queueMicrotask(() => {
        if (pending.delete(callback)) callback();
      });
      return () => void pending.delete(callback);
    },
  };
  const seen: unknown[] = [];
  await expect(
    tcpTransport({ host: '127.0.0.1', port: scanner.port, connectTimeoutMs: 1000 })({
      clock: dueAtOnce,
      signal: new AbortController().signal,
      onBytes: (chunk) => seen.push(chunk),
      onLost: (error) => seen.push(error),
    }),
  ).rejects.toMatchObject({ code: 'DRV_PORT_ABSENT' });
  await settle();
  expect(seen).toEqual([]);
});

test('dialling is given up at once when told, and the scanner is let go', async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const opening = tcpTransport({ host: '127.0.0.1', port: scanner.port, connectTimeoutMs: 1000 })({
    clock,
    signal: stop.signal,
    onBytes: () => {},
    onLost: () => {},
  });
  // By then the connection has been asked for and its answer is not yet known.
  process.nextTick(() => stop.abort());
  await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
  expect(clock.pending).toBe(0);
  const socket = await scanner.connections.next();
  await once(socket.resume(), 'close');
});

test('what is written reaches the scanner, and nothing can be written after close', async () => {
  const transport = await tcpTransport({ host: '127.0.0.1', port: scanner.port, connectTimeoutMs: 1000 })({
    clock: new SystemClock(),
    signal: new AbortController().signal,
    onBytes: () => {},
    onLost: () => {},
  });
  const socket = await scanner.connections.next();
  const [written] = await Promise.all([once(socket, 'data'), transport.write(Buffer.from('beep'))]);
  expect(String(written[0])).toBe('beep');
  await Promise.all([transport.close(), transport.close()]);
  await expect(transport.write(Buffer.from('beep'))).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
});
