import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Clock } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Random } from '../../foundation/random.ts';

/**
 * `slow`: every piece is late. `cut`: connections break, new ones are reset. `half-open`: whatever is sent vanishes, and
 * nobody hears that the other is gone. `lossy`: bytes are missing in the middle of what is sent.
 */
export type Weather = 'fair' | 'slow' | 'cut' | 'half-open' | 'lossy';

/** Pieces that may be late at once; more break the connection. */
const LATE_MAX = 2_000;
const LATE_MS = 250;
/** Of the pieces in lossy weather. */
const LOSS = 0.2;

interface Line {
  readonly till: Socket;
  readonly broker: Socket | undefined;
  spoilt: boolean;
  late: number;
}

/** The way between one till and its broker. */
export class ChaosProxy implements Closable {
  readonly #server: Server;
  readonly #target: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lines = new Set<Line>();
  #weather: Weather = 'fair';

  private constructor(server: Server, target: number, clock: Clock, random: Random) {
    this.#server = server;
    this.#target = target;
    this.#clock = clock;
    this.#random = random;
    server.on('connection', (till) => this.#accept(till));
  }

  static async open(
    target: number,
    ports: { readonly clock: Clock; readonly random: Random },
  ): Promise<ChaosProxy> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new ChaosProxy(server, target, ports.clock, ports.random);
  }

  get port(): number {
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    return (this.#server.address() as AddressInfo).port;
  }

  set(weather: Weather): void {
    this.#weather = weather;
    for (const line of this.#lines) if (weather === 'cut' || line.spoilt) this.#break(line);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const line of this.#lines) this.#break(line);
    await closed;
  }

  #accept(till: Socket): void {
    till.on('error', () => {});
    if (this.#weather === 'cut') {
      till.resetAndDestroy();
      return;
    }
    const isDead = this.#weather === 'half-open';
    const broker = isDead ? undefined : connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    broker?.on('error', () => {});
    const line: Line = { till, broker, spoilt: isDead, late: 0 };
    this.#lines.add(line);
    this.#carry(line, till, broker);
    if (broker !== undefined) this.#carry(line, broker, till);
  }

  #carry(line: Line, from: Socket, to: Socket | undefined): void {
    from.on('data', (piece: Buffer) => {
      if (to === undefined || line.spoilt || this.#weather === 'half-open') {
        line.spoilt = true;
        return;
      }
      // One that was late is not overtaken.
      if (this.#weather === 'slow' || line.late > 0) {
        if (line.late >= LATE_MAX) {
          this.#break(line);
          return;
        }
        line.late += 1;
        this.#clock.schedule(LATE_MS, () => {
          line.late -= 1;
          if (!to.destroyed) to.write(piece);
        });
        return;
      }
      to.write(this.#weather === 'lossy' && this.#random.next() < LOSS ? this.#torn(piece) : piece);
    });
    from.on('close', () => {
      if (this.#weather === 'half-open') line.spoilt = true;
      else this.#break(line);
    });
  }

  #torn(piece: Buffer): Buffer {
    const from = Math.floor(this.#random.next() * piece.length);
    const length = 1 + Math.floor(this.#random.next() * 16);
    return Buffer.concat([piece.subarray(0, from), piece.subarray(from + length)]);
  }

  #break(line: Line): void {
    if (!this.#lines.delete(line)) return;
    line.till.resetAndDestroy();
    line.broker?.resetAndDestroy();
  }
}
