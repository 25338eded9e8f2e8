import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { SystemClock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { writeSecretFile } from '../../foundation/secret-file.ts';
import { command, shopAddress, shopRuns } from '../../simulator/control-client.ts';
import type { ControlOrder, ShopAddress } from '../../simulator/control-contract.ts';
import { ADDRESS_FILE } from '../../simulator/control-contract.ts';
import { ControlServer } from '../../simulator/control-server.ts';

const clock = new SystemClock();
const ORDER: ControlOrder = { order: 'send', reader: 'serial', hex: '5d45300d' };

let opened = new Opened();
afterEach(async () => {
  await opened.close();
  opened = new Opened();
});

async function shop(
  obey: (order: ControlOrder) => Promise<void> = async () => {},
): Promise<{ folder: string; address: ShopAddress; server: ControlServer }> {
  const folder = await mkdtemp(join(tmpdir(), 'stammkunde-control-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const server = opened.add(await ControlServer.open('a token of some length', obey));
  const address = {
    controlPort: server.port,
    controlToken: 'a token of some length',
    tillUrl: 'http://127.0.0.1:1',
    tillTokenFile: join(folder, 'token'),
  };
  writeSecretFile(join(folder, ADDRESS_FILE), JSON.stringify(address), 'owner');
  return { folder, address, server };
}

test('an order given with the token is obeyed before the answer', async () => {
  const obeyed: ControlOrder[] = [];
  const { address } = await shop(async (order) => void obeyed.push(order));
  expect(await command(address, ORDER, clock)).toEqual({ ok: true });
  expect(obeyed).toEqual([ORDER]);
});

test('an order without the right token is refused and not obeyed', async () => {
  const obeyed: ControlOrder[] = [];
  const { address } = await shop(async (order) => void obeyed.push(order));
  const answer = await command({ ...address, controlToken: 'another token' }, ORDER, clock);
  expect(answer).toEqual({ ok: false, message: 'the token is wrong' });
  expect(obeyed).toEqual([]);
});

test('what went wrong is told to whoever gave the order', async () => {
  const { address } = await shop(async () => {
    throw new Error('the scanner is unplugged');
  });
  expect(await command(address, ORDER, clock)).toEqual({ ok: false, message: 'the scanner is unplugged' });
});

test.each(['garbage\n', '{}\n', '{"token":7}\n', '\n'])('%j is answered and does no harm', async (line) => {
  const { address } = await shop();
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(address.controlPort, '127.0.0.1', () => socket.write(line));
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
  });
  expect(JSON.parse(answer)).toMatchObject({ ok: false });
  expect(await command(address, ORDER, clock)).toEqual({ ok: true });
});

test('a line without end is given up and answered', async () => {
  const { address } = await shop();
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(address.controlPort, '127.0.0.1', () => socket.write('x'.repeat(200_000)));
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
  });
  expect(JSON.parse(answer)).toMatchObject({ ok: false });
});

test('a shop is found by its folder while it runs, and only then', async () => {
  const { folder, server } = await shop();
  expect(await shopRuns(folder, clock)).toBe(true);
  expect(await shopRuns(join(folder, 'elsewhere'), clock)).toBe(false);
  await server.close();
  expect(shopAddress(folder)).toBeDefined();
  expect(await shopRuns(folder, clock)).toBe(false);
});

test('nobody to take an order is told from an order refused', async () => {
  const { address, server } = await shop();
  await server.close();
  expect(await command(address, ORDER, clock)).toBeUndefined();
});
