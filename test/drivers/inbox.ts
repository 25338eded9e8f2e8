/** Takes what callbacks deliver and hands it to a test that waits for it. */
export class Inbox<T> {
  #items: T[] = [];
  #wake: () => void = () => {};

  put(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  clear(): void {
    this.#items = [];
  }

  /** What has arrived and not been taken. */
  get items(): readonly T[] {
    return this.#items;
  }

  next(): Promise<T> {
    return this.until(() => true);
  }

  /** The first item for which `wanted` holds; those before it are dropped. */
  async until(wanted: (item: T) => boolean): Promise<T> {
    for (;;) {
      for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) {
        if (wanted(item)) return item;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
