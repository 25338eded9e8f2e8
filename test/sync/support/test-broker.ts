import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { Aedes } from 'aedes';
import type { AedesOptions } from 'aedes';
import { onTestFinished } from 'vitest';

/** A TCP server on a port of its own whose connections can be broken, and which can come back on the same port. */
export class Listener {
  readonly sockets = new Set<Socket>();
  port = 0;
  readonly #serve: (socket: Socket) => void;
  readonly #createServer: (serve: (socket: Socket) => void) => Server;
  #server: Server | undefined;

  constructor(
    serve: (socket: Socket) => void,
    create: (serve: (socket: Socket) => void) => Server = (each) => createServer(each),
  ) {
    this.#serve = serve;
    this.#createServer = create;
  }

  async listen(): Promise<this> {
    this.#server = this.#createServer((socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
      this.#serve(socket);
    });
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    // A TCP server's address is an object; only pipes have a string.
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.sockets) socket.destroy();
    if (server === undefined) return;
    server.close();
    await once(server, 'close');
  }
}

/** A real broker that can be killed and come back, remembering nothing. */
export class TestBroker {
  readonly #options: AedesOptions;
  readonly listener: Listener;
  aedes: Aedes | undefined;

  private constructor(options: AedesOptions) {
    this.#options = options;
    this.listener = new Listener((socket) => void this.aedes?.handle(socket));
  }

  static async open(options: AedesOptions = {}): Promise<TestBroker> {
    const broker = new TestBroker(options);
    await broker.start();
    onTestFinished(() => broker.stop());
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.listener.port}`;
  }

  async start(): Promise<void> {
    this.aedes = await Aedes.createBroker(this.#options);
    await this.listener.listen();
  }

  async stop(): Promise<void> {
    const aedes = this.aedes;
    this.aedes = undefined;
    await this.listener.close();
    if (aedes !== undefined) await new Promise<void>((resolve) => aedes.close(() => resolve()));
  }
}
