/** What a till sent, as it came. */
export interface JournalMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
}

export interface JournalQueueLimits {
  /** Messages that may wait, of all tills. */
  readonly messages: number;
  readonly bytes: number;
  /** The same of one till: what it sends beyond that is dropped, and nobody else's. */
  readonly ofTill: { readonly messages: number; readonly bytes: number };
}

interface Waiting {
  readonly messages: JournalMessage[];
  bytes: number;
}

/** Messages of a till in a row: as many as it has under way. What is committed together is of few tills then. */
const IN_A_ROW = 4;

/** What one lane has: no other lane is given what the same tills send until the turn is over. */
export class Turn {
  readonly topics = new Set<string>();
  /** Those of them that have more waiting, in their order. */
  readonly again: string[] = [];
  /** Whose turn it is, and how many more of it. */
  current: string | undefined;
  left = 0;
}

/**
 * Journal messages that wait, in turns: four of each till, then four more of each, however much one of them sends. What a
 * till sends stays in its order, and is in one lane's hands at a time.
 */
export class JournalQueue {
  readonly #limits: JournalQueueLimits;
  readonly #waiting = new Map<string, Waiting>();
  /** Topics with something waiting that no lane has; the one whose turn it is first. */
  readonly #ready = new Set<string>();
  readonly #held = new Set<string>();
  #size = 0;
  #bytes = 0;

  constructor(limits: JournalQueueLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether a lane would be given anything. */
  get hasNext(): boolean {
    return this.#ready.size > 0;
  }

  /** False when too much waits already, of this till or of all. */
  push(message: JournalMessage): boolean {
    const { topic, payload } = message;
    const { messages, bytes, ofTill } = this.#limits;
    const waiting = this.#waiting.get(topic) ?? { messages: [], bytes: 0 };
    if (
      this.#size >= messages ||
      this.#bytes + payload.length > bytes ||
      waiting.messages.length >= ofTill.messages ||
      waiting.bytes + payload.length > ofTill.bytes
    )
      return false;
    waiting.messages.push(message);
    waiting.bytes += payload.length;
    this.#waiting.set(topic, waiting);
    this.#size += 1;
    this.#bytes += payload.length;
    if (!this.#held.has(topic)) this.#ready.add(topic);
    return true;
  }

  /** The next message of whose turn it is: first of a till that no lane has, else of those this one has. */
  take(turn: Turn): JournalMessage | undefined {
    if (turn.left === 0 || turn.current === undefined) {
      [turn.current = turn.again.shift()] = this.#ready;
      turn.left = IN_A_ROW;
    }
    const topic = turn.current;
    if (topic === undefined) return undefined;
    turn.left -= 1;
    this.#ready.delete(topic);
    this.#held.add(topic);
    turn.topics.add(topic);
    const waiting = this.#waiting.get(topic);
    const message = waiting?.messages.shift();
    if (waiting === undefined || message === undefined) return undefined;
    waiting.bytes -= message.payload.length;
    this.#size -= 1;
    this.#bytes -= message.payload.length;
    if (waiting.messages.length === 0) {
      this.#waiting.delete(topic);
      turn.left = 0;
    } else if (turn.left === 0) {
      turn.again.push(topic);
    }
    return message;
  }

  /** What the lane had is done: what else those tills sent may be taken. */
  release(turn: Turn): void {
    for (const topic of turn.topics) {
      this.#held.delete(topic);
      if (this.#waiting.has(topic)) this.#ready.add(topic);
    }
  }

  clear(): void {
    this.#waiting.clear();
    this.#ready.clear();
    this.#size = 0;
    this.#bytes = 0;
  }
}
