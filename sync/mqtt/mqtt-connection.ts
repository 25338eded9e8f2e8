import { connect, ErrorWithSubackPacket } from 'mqtt';
import type { IClientOptions, MqttClient } from 'mqtt';
import type { Clock } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { PublishOptions, PublishOutcome, Will } from '../bus.ts';

/** Why a connection is no more. */
export type EndReason =
  | { readonly kind: 'refused'; readonly returnCode: number; readonly message: string }
  | { readonly kind: 'lost'; readonly message: string };

export interface ConnectionSettings {
  readonly url: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly ca?: Buffer;
  /** 4: MQTT 3.1.1 · 5: MQTT 5. */
  readonly protocolVersion: 4 | 5;
  readonly keepaliveSeconds: number;
  readonly connectTimeoutMs: number;
  readonly publishTimeoutMs: number;
  readonly filters: readonly string[];
  readonly will: Will | undefined;
}

/** Called synchronously from the client's own events. */
export interface ConnectionEvents {
  /** Connected, and every subscription granted. */
  onJoined(): void;
  onMessage(topic: string, payload: Uint8Array): void;
  /** Once, last, unless the connection is ended from this side. */
  onEnded(reason: EndReason): void;
}

/**
 * What a broker answers that means "not you", as opposed to "not now": CONNACK return codes of MQTT 3.1.1 (3.2.2.3), and
 * reason codes of MQTT 5 (2.4): version, client id, password, not authorised, banned, way of authentication.
 */
const REFUSED_CODES: readonly number[] = [1, 2, 4, 5, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c];
/** What is granted from here on is a refusal (MQTT 3.1.1, 3.9.3; MQTT 5, 3.9.3 and 3.4.2.1). */
const FAILURE = 0x80;
/** Largest packet a broker may hand on over MQTT 5: what no server and no till ever sends. */
const PACKET_BYTES_MAX = 8 * 1024 * 1024;
/** Publishes under way at most, and their bytes; beyond that the outcome is `full`. */
const PENDING_MAX = 1_000;
const PENDING_MAX_BYTES = 32 * 1024 * 1024;

/**
 * One life of a connection, from the first attempt to its end; it never reconnects.
 *
 * ```
 * connecting ──CONNACK──▶ subscribing ──SUBACK──▶ joined
 *      └────────────┬──────────┴────────────────────┘
 *                   ▼ error, close, deadline, keepalive
 *                 ended
 * ```
 */
export class MqttConnection {
  readonly #client: MqttClient;
  readonly #clock: Clock;
  readonly #settings: ConnectionSettings;
  readonly #events: ConnectionEvents;
  readonly #cancelJoinDeadline: () => void;
  #state: 'joining' | 'joined' | 'ended' = 'joining';
  #lastError: Error | undefined;
  #pending = 0;
  #pendingBytes = 0;
  /** Publishes without an acknowledgement that the broker takes at one time (MQTT 5, 4.9). */
  #receiveMaximum = PENDING_MAX;
  #unacknowledged = 0;
  /** Publishes that wait until others are acknowledged; counted among the pending ones. */
  readonly #turns: (() => void)[] = [];

