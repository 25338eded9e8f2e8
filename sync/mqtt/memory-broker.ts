import type { Clock } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { PublishOptions, PublishOutcome, Will } from '../bus.ts';
import { matchesFilter } from './topic-filter.ts';

/** A message on one of its two ways. */
interface Passage {
  /** `up`: to the broker · `down`: from the broker to one subscriber. */
  readonly leg: 'up' | 'down';
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** One number for each copy that arrives: after how many ms. `[]` is a loss, `[0, 0]` a duplicate, `[50]` a delay. */
export type Fate = (passage: Passage) => readonly number[];

const FAITHFUL: Fate = () => [0];

/** A connection as the broker sees it. */
export interface MemorySession {
  readonly filters: readonly string[];
  readonly will: Will | undefined;
  deliver(topic: string, payload: Uint8Array): void;
  /** The broker went away. */
  onLost(): void;
}

/** A broker within the process: retained messages, wills, wildcards, and faults on demand. */
export class MemoryBroker {
  /** Decides what becomes of each message; set it to make trouble. */
  fate: Fate = FAITHFUL;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #sessions = new Set<MemorySession>();
  readonly #retained = new Map<string, Uint8Array>();
  readonly #waiting = new Set<() => void>();
  #running = true;

  constructor(dependencies: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Ends abruptly: every connection breaks, no will is published, and only what was retained is still known. */
  stop(): void {
    this.#running = false;
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    for (const session of sessions) session.onLost();
  }

  start(): void {
    this.#running = true;
    for (const tell of this.#waiting) tell();
  }

  /** Undoes every fault: from now on each message arrives once and at once. */
  heal(): void {
    this.fate = FAITHFUL;
  }

  /** Tells of every start; the returned function ends that. */
  onStart(listener: () => void): () => void {
    this.#waiting.add(listener);
    return () => void this.#waiting.delete(listener);
  }

  join(session: MemorySession): void {
    this.#sessions.add(session);
    for (const [topic, payload] of this.#retained) {
      if (session.filters.some((filter) => matchesFilter(filter, topic))) this.#send(session, topic, payload);
    }
  }

  /** Ends a connection; without a goodbye its will is published. */
  part(session: MemorySession, goodbye: boolean): void {
    if (!this.#sessions.delete(session) || goodbye || session.will === undefined) return;
    this.#route(session.will.topic, session.will.payload, true);
  }

  /** Publishes as a connected client does; the outcome says what the broker's acknowledgement would. */
  accept(topic: string, payload: Uint8Array, options: PublishOptions): PublishOutcome {
    const copy = Uint8Array.from(payload);
    const arrivals = this.fate({ leg: 'up', topic, payload: copy });
    for (const delayMs of arrivals) {
      this.#later(delayMs, () => {
        if (this.#running) this.#route(topic, copy, options.retain ?? false);
      });
    }
    return arrivals.length > 0 || options.qos === 0 ? 'sent' : 'timeout';
  }

  #route(topic: string, payload: Uint8Array, retain: boolean): void {
    // MQTT 3.1.1, 3.3.1.3: an empty retained message forgets the topic.
    if (retain && payload.length === 0) this.#retained.delete(topic);
    else if (retain) this.#retained.set(topic, payload);
    for (const session of this.#sessions) {
      if (session.filters.some((filter) => matchesFilter(filter, topic))) this.#send(session, topic, payload);
    }
  }

  #send(session: MemorySession, topic: string, payload: Uint8Array): void {
    for (const delayMs of this.fate({ leg: 'down', topic, payload })) {
      this.#later(delayMs, () => {
        if (this.#sessions.has(session)) session.deliver(topic, payload);
      });
    }
  }

  /** Never within the caller's own call, as no network does. */
  #later(delayMs: number, work: () => void): void {
    const guarded = (): void => {
      try {
        work();
      } catch (error) {
        this.#log.error({ event: 'bus.memory-failed', error: asError(error) });
      }
    };
    if (delayMs > 0) this.#clock.schedule(delayMs, guarded);
    else queueMicrotask(guarded);
  }
}
