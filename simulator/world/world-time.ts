import type { Clock, Instant } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';

interface Event {
  readonly atMs: number;
  readonly no: number;
  run: (() => void) | undefined;
}

/** Rounds of the event loop that pass between two events, so that whatever waits only for promises and immediates has run. */
const ROUNDS = 3;
/** Rounds after which something is still being waited for that no simulated process waits for: the world would hang. */
const ROUNDS_MAX = 100_000;

/**
 * The time of a simulated world, ms since its beginning. It goes on only when nothing is under way: events come one at a
 * time, those of the same time in the order in which they were asked for, never by how long anything really took.
 */
export class WorldTime {
  readonly startedAt: Instant;
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #count = 0;
  #underWay = 0;
  #failure: Error | undefined;

  /** @param startedAt the wall clock when it begins */
  constructor(startedAt: Instant) {
    this.startedAt = startedAt;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events so far. */
  get events(): number {
    return this.#count;
  }

  schedule(delayMs: number, run: () => void): () => void {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), no: this.#count, run };
    this.#count += 1;
    push(this.#heap, event);
    return () => (event.run = undefined);
  }

  /** Waits for something real, and lets no time pass meanwhile. What it throws ends the world. */
  hold(work: Promise<void>): void {
    this.#underWay += 1;
    work.then(
      () => (this.#underWay -= 1),
      (error: unknown) => {
        this.#underWay -= 1;
        this.#failure ??= asError(error);
      },
    );
  }

  /**
   * Lets time pass until `untilMs`, or until there is `enough`, which is asked after each event.
   * @throws what something that was held threw
   */
  async pass(untilMs: number, enough: () => boolean = () => false): Promise<void> {
    await this.#settle();
    for (;;) {
      if (enough()) return;
      const event = this.#next(untilMs);
      if (event === undefined) break;
      this.#nowMs = event.atMs;
      event.run?.();
      await this.#settle();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #next(untilMs: number): Event | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs > untilMs) return undefined;
      pop(this.#heap);
      if (first.run !== undefined) return first;
    }
  }

  async #settle(): Promise<void> {
    for (let calm = 0, rounds = 0; calm < ROUNDS; rounds += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      calm = this.#underWay > 0 ? 0 : calm + 1;
      if (rounds > ROUNDS_MAX) throw new Error(`after ${this.#nowMs} ms something does not come to an end`);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** The clock of one simulated process: its wall clock may be wrong, and with the process all its timers end. */
export class ProcessClock implements Clock {
  readonly #time: WorldTime;
  readonly #wall: { aheadMs: number };
  #ended = false;

  /** @param wall by how much the machine's wall clock is ahead; shared by all processes of a machine */
  constructor(time: WorldTime, wall: { aheadMs: number } = { aheadMs: 0 }) {
    this.#time = time;
    this.#wall = wall;
  }

  now(): Instant {
    return Math.max(0, Math.trunc(this.#time.startedAt + this.#time.nowMs + this.#wall.aheadMs));
  }

  monotonicMs(): number {
    return this.#time.nowMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    return this.#time.schedule(delayMs, () => {
      if (!this.#ended) callback();
    });
  }

  end(): void {
    this.#ended = true;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.no < b.no);
}

function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !before(event, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
    const child = right !== undefined && left !== undefined && before(right, left) ? 2 * at + 2 : 2 * at + 1;
    const below = heap[child];
    if (below === undefined || !before(below, last)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
}
