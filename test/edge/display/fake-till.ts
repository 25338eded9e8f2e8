import { randomUUID } from 'node:crypto';
import fastifyStatic from '@fastify/static';
import fastifyWebsocket from '@fastify/websocket';
import fastify, { type FastifyInstance } from 'fastify';
import type { WebSocket } from 'ws';
import { displayPolicy } from '../../../edge/api/display-files.ts';
import type { TillEvent } from '../../../edge/api/events.ts';
import { AT } from './samples.ts';

/** Serves the built page under the daemon's own policy and plays events to it, as the till daemon would. */
export class FakeTill {
  readonly token: string;
  /** What a page that connects hears first. */
  greeting: readonly TillEvent[] = [];
  /** Pages that asked for events since the start. */
  connections = 0;
  readonly #server: FastifyInstance;
  readonly #sockets = new Map<WebSocket, { n: number }>();
  #port = 0;

  private constructor(server: FastifyInstance, token: string) {
    this.#server = server;
    this.token = token;
  }

  /** @param port 0 for any free one */
  static async open(pageFolder: string, port = 0, token: string = randomUUID()): Promise<FakeTill> {
    const server = fastify();
    const till = new FakeTill(server, token);
    server.addHook('onSend', async (request, reply) => {
      reply
        .header('Content-Security-Policy', displayPolicy(request.host, []))
        .header('X-Content-Type-Options', 'nosniff');
    });
    await server.register(fastifyStatic, { root: pageFolder, prefix: '/display/' });
    await server.register(fastifyWebsocket, {
      options: { handleProtocols: (offered: Set<string>) => offered.has('stammkunde.v1') && 'stammkunde.v1' },
    });
    server.get('/v1/events', { websocket: true }, (socket, request) => {
      till.#welcome(socket, request.headers['sec-websocket-protocol'] ?? '');
    });
    await server.listen({ host: '127.0.0.1', port });
    const address = server.server.address();
    till.#port = typeof address === 'object' && address !== null ? address.port : 0;
    return till;
  }

  get port(): number {
    return this.#port;
  }

  /** The page's address, with its token. */
  url(search = ''): string {
    return `http://127.0.0.1:${this.#port}/display/${search}#token=${this.token}`;
  }

  /** Tells every page; each socket counts its own. */
  tell(...payloads: readonly TillEvent[]): void {
    for (const [socket, told] of this.#sockets) this.#send(socket, told, payloads);
  }

  /** Loses a number, as a page too slow to follow would see it. */
  skip(): void {
    for (const told of this.#sockets.values()) told.n += 1;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.keys()) socket.terminate();
    await this.#server.close();
  }

  #welcome(socket: WebSocket, protocols: string): void {
    this.connections += 1;
    if (!protocols.split(', ').includes(`stammkunde.token.${this.token}`)) {
      socket.close(1008);
      return;
    }
    const told = { n: 0 };
    this.#sockets.set(socket, told);
    socket.on('close', () => this.#sockets.delete(socket));
    this.#send(socket, told, this.greeting);
  }

  #send(socket: WebSocket, told: { n: number }, payloads: readonly TillEvent[]): void {
    for (const payload of payloads) {
      told.n += 1;
      socket.send(JSON.stringify({ n: told.n, at: AT, payload }));
    }
  }
}
