// Goal: a POS on a virtual port or a socket gets what the reader read, byte for byte, also when the daemon dies.
// Method: the whole till with a network scanner and without a server; the POS opens the port as any serial port.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readlink, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { serialTransport } from '../../../drivers/transport/serial.ts';
import type { Transport } from '../../../drivers/transport/transport.ts';
import { EdgeConfig } from '../../../edge/config.ts';
import type { Till } from '../../../edge/till.ts';
import { SystemClock } from '../../../foundation/clock.ts';
import type { StammkundeError } from '../../../foundation/errors.ts';
import { parseYamlConfig } from '../../../foundation/yaml-config.ts';
import { freePort } from '../../../simulator/free-port.ts';
import { TillClient } from '../../../simulator/till-client.ts';
import { VirtualTcpScanner } from '../../../simulator/readers/virtual-tcp-scanner.ts';
import { waitUntil } from '../../../simulator/wait-until.ts';
import { Inbox } from '../../drivers/inbox.ts';
import { projectFile } from '../../support/run-program.ts';
import { TillFolder } from '../till-folder.ts';

const clock = new SystemClock();
const HOUSE_CARD = '2903401987698';
const PANS = ['4111111111111111', '5555555555554444', '378282246310005', '6200000000000005'];

let folder: string;
let port: string;

beforeEach((context) => {
  if (process.platform === 'win32') context.skip('this platform has no pseudo-terminals');
  folder = mkdtempSync(join(tmpdir(), 'shared-reader-'));
  port = join(folder, 'scanner');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A POS on a serial port. */
class SerialPos {
  readonly lost = new Inbox<StammkundeError>();
  #text = '';
  #wake: () => void = () => {};
  #transport: Transport | undefined;

  static async open(path: string): Promise<SerialPos> {
    const pos = new SerialPos();
    const line = { path, baudRate: 9600, dataBits: 8, stopBits: 1, parity: 'none', rtscts: false } as const;
    pos.#transport = await serialTransport(line)({
      clock,
      signal: new AbortController().signal,
      onBytes: (chunk) => pos.take(chunk),
      onLost: (error) => pos.lost.put(error),
    });
    onTestFinished(() => pos.close());
    return pos;
  }

  take(chunk: Uint8Array): void {
    this.#text += Buffer.from(chunk).toString('latin1');
    this.#wake();
  }

  /** All that was read, once it ends so. */
  async until(end: string): Promise<string> {
    while (!this.#text.endsWith(end)) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#text;
  }

  async close(): Promise<void> {
    await this.#transport?.close();
  }
}

interface Shop {
  readonly till: Till;
  readonly scanner: VirtualTcpScanner;
  readonly client: TillClient;
}

async function open(outputs: readonly string[]): Promise<Shop> {
  const scanner = await VirtualTcpScanner.open();
  const tillFolder = new TillFolder(scanner.port);
  const yaml = `${tillFolder.yaml()}\npassThrough:\n  outputs:\n${outputs.map((each) => `    - ${each}\n`).join('')}`;
  const till = await tillFolder.open(parseYamlConfig(yaml, EdgeConfig, 'test'));
  onTestFinished(async () => {
    await till.close();
    await scanner.close();
    tillFolder[Symbol.dispose]();
  });
  const client = new TillClient(till.apiUrl, readFileSync(tillFolder.file('api.token'), 'utf8').trim());
  await eventually('the scanner', async () => (scanner.tills > 0 ? true : undefined));
  return { till, scanner, client };
}

function eventually<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  return waitUntil(probe, { clock, deadlineMs: 10_000, everyMs: 10, what });
}

test('products reach the POS on the virtual port byte for byte and in order; cards and payment cards do not', async () => {
  const shop = await open([`{ id: pos, kind: pty, path: ${port} }`]);
  const pos = await eventually('the port', async () => SerialPos.open(port).catch(() => undefined));
  await shop.scanner.send(Buffer.from(']E04006381333931\r'));
  await shop.scanner.send(Buffer.from(`]E0${HOUSE_CARD}\r`));
  for (const pan of PANS) await shop.scanner.send(Buffer.from(`${pan}\r]C0${pan}\r;${pan}=30121011000?\r`));
  await shop.scanner.send(Buffer.from(']C101040063813339311 0AB\u001d21X\r'));
  await shop.scanner.send(Buffer.from([0x5d, 0x64, 0x31, 0x00, 0xff, 0x80, 0x0d]));
  await shop.scanner.send(Buffer.from(`]E0${HOUSE_CARD.slice(0, 12)}9\rend\r`));
  expect(await pos.until('end\r')).toBe(
    ']E04006381333931\r]C101040063813339311 0AB\u001d21X\r]d1\u0000\u00ff\u0080\rend\r',
  );
});

