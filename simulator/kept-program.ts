import type { Clock } from '../foundation/clock.ts';
import { sleep } from '../foundation/clock.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { ChildProgram } from './child-program.ts';

/** Before a program that ended is started again, ms. */
const REVIVE_AFTER_MS = 1_000;

/** How often a program is started again before its ending is taken for the end of the shop. */
const REVIVALS_MAX = 5;

/** A program that runs for as long as it is wanted: one that ends by itself is reported, and started again. */
export class KeptProgram implements Closable {
  /** Settles with its last words when the program ended and is not started again. */
  readonly failed: Promise<string>;
  readonly #start: () => ChildProgram;
  readonly #revivalsMax: number;
  readonly #clock: Clock;
  readonly #say: (line: string) => void;
  readonly #closing = new AbortController();
  #current: ChildProgram;

  /** @param revive false: the first ending is the last */
  constructor(
    start: () => ChildProgram,
    options: { readonly revive: boolean; readonly clock: Clock; readonly say: (line: string) => void },
  ) {
    this.#start = start;
    this.#revivalsMax = options.revive ? REVIVALS_MAX : 0;
    this.#clock = options.clock;
    this.#say = options.say;
    this.#current = start();
    this.failed = this.#watch();
  }

  get current(): ChildProgram {
    return this.#current;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#current.close();
  }

  /** Never settles for a program that is closed, which is no failure. */
  async #watch(): Promise<string> {
    for (let revivals = 0; ; revivals += 1) {
      const lastWords = await this.#current.obituary();
      if (this.#closing.signal.aborted) return new Promise(() => {});
      if (revivals >= this.#revivalsMax) return lastWords;
      this.#say(`${lastWords}\nIt is started again.`);
      try {
        await sleep(this.#clock, REVIVE_AFTER_MS, this.#closing.signal);
      } catch {
        return new Promise(() => {});
      }
      this.#current = this.#start();
    }
  }
}
