import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { abortReason } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Line, LinePorts, OpenLine } from './line.ts';

export interface TcpListen {
  readonly host: '127.0.0.1' | '::1';
  /** 0 takes any free port. */
  readonly port: number;
  readonly clientsMax: number;
}

/** Programs of this machine connect and are sent every scan. What they send is not looked at. */
export function tcpListenLine(output: TcpListen, onPort: (port: number) => void = () => {}): OpenLine {
  return async (ports) => {
    if (ports.signal.aborted) throw abortReason(ports.signal);
    const line = new TcpListenLine(output, ports);
    onPort(await line.listen());
    return line;
  };
}

/** One program that listens. */
interface Client {
  readonly socket: Socket;
  /** Scans the operating system has not taken yet. */
  waiting: number;
  cancelStuck: (() => void) | undefined;
}

class TcpListenLine implements Line {
  readonly #output: TcpListen;
  readonly #ports: LinePorts;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  #closing: Promise<void> | undefined;

  constructor(output: TcpListen, ports: LinePorts) {
    this.#output = output;
    this.#ports = ports;
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = output.clientsMax;
  }

  get receivers(): number {
    return this.#clients.size;
  }

  /** @throws StammkundeError PORT_IN_USE · PASS_POS_ABSENT */
  async listen(): Promise<number> {
    const { host, port } = this.#output;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const code = error.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'PASS_POS_ABSENT';
        reject(new StammkundeError(code, `cannot listen on ${host} port ${port}`, { cause: error }));
      });
      this.#server.listen({ host, port }, resolve);
    });
    this.#server.removeAllListeners('error');
    this.#server.on('error', (error) =>
      this.#ports.onLost(
        new StammkundeError('PASS_POS_ABSENT', 'listening for the POS failed', { cause: error }),
      ),
    );
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    return (this.#server.address() as AddressInfo).port;
  }

  send(bytes: Uint8Array): 'taken' | 'nobody' {
    if (this.#clients.size === 0) return 'nobody';
    for (const client of this.#clients) this.#sendTo(client, bytes);
    return 'taken';
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const { socket } of this.#clients) socket.destroy();
    });
    return this.#closing;
  }

  #accept(socket: Socket): void {
    const client: Client = { socket, waiting: 0, cancelStuck: undefined };
    this.#clients.add(client);
    // A broken connection shows as its closing.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#clients.delete(client);
      client.cancelStuck?.();
    });
    // Unread, what the POS sends would keep the end of the connection from showing.
    socket.resume();
    this.#ports.onReady();
  }

  #sendTo(client: Client, bytes: Uint8Array): void {
    client.waiting += 1;
    client.cancelStuck ??= this.#stuckLater(client);
    client.socket.write(bytes, () => {
      client.waiting -= 1;
      client.cancelStuck?.();
      client.cancelStuck = client.waiting > 0 ? this.#stuckLater(client) : undefined;
    });
  }

  /** What waits for so long is not worth having: the program is cut off with it, and connects anew. */
  #stuckLater({ socket }: Client): () => void {
    return this.#ports.clock.schedule(this.#ports.maxAgeMs, () => socket.destroy());
  }
}
