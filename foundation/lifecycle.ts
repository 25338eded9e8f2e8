import { asError } from './errors.ts';

/** Something opened that must be closed. `close` is idempotent; every caller awaits the same promise. */
export interface Closable {
  close(): Promise<void>;
}

/**
 * Collects what has been opened and closes it in reverse order, finishing every step even when one fails.
 *
 * ```ts
 * const opened = new Opened();
 * try {
 *   const bus = opened.add(await MqttBus.open(…));
 *   …
 * } catch (error) { await opened.close(); throw error; }   // leaves nothing behind
 * ```
 */
export class Opened implements Closable {
  readonly #steps: (() => Promise<void> | void)[] = [];
  #closing: Promise<void> | undefined;

  add<T extends Closable>(part: T): T {
    this.#steps.push(() => part.close());
    return part;
  }

  /** Adds a step that is not an object with `close`. */
  defer(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  /** @throws AggregateError naming every step that failed, after all of them were tried. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const failures: Error[] = [];
    for (const step of this.#steps.toReversed()) {
      try {
        await step();
      } catch (error) {
        failures.push(asError(error));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'closing did not go cleanly');
  }
}
