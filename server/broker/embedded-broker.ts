import { createServer } from 'node:net';
import type { Server as TcpServer, Socket } from 'node:net';
import { Aedes } from 'aedes';
import type { AuthenticateError, Client } from 'aedes';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { BrokerAccess, BrokerUser } from './access.ts';
import { BoundedStream } from './bounded-stream.ts';

/** Largest packet a client may send: a full batch of journal entries, compressed, with room to spare. */
export const PACKET_BYTES_MAX = 4 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 20_000;
/** CONNACK return codes (MQTT 3.1.1, 3.2.2.3). */
const IDENTIFIER_REJECTED = 2;
const BAD_CREDENTIALS = 4;

export interface EmbeddedBrokerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/**
 * A message broker within the server, for one server and its tills. It remembers no sessions: whatever must not be lost
 * is acknowledged by the server, not by a broker.
 */
export class EmbeddedBroker implements Closable {
  readonly #aedes: Aedes;
  readonly #tcp: TcpServer;
  readonly #sockets: ReadonlySet<Socket>;
  #closing: Promise<void> | undefined;

  private constructor(aedes: Aedes, tcp: TcpServer, sockets: ReadonlySet<Socket>) {
    this.#aedes = aedes;
    this.#tcp = tcp;
    this.#sockets = sockets;
  }

  /** @throws StammkundeError PORT_IN_USE */
  static async open(
    options: EmbeddedBrokerOptions,
    ports: { readonly access: BrokerAccess; readonly log: Log },
  ): Promise<EmbeddedBroker> {
    const aedes = await Aedes.createBroker({
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...hooks(ports.access, ports.log),
    });
    const sockets = new Set<Socket>();
    const tcp = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.setNoDelay(true);
      aedes.handle(new BoundedStream(socket, PACKET_BYTES_MAX));
    });
    tcp.maxConnections = CONNECTIONS_MAX;
    try {
      await listen(tcp, options);
    } catch (error) {
      await new Promise<void>((resolve) => aedes.close(resolve));
      throw error;
    }
    return new EmbeddedBroker(aedes, tcp, sockets);
  }

  /** The port it listens on. */
  get port(): number {
    const address = this.#tcp.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await stopped;
  }
}

function listen(tcp: TcpServer, { host, port }: EmbeddedBrokerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    tcp.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new StammkundeError('PORT_IN_USE', `the broker cannot listen on ${host}:${port}`, {
              cause: error,
            })
          : error,
      );
    });
    tcp.listen(port, host, resolve);
  });
}

function hooks(access: BrokerAccess, log: Log): ConstructorParameters<typeof Aedes>[0] {
  const users = new WeakMap<Client, BrokerUser>();
  const holders = new Map<string, { readonly client: Client; readonly user: string }>();

  const deny = (client: Client | null, what: 'publish' | 'subscribe', topic: string): void => {
    const user = client === null ? undefined : users.get(client);
    log.warn({
      event: 'broker.denied',
      code: 'WIRE_FOREIGN',
      what,
      till: user === undefined ? undefined : nameOf(user),
      topic: topic.slice(0, 200),
    });
  };

  return {
    preConnect(_client, packet, done) {
      // A session the broker would have to remember grows without bound while its till is away, and nobody needs it.
      packet.clean = true;
      done(null, true);
    },

    authenticate(client, username, password, done) {
      const user = access.authenticate(username, password);
      if (user === undefined) {
        log.warn({ event: 'broker.refused', code: 'BUS_REFUSED', user: username?.slice(0, 40) });
        done(refusal(BAD_CREDENTIALS), null);
        return;
      }
      // A second client of the same id throws the first one out, so an id belongs to whom it is connected for.
      const holder = holders.get(client.id);
      if (holder !== undefined && !holder.client.closed && holder.user !== nameOf(user)) {
        log.warn({ event: 'broker.client_id_taken', code: 'BUS_REFUSED', till: nameOf(user) });
        done(refusal(IDENTIFIER_REJECTED), null);
        return;
      }
      users.set(client, user);
      holders.set(client.id, { client, user: nameOf(user) });
      client.conn.once('close', () => {
        if (holders.get(client.id)?.client === client) holders.delete(client.id);
      });
      done(null, true);
    },

    // Also asked for last wills. A refusal by error ends the connection, which is how MQTT 3.1.1 says no.
    authorizePublish(client, packet, done) {
      // The broker's own messages have no client and do not pass here.
      const user = client === null ? undefined : users.get(client);
      if (user !== undefined && access.mayPublish(user, packet.topic)) {
        done(null);
        return;
      }
      deny(client, 'publish', packet.topic);
      done(new Error('not authorized'));
    },

    authorizeSubscribe(client, subscription, done) {
      const user = users.get(client);
      if (user !== undefined && access.maySubscribe(user, subscription.topic)) {
        done(null, subscription);
        return;
      }
      deny(client, 'subscribe', subscription.topic);
      // Answered with 0x80 in the SUBACK (MQTT 3.1.1, 3.9.3).
      done(null, null);
    },

    authorizeForward(client, packet) {
      const user = users.get(client);
      return user !== undefined && access.mayReceive(user, packet.topic) ? packet : null;
    },
  };
}

function nameOf(user: BrokerUser): string {
  return user.kind === 'server' ? 'server' : user.till;
}

function refusal(returnCode: number): AuthenticateError {
  // The library types the code as its own ambient const enum, which erasable syntax cannot name.
  return Object.assign(new Error('not authorized'), { returnCode }) as AuthenticateError;
}
