import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { abortReason } from '../../../foundation/clock.ts';
import type { Clock } from '../../../foundation/clock.ts';
import type { ErrorCode } from '../../../foundation/error-codes.ts';
import { asError, StammkundeError } from '../../../foundation/errors.ts';
import type { Closable } from '../../../foundation/lifecycle.ts';
import type { Log } from '../../../foundation/log.ts';

/** Looks at a copy of what passes between register and terminal. Whatever it does or throws, the bytes have passed. */
export interface LineTap {
  /** @param bytes a copy, the tap’s to keep and to overwrite */
  fromRegister(bytes: Uint8Array, atMonotonicMs: number): void;
  fromTerminal(bytes: Uint8Array, atMonotonicMs: number): void;
  /** Whether the register waits for the terminal: closing now would tear a payment in two. */
  readonly busy: boolean;
  close(): void;
}

export interface TerminalLineOptions {
  readonly readerId: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly terminal: { readonly host: string; readonly port: number; readonly connectTimeoutMs: number };
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** A new tap for each connection of the register. */
  readonly tap: () => LineTap;
  /** Listening ended by itself, with DRV_PORT_LOST. */
  readonly onLost: (error: StammkundeError) => void;
}

/** Registers connected at once; a terminal serves one, and a second may replace one that hangs. */
const CONNECTIONS_MAX = 4;
/** Quiet time before the first keep-alive probe, ms. */
const KEEP_ALIVE_AFTER_MS = 10_000;
/** A connection only one side of which has hung up is ended after this long without a byte, ms. */
const HALF_CLOSED_MS = 30_000;
/** How long closing waits for a register that was told the end, ms. */
const IDLE_GRACE_MS = 500;
/** How long closing waits for a payment that is under way, ms: less than a supervisor waits for closing. */
const PAYMENT_GRACE_MS = 4_000;

/**
 * A cable between cash register and payment terminal, with a tap.
 *
 * ```
 *   register ══► listen ══════════════════════════════► terminal      bytes first, unchanged, at once
 *                   └── copy ─► tap ◄─ copy ──┘                       then the tap, whose faults stay its own
 * ```
 *
 * Each connection of the register is one connection to the terminal. What ends on one side ends on the other in the
 * same way: an end as an end, a break as a break. Nothing is ever sent to either side by this code, and the terminal is
 * not dialled unless the register dials. A chunk is overwritten once the operating system has it.
 */
export class TerminalLine implements Closable {
  readonly #server: Server;
  readonly #options: TerminalLineOptions;
  readonly #pairs = new Set<Pair>();
  #closing: Promise<void> | undefined;

  private constructor(server: Server, options: TerminalLineOptions) {
    this.#server = server;
    this.#options = options;
    server.maxConnections = CONNECTIONS_MAX;
    server.on('connection', (register) => this.#accept(register));
    server.on('error', (cause) => {
      if (this.#closing !== undefined) return;
      options.onLost(
        new StammkundeError('DRV_PORT_LOST', 'the register is no longer listened to', { cause }),
      );
    });
  }

  /** @throws StammkundeError PORT_IN_USE or DRV_PORT_DENIED; the signal’s reason when aborted */
  static async open(options: TerminalLineOptions): Promise<TerminalLine> {
    const { listen, signal } = options;
    if (signal.aborted) throw abortReason(signal);
    // Registers and terminals end their directions one by one, and what the other has to say must still arrive.
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new StammkundeError(
            listenFaultCode(error),
            `${listen.host}:${listen.port} cannot be listened on for the register`,
            { cause: error },
          ),
        ),
      );
      server.listen(listen.port, listen.host, () => {
        server.removeAllListeners('error');
        resolve();
      });
    });
    if (signal.aborted) {
      server.close();
      throw abortReason(signal);
    }
    return new TerminalLine(server, options);
  }

  /** Port the register dials. */
  get port(): number {
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no new register, lets a payment under way come to its end for four seconds, then hangs up. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, log, readerId } = this.#options;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    if ([...this.#pairs].some((pair) => pair.busy)) {
      log.warn({ event: 'terminal.closing-waits', readerId, forMs: PAYMENT_GRACE_MS });
    }
    for (const pair of this.#pairs) pair.endWhenIdle();
    const cancelIdle = clock.schedule(IDLE_GRACE_MS, () => {
      for (const pair of this.#pairs) if (!pair.busy) pair.hangUp();
    });
    const cancelBusy = clock.schedule(PAYMENT_GRACE_MS, () => {
      for (const pair of this.#pairs) {
        log.warn({ event: 'terminal.payment-cut', readerId });
        pair.hangUp();
      }
    });
    await closed;
    cancelIdle();
    cancelBusy();
  }

  #accept(register: Socket): void {
    const pair = new Pair(register, this.#options, () => this.#pairs.delete(pair));
    if (this.#closing !== undefined) {
      pair.hangUp();
      return;
    }
    this.#pairs.add(pair);
    pair.open();
  }
}

