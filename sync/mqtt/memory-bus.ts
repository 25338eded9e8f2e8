import type { Clock } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Bus, BusOpening, PublishOptions, PublishOutcome, Will } from '../bus.ts';
import type { MemoryBroker, MemorySession } from './memory-broker.ts';
import { Subscribers } from './subscribers.ts';
import { assertTopic } from './topic-filter.ts';

/** How long a publish waits for an acknowledgement that will not come. */
const PUBLISH_TIMEOUT_MS = 10_000;
/** Until a connection is tried again whose will could not be made. */
const RETRY_MS = 1_000;

/** The bus without a network, for tests and for a simulated world: same promises, and a plug to pull. */
export class MemoryBus implements Bus {
  readonly #broker: MemoryBroker;
  readonly #clock: Clock;
  readonly #opening: BusOpening & { readonly log: Log };
  readonly #subscribers: Subscribers;
  readonly #stopListening: () => void;
  #session: MemorySession | undefined;
  #plugged = true;
  #connected = false;
  #closed = false;

  private constructor(
    broker: MemoryBroker,
    opening: BusOpening & { readonly clock: Clock; readonly log: Log },
  ) {
    this.#broker = broker;
    this.#clock = opening.clock;
    this.#opening = opening;
    this.#subscribers = new Subscribers(opening.subscriptions, opening.log);
    this.#stopListening = broker.onStart(() => this.#connectSoon());
  }

  static open(
    broker: MemoryBroker,
    opening: BusOpening & { readonly clock: Clock; readonly log: Log },
  ): Promise<MemoryBus> {
    const bus = new MemoryBus(broker, opening);
    bus.#connectSoon();
    return Promise.resolve(bus);
  }

  get connected(): boolean {
    return this.#connected;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    return this.#subscribers.onConnection(listener);
  }

  async publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<PublishOutcome> {
    assertTopic(topic);
    if (!this.#connected) return 'offline';
    const outcome = this.#broker.accept(topic, payload, options);
    if (outcome === 'timeout') await sleep(this.#clock, PUBLISH_TIMEOUT_MS);
    return outcome;
  }

  /** Pulls the plug: the connection ends without a goodbye, and stays away until {@link replug}. */
  unplug(): void {
    this.#plugged = false;
    this.#part(false);
  }

  replug(): void {
    this.#plugged = true;
    this.#connectSoon();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#stopListening();
    this.#part(true);
    return Promise.resolve();
  }

  #connectSoon(): void {
    queueMicrotask(() => {
      if (this.#closed || !this.#plugged || !this.#broker.running || this.#connected) return;
      let will: Will | undefined;
      try {
        will = this.#opening.will?.();
      } catch (error) {
        this.#opening.log.error({ event: 'bus.attempt-failed', error: asError(error) });
        this.#clock.schedule(RETRY_MS, () => this.#connectSoon());
        return;
      }
      const session: MemorySession = {
        filters: this.#subscribers.filters,
        will,
        deliver: (topic, payload) => this.#subscribers.deliver(topic, payload),
        onLost: () => this.#becomeConnected(false),
      };
      this.#session = session;
      this.#broker.join(session);
      this.#becomeConnected(true);
    });
  }

  #part(goodbye: boolean): void {
    if (this.#session !== undefined) this.#broker.part(this.#session, goodbye);
    this.#session = undefined;
    this.#becomeConnected(false);
  }

  #becomeConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#subscribers.tellConnection(connected);
  }
}
