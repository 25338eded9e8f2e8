/** Steps done one after the other, in the order they were asked for. */
export class OneAtATime {
  readonly #closing: AbortSignal;
  readonly #onFailed: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();

  /** @param closing once aborted, what has not begun is left out */
  constructor(closing: AbortSignal, onFailed: (error: unknown) => void) {
    this.#closing = closing;
    this.#onFailed = onFailed;
  }

  add(step: () => Promise<void>): void {
    this.#last = this.#last.then(async () => {
      if (this.#closing.aborted) return;
      try {
        await step();
      } catch (error) {
        this.#onFailed(error);
      }
    });
  }

  /** Resolves when no step is under way or waits. */
  async idle(): Promise<void> {
    let seen: Promise<void>;
    do {
      seen = this.#last;
      await seen;
    } while (seen !== this.#last);
  }
}
