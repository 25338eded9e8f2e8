import type { Clock } from '../foundation/clock.ts';
import { asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Bus, Will } from './bus.ts';
import type { JournalOwner } from './contract/journal-entry.ts';
import type { TillState } from './contract/messages.ts';
import type { Topics } from './contract/topics.ts';
import { encode } from './contract/wire.ts';

export type TillHealth = NonNullable<TillState['health']>;

/** Numbers that grow with each connection, also across restarts. */
export interface SessionNumbers {
  next(): number;
}

export interface PresenceTimes {
  /** Changes within this time are told together. */
  readonly debounceMs: number;
  /** The state is told again after this time, for a broker that forgot it. */
  readonly repeatMs: number;
}

const defaultPresenceTimes: PresenceTimes = { debounceMs: 5_000, repeatMs: 300_000 };

/**
 * Tells the server that the till is there and how it is: retained, on every connection, on change, and now and then.
 * The broker's last will says that it is gone; both name the session, so a late death of an older one is recognised.
 */
export class Presence implements Closable {
  readonly #owner: JournalOwner;
  readonly #version: string;
  readonly #topic: string;
  readonly #sessions: SessionNumbers;
  readonly #health: () => TillHealth;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #times: PresenceTimes;
  #session = 0;
  #bus: Bus | undefined;
  #stopListening: () => void = () => {};
  #next: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: {
    readonly owner: JournalOwner;
    /** Version of the program, at most 40 characters. */
    readonly version: string;
    readonly topics: Topics;
    readonly sessions: SessionNumbers;
    readonly health: () => TillHealth;
    readonly clock: Clock;
    readonly log: Log;
    readonly times?: PresenceTimes;
  }) {
    this.#owner = options.owner;
    this.#version = options.version;
    this.#topic = options.topics.state(options.owner.till);
    this.#sessions = options.sessions;
    this.#health = options.health;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#times = options.times ?? defaultPresenceTimes;
  }

  /** The last will of the connection about to be made: it opens a new session. */
  will(): Will {
    this.#session = this.#sessions.next();
    return { topic: this.#topic, payload: encode(this.#state(false)) };
  }

  /** From now on the state is told over `bus`, which was opened with {@link will}. */
  start(bus: Bus): void {
    this.#bus = bus;
    this.#stopListening = bus.onConnection((connected) => {
      if (connected) this.#tell();
      else this.#cancel();
    });
    if (bus.connected) this.#tell();
  }

  /** Something the state speaks of has changed. */
  changed(): void {
    if (this.#bus?.connected === true) this.#tellIn(this.#times.debounceMs);
  }

  /** Says goodbye: the broker drops the will of a till that ends in order. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopListening();
    this.#cancel();
    if (this.#bus?.connected === true) {
      await this.#bus.publish(this.#topic, encode(this.#state(false)), { qos: 1, retain: true });
    }
  }

  #tell(): void {
    this.#cancel();
    const bus = this.#bus;
    if (bus === undefined || this.#closing !== undefined) return;
    let payload: Uint8Array;
    try {
      payload = encode(this.#state(true));
    } catch (error) {
      this.#log.error({ event: 'presence.failed', error: asError(error) });
      this.#tellIn(this.#times.repeatMs);
      return;
    }
    this.#tellIn(this.#times.repeatMs);
    bus.publish(this.#topic, payload, { qos: 1, retain: true }).then(
      (outcome) => this.#log.debug({ event: 'presence.told', session: this.#session, outcome }),
      (error: unknown) => this.#log.error({ event: 'presence.failed', error: asError(error) }),
    );
  }

  /** An earlier telling that is already due stands. */
  #tellIn(delayMs: number): void {
    const atMs = this.#clock.monotonicMs() + delayMs;
    if (this.#closing !== undefined || (this.#next !== undefined && this.#next.atMs <= atMs)) return;
    this.#cancel();
    this.#next = { atMs, cancel: this.#clock.schedule(delayMs, () => this.#tell()) };
  }

  #cancel(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }

  #state(online: boolean): TillState {
    return {
      till: this.#owner.till,
      incarnation: this.#owner.incarnation,
      session: this.#session,
      online,
      at: this.#clock.now(),
      version: this.#version,
      ...(online ? { health: this.#health() } : {}),
    };
  }
}