test('several programs on TCP get every product; the POS that listens itself gets them without identifier', async () => {
  const reading = new SerialPos();
  const server = createServer((socket) => socket.on('data', (chunk: Buffer) => reading.take(chunk)));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const listening = await freePort(0);
  // A server that listens on TCP has an AddressInfo.
  const dialled = (server.address() as AddressInfo).port;
  const shop = await open([
    `{ id: many, kind: tcp-listen, port: ${listening}, suffix: crlf }`,
    `{ id: one, kind: tcp-connect, host: 127.0.0.1, port: ${dialled}, aim: strip }`,
  ]);
  const programs = await Promise.all(
    [0, 1].map(async () => {
      const pos = new SerialPos();
      const socket = connect({ host: '127.0.0.1', port: listening });
      socket.on('data', (chunk: Buffer) => pos.take(chunk));
      onTestFinished(() => void socket.destroy());
      await once(socket, 'connect');
      return pos;
    }),
  );
  await eventually('both programs and the connection', async () => {
    const { passThrough } = await shop.client.status();
    const receivers = passThrough?.outputs.map((output) => output.receivers);
    return receivers?.[0] === 2 && receivers[1] === 1 ? true : undefined;
  });
  await shop.scanner.send(Buffer.from(']E04006381333931\r]E04006381333948\r'));
  for (const pos of programs) {
    expect(await pos.until('48\r\n')).toBe(']E04006381333931\r\n]E04006381333948\r\n');
  }
  expect(await reading.until('48\r')).toBe('4006381333931\r4006381333948\r');
});

test('what nobody reads on the virtual port is gone when the POS opens it', async () => {
  const shop = await open([`{ id: pos, kind: pty, path: ${port}, maxAgeMs: 100 }`]);
  await eventually('the port', async () => readlink(port));
  await shop.scanner.send(Buffer.from('of the customer before\r'));
  const { passThrough } = await eventually('the taking back', async () => {
    const status = await shop.client.status();
    return status.passThrough?.outputs[0]?.dropped.stale === 1 ? status : undefined;
  });
  expect(passThrough?.outputs[0]).toMatchObject({ status: 'ready', receivers: 0, passed: 0 });
  const pos = await SerialPos.open(port);
  await shop.scanner.send(Buffer.from('of this one\r'));
  expect(await pos.until('one\r')).toBe('of this one\r');
  const { passThrough: after } = await eventually('the look after what was read', async () => {
    const status = await shop.client.status();
    return status.passThrough?.outputs[0]?.receivers === null ? status : undefined;
  });
  expect(after?.outputs[0]).toMatchObject({ passed: 1, dropped: { stale: 1, full: 0 } });
});

test('an output that cannot be made says why, is tried again, and the till identifies meanwhile', async () => {
  writeFileSync(port, 'somebody’s file');
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  // A server that listens on TCP has an AddressInfo.
  const takenPort = (taken.address() as AddressInfo).port;
  const shop = await open([
    `{ id: file, kind: pty, path: ${port} }`,
    `{ id: folder, kind: pty, path: ${join(folder, 'none', 'scanner')} }`,
    `{ id: tcp, kind: tcp-listen, port: ${takenPort} }`,
  ]);
  const outputs = await eventually('the outputs’ faults', async () => {
    const status = await shop.client.status();
    const all = status.passThrough?.outputs ?? [];
    return all.every((output) => output.status === 'waiting') ? all : undefined;
  });
  expect(outputs.map(({ code }) => code)).toEqual(['PASS_PATH_DENIED', 'PASS_PATH_DENIED', 'PORT_IN_USE']);
  expect(readFileSync(port, 'utf8')).toBe('somebody’s file');
  await new Promise((resolve) => taken.close(resolve));
  rmSync(port);
  await eventually('the outputs', async () => {
    const status = await shop.client.status();
    const ready = status.passThrough?.outputs.map((output) => output.status);
    return ready?.[0] === 'ready' && ready[2] === 'ready' ? true : undefined;
  });
});

test('the port may be opened by the group of the daemon unless more or less is said', async () => {
  await open([
    `{ id: a, kind: pty, path: ${port} }`,
    `{ id: b, kind: pty, path: ${port}-b, access: owner }`,
    `{ id: c, kind: pty, path: ${port}-c, access: all }`,
  ]);
  const modes = await eventually('the ports', () =>
    Promise.all([port, `${port}-b`, `${port}-c`].map(async (path) => (await stat(path)).mode & 0o777)),
  );
  expect(modes).toEqual([0o660, 0o600, 0o666]);
});

test('a daemon killed with a scan under way hangs up; the next one has the same path, and no scan comes twice', async () => {
  const first = await sharing();
  const pos = await SerialPos.open(port);
  await first.scan('one');
  await first.scan('two');
  expect(await pos.until('two\r')).toBe(']E0one\r]E0two\r');
  first.child.kill('SIGKILL');
  // What a POS sees: its port is gone, as if the scanner had been unplugged.
  expect(await pos.lost.next()).toMatchObject({ code: 'DRV_PORT_LOST' });
  await pos.close();
  expect(await readlink(port)).toMatch(/^\/dev\//);

  const second = await sharing();
  const again = await SerialPos.open(port);
  await second.scan('three');
  expect(await again.until('three\r')).toBe(']E0three\r');
  second.child.stdin?.end();
  second.child.kill('SIGTERM');
  await again.lost.next();
});

/** A process that shares the virtual port. */
async function sharing(): Promise<{ readonly child: ChildProcess; scan(code: string): Promise<void> }> {
  const child = spawn(process.execPath, [projectFile('test/edge/pass-through/pass-through-child.ts'), port], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = new Inbox<string>();
  createInterface({ input: child.stdout }).on('line', (line) => said.put(line));
  await said.until((line) => line === 'ready');
  return {
    child,
    async scan(code) {
      child.stdin.write(`${code}\n`);
      await said.until((line) => line === code);
    },
  };
}
