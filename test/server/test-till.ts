import { SeededRandom, uuidV7 } from '../../foundation/random.ts';
import { entryHash, genesisHash, sealEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalBatch } from '../../sync/contract/messages.ts';
import type { SaleCompleted, Transaction } from '../../sync/contract/transaction.ts';

const AT = Date.UTC(2026, 10, 1);
let seed = 1;

/** A till that keeps a journal as the real one does, and can be told to misbehave. */
export class TestTill {
  readonly till: string;
  readonly incarnation: string;
  readonly entries: JournalEntry[] = [];
  readonly random: SeededRandom;

  constructor(till = `till-${seed}`, random = new SeededRandom((seed += 1))) {
    this.till = till;
    this.random = random;
    this.incarnation = this.id();
  }

  id(): string {
    return uuidV7(AT, this.random);
  }

  /** A blind index nobody else has. */
  index(): string {
    return Buffer.from(this.random.bytes(32)).toString('base64url');
  }

  /** A sale of `totalMinor` on a card; the entry is added to the journal. */
  sell(index: string | null, totalMinor: number, changes: Partial<SaleCompleted> = {}): JournalEntry {
    return this.add({
      kind: 'sale.completed',
      saleId: this.id(),
      storeId: 'store-1',
      at: AT,
      basket: {
        currency: 'EUR',
        lines: [{ id: '1', article: '4000000000013', quantityMilli: 1_000, totalMinor }],
        totalMinor,
      },
      customer: index === null ? null : { index, kind: 'card', trust: 'L1', customerId: null },
      earned: { programmeVersion: 1, base: 0, bonuses: [] },
      ...changes,
    });
  }

  /** Undoes a completed sale. */
  undo(sale: JournalEntry): JournalEntry {
    return this.add({
      kind: 'sale.voided',
      saleId: saleIdOf(sale),
      storeId: 'store-1',
      at: AT + 1,
      completed: sale.id,
    });
  }

  add(transaction: Transaction): JournalEntry {
    const entry = sealEntry(this.#last(), this.id(), transaction);
    this.entries.push(entry);
    return entry;
  }

  /** An entry in its place in the chain whose body is whatever it is. */
  addBody(body: string): JournalEntry {
    const { seq, hash: prevHash } = this.#last();
    const unsealed = { seq: seq + 1, id: this.id(), at: AT, prevHash, body };
    const entry = { ...unsealed, hash: entryHash(unsealed) };
    this.entries.push(entry);
    return entry;
  }

  /** Entries `from` to `to`, by sequence. */
  batch(from = 1, to = this.entries.length): JournalBatch {
    return { till: this.till, incarnation: this.incarnation, entries: this.entries.slice(from - 1, to) };
  }

  /** The same disk in another machine: the journal so far, going on differently. */
  clone(): TestTill {
    const clone = new TestTill(this.till, this.random);
    Object.assign(clone, { incarnation: this.incarnation });
    clone.entries.push(...this.entries);
    return clone;
  }

  #last(): { readonly seq: number; readonly hash: string } {
    return this.entries.at(-1) ?? { seq: 0, hash: genesisHash(this) };
  }
}

function saleIdOf(entry: JournalEntry): string {
  const body: unknown = JSON.parse(entry.body);
  return typeof body === 'object' && body !== null && 'saleId' in body ? String(body.saleId) : '';
}
