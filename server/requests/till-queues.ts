/** What waits, by who asked: each has a turn after the other, however much one of them asks. */
export class TillQueues<T> {
  readonly #limits: { readonly each: number; readonly all: number };
  /** The one whose turn it is first. */
  readonly #queues = new Map<string, T[]>();
  #size = 0;

  constructor(limits: { readonly each: number; readonly all: number }) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  /** False when too much waits already, of this one or of all. */
  push(who: string, item: T): boolean {
    const queue = this.#queues.get(who) ?? [];
    if (queue.length >= this.#limits.each || this.#size >= this.#limits.all) return false;
    queue.push(item);
    this.#queues.set(who, queue);
    this.#size += 1;
    return true;
  }

  /** The oldest of who has waited for a turn the longest. */
  shift(): T | undefined {
    const { value } = this.#queues.entries().next();
    if (value === undefined) return undefined;
    const [who, queue] = value;
    const item = queue.shift();
    this.#queues.delete(who);
    if (queue.length > 0) this.#queues.set(who, queue);
    this.#size -= 1;
    return item;
  }

  clear(): void {
    this.#queues.clear();
    this.#size = 0;
  }
}