function listenFaultCode(error: NodeJS.ErrnoException): ErrorCode {
  if (error.code === 'EADDRINUSE') return 'PORT_IN_USE';
  return error.code === 'EACCES' || error.code === 'EPERM' ? 'DRV_PORT_DENIED' : 'DRV_PORT_ABSENT';
}

/** One connection of the register and the connection to the terminal it stands for. */
class Pair {
  readonly #register: Socket;
  readonly #options: TerminalLineOptions;
  readonly #onGone: () => void;
  readonly #tap: LineTap;
  #terminal: Socket | undefined;
  #tapFailed = false;
  #endWhenIdle = false;
  #gone = false;
  #cancelDeadline: () => void = () => {};
  #cancelHalfClosed: () => void = () => {};

  constructor(register: Socket, options: TerminalLineOptions, onGone: () => void) {
    this.#register = register;
    this.#options = options;
    this.#onGone = onGone;
    this.#tap = options.tap();
    register.on('error', () => {}); // shows as its closing
    register.on('close', (broken) => this.#ended(this.#terminal, broken));
  }

  /** A tap that failed cannot tell, so it may be. */
  get busy(): boolean {
    return this.#tapFailed || this.#tap.busy;
  }

  open(): void {
    const { terminal, clock } = this.#options;
    this.#register.setKeepAlive(true, KEEP_ALIVE_AFTER_MS);
    const socket = connect({
      host: terminal.host,
      port: terminal.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
      allowHalfOpen: true,
    });
    this.#terminal = socket;
    let connected = false;
    this.#cancelDeadline = clock.schedule(terminal.connectTimeoutMs, () => {
      this.#unreachable(undefined);
      this.hangUp();
    });
    socket.on('error', (error) => {
      if (!connected) this.#unreachable(error);
    });
    socket.on('close', (broken) => this.#ended(this.#register, broken));
    socket.once('connect', () => {
      connected = true;
      this.#cancelDeadline();
      this.#carry(this.#register, socket, (bytes, at) => this.#tap.fromRegister(bytes, at));
      this.#carry(socket, this.#register, (bytes, at) => this.#tap.fromTerminal(bytes, at));
    });
  }

  /** Ends both connections at once, as pulling the cable does. */
  hangUp(): void {
    this.#register.resetAndDestroy();
    this.#terminal?.resetAndDestroy();
    this.#over();
  }

  endWhenIdle(): void {
    this.#endWhenIdle = true;
    if (!this.busy) this.#endAfterFlush();
  }

  #carry(from: Socket, to: Socket, tap: (bytes: Uint8Array, atMonotonicMs: number) => void): void {
    to.on('drain', () => from.resume());
    from.on('data', (chunk: Buffer) => {
      const at = this.#options.clock.monotonicMs();
      const copy = new Uint8Array(chunk);
      // The other side has it before anything is made of it here.
      const roomLeft = to.write(chunk, () => chunk.fill(0));
      if (!roomLeft) from.pause();
      this.#look(() => tap(copy, at));
      if (to.readableEnded) this.#awaitOtherEnd();
    });
    from.on('end', () => {
      to.end();
      this.#awaitOtherEnd();
    });
    from.resume();
  }

  /** The tap may fail in any way: it is then not asked again, and the line carries on. */
  #look(look: () => void): void {
    try {
      if (!this.#tapFailed) look();
    } catch (error) {
      this.#tapFailed = true;
      // The name alone: a message could repeat what it could not read.
      this.#options.log.error({
        event: 'terminal.tap-failed',
        readerId: this.#options.readerId,
        name: asError(error).name,
      });
    }
    if (this.#endWhenIdle && !this.busy) this.#endAfterFlush();
  }

  #endAfterFlush(): void {
    this.#register.end();
    this.#terminal?.end();
    this.#awaitOtherEnd();
  }

  #awaitOtherEnd(): void {
    this.#cancelHalfClosed();
    this.#cancelHalfClosed = this.#options.clock.schedule(HALF_CLOSED_MS, () => this.hangUp());
  }

  /** One side is gone for good. */
  #ended(other: Socket | undefined, broken: boolean): void {
    if (broken) other?.resetAndDestroy();
    else other?.end();
    if (this.#register.destroyed && (this.#terminal?.destroyed ?? true)) this.#over();
  }

  #over(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#cancelDeadline();
    this.#cancelHalfClosed();
    this.#look(() => this.#tap.close());
    this.#onGone();
  }

  #unreachable(cause: Error | undefined): void {
    const { log, readerId, terminal } = this.#options;
    log.warn({
      event: 'terminal.unreachable',
      code: 'DRV_PORT_ABSENT',
      readerId,
      terminal: `${terminal.host}:${terminal.port}`,
      ...(cause === undefined ? {} : { error: cause }),
    });
  }
}
