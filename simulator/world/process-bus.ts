import type { Clock } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import type { Log } from '../../foundation/log.ts';
import type { Bus, BusOpening, PublishOptions, PublishOutcome } from '../../sync/bus.ts';
import type { MemoryBroker } from '../../sync/mqtt/memory-broker.ts';
import { MemoryBus } from '../../sync/mqtt/memory-bus.ts';

/** As long as a real client waits for an acknowledgement. */
const PUBLISH_TIMEOUT_MS = 10_000;

export interface ProcessBusOptions extends BusOpening {
  readonly broker: MemoryBroker;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of what is about to be published; whoever ends the process here ends it between two awaits. */
  readonly onPublish: (topic: string, payload: Uint8Array) => void;
  /** Whether a message that arrived is for this process. */
  readonly takes?: (topic: string, payload: Uint8Array) => boolean;
}

/** A simulated process's connection to the broker: it can be cut, go deaf without a sign, or end with its process. */
export class ProcessBus implements Bus {
  readonly #bus: MemoryBus;
  readonly #options: ProcessBusOptions;
  readonly #state: { deaf: boolean; ended: boolean };

  private constructor(bus: MemoryBus, options: ProcessBusOptions, state: { deaf: boolean; ended: boolean }) {
    this.#bus = bus;
    this.#options = options;
    this.#state = state;
  }

  static async open(options: ProcessBusOptions): Promise<ProcessBus> {
    const state = { deaf: false, ended: false };
    const bus = await MemoryBus.open(options.broker, {
      clock: options.clock,
      log: options.log,
      ...(options.will === undefined ? {} : { will: options.will }),
      subscriptions: options.subscriptions.map((subscription) => ({
        filter: subscription.filter,
        onMessage: (topic, payload) => {
          if (state.deaf || state.ended || options.takes?.(topic, payload) === false) return;
          subscription.onMessage(topic, payload);
        },
      })),
    });
    return new ProcessBus(bus, options, state);
  }

  get connected(): boolean {
    return this.#bus.connected;
  }

  async publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<PublishOutcome> {
    if (this.#state.ended) return never();
    this.#options.onPublish(topic, payload);
    if (this.#state.ended) return never();
    if (this.#state.deaf) {
      await sleep(this.#options.clock, PUBLISH_TIMEOUT_MS);
      return 'timeout';
    }
    const outcome = await this.#bus.publish(topic, payload, options);
    return this.#state.ended ? never() : outcome;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    return this.#bus.onConnection((connected) => {
      if (!this.#state.ended) listener(connected);
    });
  }

  /** The cable is pulled, or put back. */
  cut(): void {
    this.#bus.unplug();
  }

  mend(): void {
    this.#state.deaf = false;
    if (!this.#state.ended) this.#bus.replug();
  }

  /** Half open: nothing comes and nothing goes, and nobody notices. */
  goDeaf(): void {
    this.#state.deaf = true;
  }

  /** The process was killed: the broker publishes its will. */
  end(): void {
    this.#state.ended = true;
    this.#bus.unplug();
  }

  close(): Promise<void> {
    return this.#bus.close();
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
