import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { cutInPieces } from './virtual-scanner.ts';
import type { VirtualScanner } from './virtual-scanner.ts';

/** Tills that may be connected at once; a real network scanner takes one or two. */
const TILLS_MAX = 4;

/** A network scanner: it listens on loopback, and the till dials it. */
export class VirtualTcpScanner implements VirtualScanner {
  readonly port: number;
  #server: Server | undefined;
  readonly #tills: Set<Socket>;
  #turn: Promise<void> = Promise.resolve();

  private constructor(server: Server, tills: Set<Socket>) {
    this.#server = server;
    this.#tills = tills;
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    this.port = (server.address() as AddressInfo).port;
  }

  /**
   * @param port 0: any free one
   * @throws Error EADDRINUSE when the port is taken
   */
  static async open(port = 0): Promise<VirtualTcpScanner> {
    const tills = new Set<Socket>();
    return new VirtualTcpScanner(await listen(port, tills), tills);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get plugged(): boolean {
    return this.#server !== undefined;
  }

  /** Tills that are connected now. */
  get tills(): number {
    return this.#tills.size;
  }

  send(bytes: Uint8Array, pieces: readonly number[] = []): Promise<void> {
    return this.#inTurn(async () => {
      for (const piece of cutInPieces(bytes, pieces)) {
        if (this.#tills.size === 0) throw new Error(`no till is connected to the scanner at ${this.address}`);
        await Promise.all([...this.#tills].map((till) => write(till, piece)));
        if (pieces.length > 0) await setImmediate();
      }
    });
  }

  unplug(): Promise<void> {
    return this.#inTurn(async () => {
      const server = this.#server;
      this.#server = undefined;
      if (server === undefined) return;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const till of this.#tills) till.resetAndDestroy();
      });
    });
  }

  plugIn(): Promise<void> {
    return this.#inTurn(async () => {
      this.#server ??= await listen(this.port, this.#tills);
    });
  }

  close(): Promise<void> {
    return this.unplug();
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(step);
    // Whoever asked hears of the failure; the next in turn is not to blame for it.
    this.#turn = done.catch(() => {});
    return done;
  }
}

async function listen(port: number, tills: Set<Socket>): Promise<Server> {
  const server = createServer({ noDelay: true });
  server.maxConnections = TILLS_MAX;
  server.on('connection', (till) => {
    tills.add(till);
    // A broken connection shows as its closing.
    till.on('error', () => {});
    till.on('close', () => tills.delete(till));
    // Commands to a scanner are read and ignored; unread they would keep the closing of the connection from showing.
    till.resume();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return server;
}

function write(till: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    till.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}
