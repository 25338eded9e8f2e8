import type { Clock } from '../foundation/clock.ts';

/** Lets callbacks wake the one loop that does the work. Rings while it is busy are not lost, and count as one. */
export class Doorbell {
  readonly #clock: Clock;
  #rung = false;
  #answer: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#rung = true;
    this.#answer?.();
  }

  /** Resolves at the next ring, at once when it has rung since the last wait, or after `atMostMs`. */
  async wait(atMostMs?: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const cancel =
          atMostMs === undefined ? (): void => {} : this.#clock.schedule(atMostMs, () => this.#answer?.());
        this.#answer = () => {
          cancel();
          resolve();
        };
      });
      this.#answer = undefined;
    }
    this.#rung = false;
  }
}