  constructor(settings: ConnectionSettings, clock: Clock, events: ConnectionEvents) {
    this.#settings = settings;
    this.#clock = clock;
    this.#events = events;
    // Handlers are attached in this very tick: a message may come in the same read as the CONNACK.
    this.#client = connect(settings.url, clientOptions(settings));
    this.#client.on('message', (topic, payload) => {
      if (this.#state !== 'ended') events.onMessage(topic, payload);
    });
    this.#client.on('error', (error) => {
      this.#lastError = error;
      if (!this.#client.connected) this.#end(reasonOf(error));
    });
    // MQTT 5, 3.14: the broker says why it lets go.
    this.#client.on('disconnect', ({ reasonCode = 0 }) => {
      this.#lastError ??= new Error(`sent away by the broker (0x${reasonCode.toString(16)})`);
    });
    this.#client.on('close', () => this.#end(reasonOf(this.#lastError)));
    this.#client.on('connect', ({ properties }) => {
      this.#receiveMaximum = Math.min(PENDING_MAX, properties?.receiveMaximum ?? PENDING_MAX);
      this.#subscribe();
    });
    this.#cancelJoinDeadline = clock.schedule(settings.connectTimeoutMs, () => {
      this.#end({ kind: 'lost', message: `not connected and subscribed in ${settings.connectTimeoutMs} ms` });
    });
  }

  /** As {@link Bus.publish}; the topic has been checked. */
  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<PublishOutcome> {
    if (this.#state !== 'joined') return Promise.resolve('offline');
    if (this.#pending >= PENDING_MAX || this.#pendingBytes + payload.length > PENDING_MAX_BYTES) {
      return Promise.resolve('full');
    }
    this.#pending += 1;
    this.#pendingBytes += payload.length;
    return new Promise((resolve) => {
      let settled = false;
      let isUnderWay = false;
      const settle = (outcome: PublishOutcome): void => {
        if (settled) return;
        settled = true;
        cancel();
        this.#pending -= 1;
        this.#pendingBytes -= payload.length;
        if (isUnderWay) this.#nextTurn();
        resolve(outcome);
      };
      let messageId: number | undefined;
      const cancel = this.#clock.schedule(this.#settings.publishTimeoutMs, () => {
        settle('timeout');
        // Otherwise a broker that never acknowledges would fill the client's memory.
        if (messageId !== undefined) this.#client.removeOutgoingMessage(messageId);
      });
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
      const send = (): void => {
        if (settled) return;
        isUnderWay = options.qos === 1;
        if (isUnderWay) this.#unacknowledged += 1;
        this.#client.publish(topic, bytes, { qos: options.qos, retain: options.retain ?? false }, (error) => {
          settle(error === undefined || error === null ? 'sent' : isRefusal(error) ? 'refused' : 'offline');
        });
        if (options.qos === 1) messageId = this.#client.getLastMessageId();
      };
      if (options.qos === 1 && this.#unacknowledged >= this.#receiveMaximum) this.#turns.push(send);
      else send();
    });
  }

  /** One was acknowledged, or is given up: the broker may count that one still, and lets go of who sends too much. */
  #nextTurn(): void {
    this.#unacknowledged -= 1;
    while (this.#unacknowledged < this.#receiveMaximum) {
      const next = this.#turns.shift();
      if (next === undefined) return;
      next();
    }
  }

  /** Says goodbye, so that the broker drops the will, and waits no longer than the deadline for the end. */
  leave(deadlineMs: number): Promise<void> {
    if (this.#state !== 'joined') {
      this.drop();
      return Promise.resolve();
    }
    this.#state = 'ended';
    this.#cancelJoinDeadline();
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(deadlineMs, () => {
        this.#client.stream.destroy();
        resolve();
      });
      this.#client.end(false, () => {
        cancel();
        resolve();
      });
    });
  }

  /** Lets go at once, without a goodbye and without an event. */
  drop(): void {
    this.#state = 'ended';
    this.#cancelJoinDeadline();
    this.#client.end(true);
  }

  #subscribe(): void {
    if (this.#state !== 'joining') return;
    if (this.#settings.filters.length === 0) {
      this.#join();
      return;
    }
    const wanted = Object.fromEntries(this.#settings.filters.map((filter) => [filter, { qos: 1 as const }]));
    this.#client.subscribe(wanted, (error) => {
      const granted = error === null ? [] : grantedIn(error);
      const refused = this.#settings.filters.filter((_filter, i) => Number(granted[i]) >= FAILURE);
      if (refused.length > 0) {
        const message = `subscription refused: ${refused.join(', ')}`;
        this.#end({ kind: 'refused', returnCode: FAILURE, message });
      } else if (error !== null) {
        this.#end({ kind: 'lost', message: error.message });
      } else {
        this.#join();
      }
    });
  }

  #join(): void {
    if (this.#state !== 'joining') return;
    this.#state = 'joined';
    this.#cancelJoinDeadline();
    this.#events.onJoined();
  }

  #end(reason: EndReason): void {
    if (this.#state === 'ended') return;
    this.drop();
    this.#events.onEnded(reason);
  }
}

/** The broker's answer to each subscription. Despite its type the error has none when the connection broke. */
function grantedIn(error: Error): readonly (number | object)[] {
  if (!(error instanceof ErrorWithSubackPacket)) return [];
  const packet: typeof error.packet | undefined = error.packet;
  return packet === undefined ? [] : packet.granted;
}

/** Whether an acknowledgement said no (MQTT 5, 3.4.2.1). */
function isRefusal(error: Error): boolean {
  return 'code' in error && typeof error.code === 'number' && error.code >= FAILURE;
}

function clientOptions(settings: ConnectionSettings): IClientOptions {
  return {
    protocolVersion: settings.protocolVersion,
    ...(settings.protocolVersion === 5 ? { properties: { maximumPacketSize: PACKET_BYTES_MAX } } : {}),
    clientId: settings.clientId,
    clean: true,
    keepalive: settings.keepaliveSeconds,
    connectTimeout: settings.connectTimeoutMs,
    // Reconnecting is done outside, by a new connection with a growing and jittered wait; the library's is constant.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    ...(settings.username === undefined ? {} : { username: settings.username }),
    ...(settings.password === undefined ? {} : { password: settings.password }),
    ...(settings.ca === undefined ? {} : { ca: settings.ca }),
    ...(settings.will === undefined
      ? {}
      : {
          will: {
            topic: settings.will.topic,
            payload: Buffer.from(settings.will.payload),
            qos: 1,
            retain: true,
          },
        }),
  };
}

function reasonOf(error: Error | undefined): EndReason {
  if (error === undefined) return { kind: 'lost', message: 'closed by the other side' };
  const code: unknown = 'code' in error ? error.code : undefined;
  return typeof code === 'number' && REFUSED_CODES.includes(code)
    ? { kind: 'refused', returnCode: code, message: error.message }
    : { kind: 'lost', message: asError(error).message };
}
