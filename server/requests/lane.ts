import type { Clock } from '../../foundation/clock.ts';
import type { Request } from '../../sync/contract/messages.ts';
import { TillQueues } from './till-queues.ts';

export interface LaneSettings {
  /** Requests served at once. */
  readonly workers: number;
  /** Requests of one till that may wait; it asks for what is dropped again. */
  readonly waitingOfTillMax: number;
  readonly waitingMax: number;
  /** A request that waited for longer is dropped: its till has given up by then. */
  readonly deadlineMs: number;
}

/** Requests served in the order of their arrival, the tills in turn. */
export class Lane {
  readonly #settings: LaneSettings;
  readonly #clock: Clock;
  readonly #serve: (request: Request) => Promise<void>;
  readonly #queues: TillQueues<{ readonly request: Request; readonly sinceMs: number }>;
  readonly #working = new Set<Promise<void>>();
  #outdated = 0;

  /** @param serve never rejects, and ends in bounded time */
  constructor(settings: LaneSettings, clock: Clock, serve: (request: Request) => Promise<void>) {
    this.#settings = settings;
    this.#clock = clock;
    this.#serve = serve;
    this.#queues = new TillQueues({ each: settings.waitingOfTillMax, all: settings.waitingMax });
  }

  get waiting(): number {
    return this.#queues.size;
  }

  /** Requests whose turn came too late. */
  get outdated(): number {
    return this.#outdated;
  }

  /** False when too many wait already. */
  offer(request: Request): boolean {
    if (!this.#queues.push(request.till, { request, sinceMs: this.#clock.monotonicMs() })) return false;
    if (this.#working.size < this.#settings.workers) {
      const working = this.#work().finally(() => this.#working.delete(working));
      this.#working.add(working);
    }
    return true;
  }

  clear(): void {
    this.#queues.clear();
  }

  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #work(): Promise<void> {
    for (let next = this.#queues.shift(); next !== undefined; next = this.#queues.shift()) {
      if (this.#clock.monotonicMs() - next.sinceMs > this.#settings.deadlineMs) this.#outdated += 1;
      else await this.#serve(next.request);
    }
  }
}
