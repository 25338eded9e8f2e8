import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Closable } from '../foundation/lifecycle.ts';

/**
 * `up`: bytes pass. `cut`: every connection is broken and each new one is reset at once. `black-hole`: connections stay
 * and new ones are accepted, but nothing that is sent ever arrives, as behind a router that lost its route.
 */
export type NetworkState = 'up' | 'cut' | 'black-hole';

export interface ByteCounts {
  /** Handed on to the target. */
  readonly toTarget: number;
  /** Handed back to those who dialled in. */
  readonly toClients: number;
  /** Swallowed by the black hole, in both directions. */
  readonly swallowed: number;
}

interface Connection {
  readonly client: Socket;
  readonly target: Socket | undefined;
  /** Bytes of it were lost, or it never had a far end: it can only break when the network comes back. */
  spoilt: boolean;
}

/** Most connections at once; a loop of reconnections must not eat the machine's sockets. */
const CONNECTIONS_MAX = 1_000;

/**
 * A stretch of network on loopback that can be broken.
 *
 * ```
 *   till ──► 127.0.0.1:port ══(up | cut | black-hole)══► target
 * ```
 */
export class NetworkProxy implements Closable {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #connections = new Set<Connection>();
  #state: NetworkState = 'up';
  #counts = { toTarget: 0, toClients: 0, swallowed: 0 };
  #closing: Promise<void> | undefined;

  private constructor(server: Server, target: { readonly host: string; readonly port: number }) {
    this.#server = server;
    this.#target = target;
    server.maxConnections = CONNECTIONS_MAX;
    server.on('connection', (client) => this.#accept(client));
  }

  /**
   * Listens on loopback.
   * @param options.port 0 or absent: any free one
   * @throws Error EADDRINUSE when the port is taken
   */
  static async open(options: {
    readonly target: { readonly host: string; readonly port: number };
    readonly port?: number;
  }): Promise<NetworkProxy> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new NetworkProxy(server, options.target);
  }

  get port(): number {
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    return (this.#server.address() as AddressInfo).port;
  }

  get state(): NetworkState {
    return this.#state;
  }

  get counts(): ByteCounts {
    return { ...this.#counts };
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#connections.size;
  }

  cut(): void {
    this.#state = 'cut';
    for (const connection of this.#connections) this.#break(connection);
  }

  blackHole(): void {
    this.#state = 'black-hole';
  }

  restore(): void {
    this.#state = 'up';
    for (const connection of this.#connections) if (connection.spoilt) this.#break(connection);
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const connection of this.#connections) this.#break(connection);
    });
    return this.#closing;
  }

  #accept(client: Socket): void {
    // Errors of either end show as its closing, which breaks the other end.
    client.on('error', () => {});
    if (this.#state === 'cut' || this.#closing !== undefined) {
      client.resetAndDestroy();
      return;
    }
    const reachable = this.#state === 'up';
    const target = reachable ? connect({ ...this.#target, noDelay: true }) : undefined;
    target?.on('error', () => {});
    const connection: Connection = { client, target, spoilt: !reachable };
    this.#connections.add(connection);
    this.#carry(connection, client, target, 'toTarget');
    if (target !== undefined) this.#carry(connection, target, client, 'toClients');
  }

  #carry(
    connection: Connection,
    from: Socket,
    to: Socket | undefined,
    counter: 'toTarget' | 'toClients',
  ): void {
    from.on('data', (chunk: Buffer) => {
      if (to === undefined || this.#state === 'black-hole' || connection.spoilt) {
        connection.spoilt = true;
        this.#counts.swallowed += chunk.length;
        return;
      }
      this.#counts[counter] += chunk.length;
      if (!to.write(chunk)) from.pause();
    });
    to?.on('drain', () => from.resume());
    from.on('end', () => {
      if (this.#state === 'up') to?.end();
    });
    from.on('close', () => {
      // While the network is a black hole, neither end hears that the other has gone.
      if (this.#state !== 'black-hole') this.#break(connection);
      else if (to === undefined || to.closed) this.#connections.delete(connection);
      else connection.spoilt = true;
    });
  }

  #break(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    connection.client.resetAndDestroy();
    connection.target?.resetAndDestroy();
  }
}
