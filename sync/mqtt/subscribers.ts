import { asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Subscription } from '../bus.ts';
import { matchesFilter } from './topic-filter.ts';

/** Hands messages and connection changes to those who asked; whatever they throw ends here, in the log. */
export class Subscribers {
  readonly filters: readonly string[];
  readonly #subscriptions: readonly Subscription[];
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #log: Log;

  constructor(subscriptions: readonly Subscription[], log: Log) {
    this.filters = [...new Set(subscriptions.map((subscription) => subscription.filter))];
    this.#subscriptions = subscriptions;
    this.#log = log;
  }

  deliver(topic: string, payload: Uint8Array): void {
    for (const subscription of this.#subscriptions) {
      if (!matchesFilter(subscription.filter, topic)) continue;
      try {
        subscription.onMessage(topic, payload);
      } catch (error) {
        this.#log.error({ event: 'bus.handler-failed', filter: subscription.filter, error: asError(error) });
      }
    }
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tellConnection(connected: boolean): void {
    for (const listener of this.#listeners) {
      try {
        listener(connected);
      } catch (error) {
        this.#log.error({ event: 'bus.listener-failed', connected, error: asError(error) });
      }
    }
  }
}
