import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import { ControlMessage } from './control-contract.ts';
import type { ControlAnswer, ControlOrder } from './control-contract.ts';

/** Longest order, in characters: 64 KiB to send, in hexadecimal, and what is around it. */
const LINE_MAX = 140_000;
const CONNECTIONS_MAX = 16;

/** Takes orders for a running shop on loopback: one line of JSON in, one line of JSON out, then it hangs up. */
export class ControlServer implements Closable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #token: Buffer;
  readonly #obey: (order: ControlOrder) => Promise<void>;
  #closing: Promise<void> | undefined;

  private constructor(server: Server, token: string, obey: (order: ControlOrder) => Promise<void>) {
    this.#server = server;
    this.#token = Buffer.from(token);
    this.#obey = obey;
    server.maxConnections = CONNECTIONS_MAX;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** @param obey carries an order out; what it throws is told to whoever asked */
  static async open(token: string, obey: (order: ControlOrder) => Promise<void>): Promise<ControlServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ControlServer(server, token, obey);
  }

  get port(): number {
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
    return this.#closing;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setEncoding('utf8');
    // A broken connection shows as its closing.
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    let line = '';
    const onData = (chunk: string): void => {
      line += chunk;
      const end = line.indexOf('\n');
      if (end === -1 && line.length <= LINE_MAX) return;
      socket.off('data', onData);
      socket.resume();
      // #answer never throws: every fault becomes an answer.
      void this.#answer(line.slice(0, Math.max(0, end))).then((answer) => {
        socket.end(`${JSON.stringify(answer)}\n`);
      });
    };
    socket.on('data', onData);
  }

  async #answer(line: string): Promise<ControlAnswer> {
    try {
      const message = ControlMessage.safeParse(JSON.parse(line));
      if (!message.success) return { ok: false, message: 'the order is not understood' };
      const token = Buffer.from(message.data.token);
      if (token.length !== this.#token.length || !timingSafeEqual(token, this.#token)) {
        return { ok: false, message: 'the token is wrong' };
      }
      await this.#obey(message.data.order);
      return { ok: true };
    } catch (error) {
      return { ok: false, message: asError(error).message };
    }
  }
}
