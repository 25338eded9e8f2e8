import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Opened } from '../../foundation/lifecycle.ts';
import { NetworkProxy } from '../../simulator/network-proxy.ts';

// Goal: each fault looks to both ends as the real one does. Method: an echo server, the proxy, and plain sockets.

let opened = new Opened();
afterEach(async () => {
  await opened.close();
  opened = new Opened();
});

async function echoBehindProxy(): Promise<{ proxy: NetworkProxy; served: Socket[] }> {
  const served: Socket[] = [];
  const server = createServer((socket) => {
    served.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.defer(() => {
    server.close();
    for (const socket of served) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return { proxy: opened.add(await NetworkProxy.open({ target: { host: '127.0.0.1', port } })), served };
}

async function dial(proxy: NetworkProxy): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  opened.defer(() => void socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Settles when a socket is gone, however it went: a reset shows as an error first. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

async function echo(socket: Socket, text: string): Promise<string> {
  const reply = once(socket, 'data');
  socket.write(text);
  return String((await reply)[0]);
}

test('bytes pass both ways and are counted', async () => {
  const { proxy } = await echoBehindProxy();
  expect(await echo(await dial(proxy), 'hello')).toBe('hello');
  expect(proxy.counts).toEqual({ toTarget: 5, toClients: 5, swallowed: 0 });
});

test('a cut breaks both ends of every connection', async () => {
  const { proxy, served } = await echoBehindProxy();
  const client = await dial(proxy);
  await echo(client, 'hello');
  const bothGone = Promise.all([closed(client), ...served.map(closed)]);
  proxy.cut();
  await bothGone;
  expect(proxy.connections).toBe(0);
});

test('while cut, a new connection is reset and nothing reaches the target', async () => {
  const { proxy, served } = await echoBehindProxy();
  proxy.cut();
  const client = connect(proxy.port, '127.0.0.1');
  const fault = await new Promise<NodeJS.ErrnoException>((resolve) => client.once('error', resolve));
  expect(fault.code).toBe('ECONNRESET');
  expect(served).toHaveLength(0);
});

test('a restored network carries new connections', async () => {
  const { proxy } = await echoBehindProxy();
  proxy.cut();
  proxy.restore();
  expect(await echo(await dial(proxy), 'again')).toBe('again');
});

test('a black hole accepts, swallows, and tells no one', async () => {
  const { proxy, served } = await echoBehindProxy();
  const old = await dial(proxy);
  await echo(old, 'before');
  proxy.blackHole();
  const fresh = await dial(proxy);
  old.write('lost');
  fresh.write('lost too');
  await expect.poll(() => proxy.counts.swallowed).toBe('lost'.length + 'lost too'.length);
  expect(old.closed).toBe(false);
  expect(fresh.closed).toBe(false);
  expect(served).toHaveLength(1);
  expect(proxy.counts.toTarget).toBe('before'.length);
});

test('in a black hole the target does not hear that the client has gone, until the network is back', async () => {
  const { proxy, served } = await echoBehindProxy();
  const client = await dial(proxy);
  await echo(client, 'before');
  proxy.blackHole();
  client.destroy();
  await closed(client);
  await echo(await dialThrough(proxy), 'x').catch(() => {});
  expect(served[0]?.closed).toBe(false);
  const heard = Promise.all(served.map(closed));
  proxy.restore();
  await heard;
});

/** A second network stretch to the same target, used as a yardstick: by the time it has answered, news would have arrived. */
async function dialThrough(proxy: NetworkProxy): Promise<Socket> {
  const { proxy: other } = await echoBehindProxy();
  expect(other.port).not.toBe(proxy.port);
  return dial(other);
}

test('a connection that lost bytes breaks when the network is back, one that lost none goes on', async () => {
  const { proxy } = await echoBehindProxy();
  const quiet = await dial(proxy);
  const talker = await dial(proxy);
  await echo(quiet, 'a');
  await echo(talker, 'b');
  proxy.blackHole();
  talker.write('lost');
  await expect.poll(() => proxy.counts.swallowed).toBe(4);
  const gone = closed(talker);
  proxy.restore();
  await gone;
  expect(await echo(quiet, 'still here')).toBe('still here');
});

test('closing twice is closing once, and frees the port', async () => {
  const { proxy } = await echoBehindProxy();
  const client = await dial(proxy);
  const { port } = proxy;
  await Promise.all([proxy.close(), proxy.close()]);
  await closed(client);
  const next = opened.add(await NetworkProxy.open({ target: { host: '127.0.0.1', port: 1 }, port }));
  expect(next.port).toBe(port);
});
