import type { EventMessage } from '../api/events.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { Random } from '../../foundation/random.ts';
import { type RetrySchedule, retryDelayMs } from '../../foundation/retry-schedule.ts';
import { parseMessage } from './message.ts';
import type { Link } from './state.ts';

/** A socket to the till, as far as the page needs one. */
export interface Socket {
  close(): void;
}

/** What a socket tells; nothing after `ended`. */
export interface SocketEvents {
  frame(data: unknown): void;
  /** The socket closed or could not be opened. */
  ended(): void;
}

/** The page's surroundings, passed in. */
export interface ConnectionPorts {
  readonly clock: Clock;
  readonly random: Random;
  openSocket(events: SocketEvents): Socket;
  /** True when the daemon answers plain HTTP: then it is there and refuses this page's token. Never rejects. */
  daemonAnswers(): Promise<boolean>;
}

export interface ConnectionListener {
  message(message: EventMessage): void;
  link(link: Link): void;
}

/** The daemon is on this machine and a cashier is waiting, so the cap is low. */
const RETRY: RetrySchedule = { firstMs: 500, maxMs: 5_000 };
/** Heartbeats that may be missed before the daemon counts as gone. */
const BEATS_MISSED_MAX = 3;
/** How long a new socket may take until `hello`, ms. */
const HELLO_WITHIN_MS = 5_000;
/** After this long without a fault the next retry starts from the shortest wait again, ms. */
const STEADY_MS = 10_000;

/**
 * Keeps the page connected to its till for ever.
 *
 *   opening ──hello──▶ following ──gap in n, end──▶ waiting ──retry──▶ opening
 *
 * Numbers that skip mean that something was missed: the socket is given up and a new one begins with `hello`, which
 * tells everything anew. Frames that are no message are passed over.
 */
export class TillConnection {
  readonly #ports: ConnectionPorts;
  readonly #listener: ConnectionListener;
  #socket: Socket | undefined;
  /** Counts sockets, so that a late word of an old one is not taken for the new one's. */
  #generation = 0;
  #attempt = 0;
  #lastN: number | undefined;
  #cancelTimer: () => void = () => {};
  /** Something must be heard within this time, ms; undefined where the daemon promised nothing. */
  #heardWithinMs: number | undefined;
  #cancelWatch: () => void = () => {};
  #closed = false;

  private constructor(ports: ConnectionPorts, listener: ConnectionListener) {
    this.#ports = ports;
    this.#listener = listener;
  }

  /** Starts connecting; the listener hears how it goes. */
  static open(ports: ConnectionPorts, listener: ConnectionListener): TillConnection {
    const connection = new TillConnection(ports, listener);
    connection.#connect();
    return connection;
  }

  /** Ends it for good. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dropSocket();
  }

  #connect(): void {
    this.#generation += 1;
    const generation = this.#generation;
    const current = (): boolean => generation === this.#generation && !this.#closed;
    this.#lastN = undefined;
    this.#cancelTimer = this.#ports.clock.schedule(HELLO_WITHIN_MS, () => this.#lost('shown'));
    this.#socket = this.#ports.openSocket({
      frame: (data) => {
        if (current()) this.#take(data);
      },
      ended: () => {
        if (current()) this.#lost('shown');
      },
    });
  }

  #take(data: unknown): void {
    const message = parseMessage(data);
    if (message === null) return;
    if (message.payload.event === 'hello') {
      this.#lastN = message.n;
      const { heartbeatMs } = message.payload;
      this.#heardWithinMs = heartbeatMs === undefined ? undefined : heartbeatMs * BEATS_MISSED_MAX;
      this.#watch();
      this.#cancelTimer();
      this.#cancelTimer = this.#ports.clock.schedule(STEADY_MS, () => {
        this.#attempt = 0;
      });
      this.#listener.link({ kind: 'open' });
    } else {
      this.#watch();
      if (this.#lastN === undefined || message.n <= this.#lastN) return;
      if (message.n !== this.#lastN + 1) {
        this.#lost('silent');
        return;
      }
      this.#lastN = message.n;
    }
    this.#listener.message(message);
  }

  /** A daemon that stands still closes no connection: it is gone when nothing is heard of it. */
  #watch(): void {
    this.#cancelWatch();
    if (this.#heardWithinMs === undefined) return;
    this.#cancelWatch = this.#ports.clock.schedule(this.#heardWithinMs, () => this.#lost('shown'));
  }

  /** A gap is silent: the daemon is there, and what is shown is a moment old at most. */
  #lost(how: 'shown' | 'silent'): void {
    const heardHello = this.#lastN !== undefined;
    this.#dropSocket();
    if (how === 'silent') {
      this.#retryLater();
    } else if (heardHello) {
      this.#listener.link({ kind: 'lost', reason: 'unreachable' });
      this.#retryLater();
    } else {
      const generation = this.#generation;
      void this.#ports.daemonAnswers().then((answers) => {
        if (generation !== this.#generation || this.#closed) return;
        this.#listener.link({ kind: 'lost', reason: answers ? 'not-allowed' : 'unreachable' });
        this.#retryLater();
      });
    }
  }

  #retryLater(): void {
    const delayMs = retryDelayMs(RETRY, this.#attempt, this.#ports.random);
    this.#attempt += 1;
    this.#cancelTimer = this.#ports.clock.schedule(delayMs, () => this.#connect());
  }

  #dropSocket(): void {
    this.#cancelTimer();
    this.#cancelWatch();
    this.#heardWithinMs = undefined;
    this.#generation += 1;
    this.#socket?.close();
    this.#socket = undefined;
  }
}
