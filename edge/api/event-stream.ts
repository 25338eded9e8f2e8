import type { WebSocket } from 'ws';
import type { Clock } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { EventMessage, TillEvent } from './events.ts';
import type { Caller } from './gate.ts';
import type { TillNews, TillPort } from './till-port.ts';

/** WebSocket close codes (RFC 6455, 7.4; 4000–4999 are the application's own). */
export const CLOSE_TOO_SLOW = 4008;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_POLICY = 1008;
const CLOSE_TRY_AGAIN = 1013;

export interface StreamLimits {
  readonly clientsMax: number;
  /** Bytes that may wait for one client before it is cut off. */
  readonly bufferMaxBytes: number;
  /** Messages a client may send; nothing is done with them. */
  readonly messagesMax: number;
  /** How long a client that is cut off may take to read why, ms. */
  readonly closeMs: number;
  /** How often the display is told that the till is there, ms: a daemon that stands still closes no connection. */
  readonly heartbeatMs: number;
}

export const defaultStreamLimits: StreamLimits = {
  clientsMax: 32,
  bufferMaxBytes: 4 * 1024 * 1024,
  messagesMax: 100,
  closeMs: 1_000,
  heartbeatMs: 2_000,
};

/**
 * Tells every client everything, in one order. `n` grows by one with each event; a client's `hello` carries the `n` of
 * the last event before it, so what follows begins at the next. A client that does not keep up is cut off rather than
 * told half: it connects again and its `hello` says how things stand.
 */
export class EventStream {
  readonly #till: TillPort;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limits: StreamLimits;
  readonly #clients = new Map<WebSocket, { readonly id: string; readonly caller: Caller }>();
  readonly #stopListening: () => void;
  /** There while a display listens. */
  #cancelHeartbeat: (() => void) | undefined;
  /** No connection of a process has the name of one before its start. */
  readonly #namePrefix: string;
  #named = 0;
  #n = 1;

  constructor(till: TillPort, clock: Clock, log: Log, limits: StreamLimits) {
    this.#till = till;
    this.#clock = clock;
    this.#log = log;
    this.#limits = limits;
    this.#namePrefix = clock.now().toString(36);
    this.#stopListening = till.onEvent((event) => this.#broadcast(event));
  }

  /** Clients that are being told. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Whether a client of this name is being told, and whether it may change things. */
  has(clientId: string): boolean {
    return [...this.#clients.values()].some(({ id, caller }) => id === clientId && caller === 'pos');
  }

  /** Takes a client whose token has been checked: greets it and tells it all from here on. */
  accept(socket: WebSocket, caller: Caller = 'pos'): void {
    let messages = 0;
    socket.on('close', () => this.#forget(socket));
    socket.on('error', (error) => {
      this.#forget(socket);
      this.#log.debug({ event: 'api.client-failed', error: asError(error) });
    });
    socket.on('message', () => {
      messages += 1;
      if (messages > this.#limits.messagesMax) this.#cutOff(socket, CLOSE_POLICY, 'only listen here');
    });
    if (this.#clients.size >= this.#limits.clientsMax) {
      this.#cutOff(socket, CLOSE_TRY_AGAIN, 'too many clients');
      return;
    }
    const { sync, readers } = this.#till.status();
    this.#named += 1;
    const id = `${this.#namePrefix}-${this.#named}`;
    const hello: TillEvent = {
      event: 'hello',
      clientId: id,
      till: this.#till.till,
      store: this.#till.store,
      sale: this.#till.sales.current() ?? null,
      sync,
      readers: [...readers],
      waiting: this.#till.sales.waiting(),
      linking: this.#till.linking.current(),
      ...(caller === 'display' ? { heartbeatMs: this.#limits.heartbeatMs } : {}),
    };
    this.#clients.set(socket, { id, caller });
    if (caller === 'display' && this.#cancelHeartbeat === undefined) this.#beatLater();
    this.#send(socket, this.#encode(hello));
  }

  /** Ends every connection. */
  close(): void {
    this.#stopListening();
    this.#cancelHeartbeat?.();
    for (const socket of this.#clients.keys()) this.#cutOff(socket, CLOSE_GOING_AWAY, 'the till is closing');
  }

  /** It is no event: `n` stays, and only the page that shows whether the till is there gets it. */
  #beatLater(): void {
    this.#cancelHeartbeat = this.#clock.schedule(this.#limits.heartbeatMs, () => {
      this.#cancelHeartbeat = undefined;
      const displays = [...this.#clients].filter(([, { caller }]) => caller === 'display');
      if (displays.length === 0) return;
      this.#beatLater();
      const bytes = this.#encode({ event: 'heartbeat' });
      for (const [socket] of displays) this.#send(socket, bytes);
    });
  }

  #broadcast({ onlyFor, ...event }: TillNews): void {
    this.#n += 1;
    if (this.#clients.size === 0) return;
    const bytes = this.#encode(event);
    // Two programs of the POS must not both sell what was scanned once; the display sells nothing.
    const withheld =
      onlyFor !== undefined && event.event === 'scan'
        ? this.#encode({ ...event, outcome: { kind: 'claimed' } })
        : bytes;
    for (const [socket, { id, caller }] of this.#clients) {
      this.#send(socket, caller === 'pos' && id !== onlyFor ? withheld : bytes);
    }
  }

  #forget(socket: WebSocket): void {
    const client = this.#clients.get(socket);
    this.#clients.delete(socket);
    if (client !== undefined) this.#till.claims.clientGone(client.id);
  }

  #encode(payload: TillEvent): Buffer {
    const message: EventMessage = { n: this.#n, at: this.#clock.now(), payload };
    return Buffer.from(JSON.stringify(message));
  }

  #send(socket: WebSocket, bytes: Buffer): void {
    if (socket.bufferedAmount + bytes.length > this.#limits.bufferMaxBytes) {
      this.#log.warn({ event: 'api.client-too-slow', bufferedBytes: socket.bufferedAmount });
      this.#cutOff(socket, CLOSE_TOO_SLOW, 'too slow');
      return;
    }
    socket.send(bytes, { binary: false });
  }

  /** Nothing more is told it; a client that does not read the reason either loses the connection. */
  #cutOff(socket: WebSocket, code: number, reason: string): void {
    this.#forget(socket);
    socket.close(code, reason);
    const cancel = this.#clock.schedule(this.#limits.closeMs, () => socket.terminate());
    socket.once('close', cancel);
  }
}
