import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/**
 * The wished port when it is free on loopback, else any free one. Between asking and listening another program may take
 * it: whoever listens must still be ready to fail.
 * @param wished 0: any free one
 */
export async function freePort(wished: number): Promise<number> {
  return (await tryPort(wished)) ?? (await tryPort(0)) ?? wished;
}

async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    return (server.address() as AddressInfo).port;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
