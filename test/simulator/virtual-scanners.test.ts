import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { serialTransport } from '../../drivers/transport/serial.ts';
import { SystemClock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { cutInPieces, scannerFrame } from '../../simulator/readers/virtual-scanner.ts';
import { VirtualSerialScanner } from '../../simulator/readers/virtual-serial-scanner.ts';
import { VirtualTcpScanner } from '../../simulator/readers/virtual-tcp-scanner.ts';

let opened = new Opened();
afterEach(async () => {
  await opened.close();
  opened = new Opened();
});

const FRAME = scannerFrame(']E0', '2900012345671');

async function serialScanner(): Promise<VirtualSerialScanner> {
  const folder = await mkdtemp(join(tmpdir(), 'stammkunde-scanner-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  return opened.add(await VirtualSerialScanner.open(join(folder, 'scanner')));
}

/** Collects what a till's own serial transport takes from a device, which it has open before anything is sent. */
async function openDevice(path: string): Promise<{ received(): string }> {
  let text = '';
  const transport = serialTransport({
    path,
    baudRate: 9600,
    dataBits: 8,
    stopBits: 1,
    parity: 'none',
    rtscts: false,
  });
  opened.add(
    await transport({
      clock: new SystemClock(),
      signal: new AbortController().signal,
      onBytes: (chunk) => (text += Buffer.from(chunk).toString('latin1')),
      onLost: () => {},
    }),
  );
  return { received: () => text };
}

async function dial(scanner: VirtualTcpScanner): Promise<Socket> {
  const till = connect(scanner.port, '127.0.0.1');
  opened.defer(() => void till.destroy());
  till.on('error', () => {});
  await once(till, 'connect');
  await expect.poll(() => scanner.tills).toBe(1);
  return till;
}

test('a frame is AIM identifier, data and CR', () => {
  expect(Buffer.from(FRAME).toString('latin1')).toBe(']E02900012345671\r');
});

test('pieces joined are the whole, however it is cut', () => {
  for (const sizes of [[], [1], [3, 3, 3], [1000], [0, 0, 5], [17], Array.from({ length: 40 }, () => 1)]) {
    expect(Buffer.concat(cutInPieces(FRAME, sizes)).equals(FRAME)).toBe(true);
  }
});

test('what the serial scanner sends, in whatever pieces, is read from its device byte by byte', async () => {
  const scanner = await serialScanner();
  const device = await openDevice(scanner.address);
  await scanner.send(FRAME, [4, 4]);
  await expect.poll(() => device.received()).toBe(']E02900012345671\r');
});

test('an unplugged serial scanner is gone from its path and comes back under it', async () => {
  const scanner = await serialScanner();
  await scanner.unplug();
  expect(existsSync(scanner.address)).toBe(false);
  expect(scanner.plugged).toBe(false);
  await expect(scanner.send(FRAME)).rejects.toThrow('unplugged');
  await scanner.plugIn();
  expect(await readlink(scanner.address)).toMatch(/^\/dev\//);
  const device = await openDevice(scanner.address);
  await scanner.send(FRAME);
  await expect.poll(() => device.received()).toBe(']E02900012345671\r');
});

test('a network scanner sends to the till that dialled it', async () => {
  const scanner = opened.add(await VirtualTcpScanner.open());
  const till = await dial(scanner);
  const heard = once(till, 'data');
  await scanner.send(FRAME);
  expect(String((await heard)[0])).toBe(']E02900012345671\r');
});

test('a network scanner without a till says so', async () => {
  const scanner = opened.add(await VirtualTcpScanner.open());
  await expect(scanner.send(FRAME)).rejects.toThrow('no till is connected');
});

test('an unplugged network scanner breaks the connection and comes back on the same port', async () => {
  const scanner = opened.add(await VirtualTcpScanner.open());
  const till = await dial(scanner);
  const broken = new Promise((resolve) => till.once('close', resolve));
  await scanner.unplug();
  await broken;
  const { port } = scanner;
  await scanner.plugIn();
  expect(scanner.port).toBe(port);
  await dial(scanner);
});
