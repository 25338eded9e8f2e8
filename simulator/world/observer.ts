import type { MemoryEngine } from '../../server/database/memory-engine.ts';
import { textOf } from './trace.ts';

interface SeenReceipt {
  readonly to: string;
  readonly kind: string;
  readonly body: { readonly incarnation: string; readonly contiguous: number };
}

/** Numbers of cards are longer than all other runs of digits in the world but times and positions. */
const LONG_NUMBER = /\d{12,19}/g;

/** Stands beside the wire and the database, and sees what must never be. */
export class Observer {
  readonly #engine: MemoryEngine;
  readonly #cardNumbers: ReadonlySet<string>;
  /** What is committed of each journal. */
  readonly #committed = new Map<string, number>();
  readonly seen: string[] = [];
  receipts = 0;

  constructor(engine: MemoryEngine, cardNumbers: ReadonlySet<string>) {
    this.#engine = engine;
    this.#cardNumbers = cardNumbers;
  }

  /** To be called when a transaction was committed, before anything else is done. */
  async committed(): Promise<void> {
    const rows = await this.#engine.peek<{ till: string; incarnation: string; contiguous: number }>(
      'select till, incarnation, contiguous from till_progress',
    );
    for (const { till, incarnation, contiguous } of rows) {
      this.#committed.set(`${till}/${incarnation}`, contiguous);
    }
  }

  published(topic: string, payload: Uint8Array): void {
    const text = textOf(payload);
    this.read(topic, text);
    if (!topic.endsWith('/receipt')) return;
    this.receipts += 1;
    // As the server just signed it; what does not look so breaks the world, as it should.
    const envelope = JSON.parse(text) as { readonly body: { readonly text: string } };
    const { to, body } = JSON.parse(envelope.body.text) as SeenReceipt;
    const committed = this.#committed.get(`${to}/${body.incarnation}`) ?? 0;
    if (body.contiguous > committed) {
      this.seen.push(`a receipt tells ${to} of ${body.contiguous} entries, ${committed} are committed`);
    }
  }

  /** Looks for the number of a card in what is sent, logged or stored. */
  read(where: string, text: string): void {
    for (const [number] of text.matchAll(LONG_NUMBER)) {
      for (const length of [13, 16, 18]) {
        for (let i = 0; i + length <= number.length; i += 1) {
          if (this.#cardNumbers.has(number.slice(i, i + length))) {
            this.seen.push(`a card's number stands in ${where}`);
            return;
          }
        }
      }
    }
  }
}
