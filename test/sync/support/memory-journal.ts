import { genesisHash, sealEntry } from '../../../sync/contract/journal-entry.ts';
import type { JournalEntry, JournalOwner } from '../../../sync/contract/journal-entry.ts';
import type { Transaction } from '../../../sync/contract/transaction.ts';
import type { UploadJournal } from '../../../sync/journal-upload.ts';

export const OWNER: JournalOwner = { till: 'till-1', incarnation: '0190f8a0-0000-7000-8000-000000000001' };

/** The smallest transaction there is. */
export function voided(n: number, reference = 'store-1'): Transaction {
  const tail = n.toString(16).padStart(12, '0');
  return {
    kind: 'sale.voided',
    saleId: `0190f8a0-0000-7000-8000-${tail}`,
    storeId: reference,
    at: 1_800_000_000_000 + n,
    completed: null,
  };
}

/** A journal in memory with the real hash chain. */
export class MemoryJournal implements UploadJournal {
  readonly owner: JournalOwner;
  readonly entries: JournalEntry[] = [];
  confirmedSeq = 0;
  /** Entries up to here are no longer kept. */
  prunedSeq = 0;
  /** Each confirmation as it came. */
  readonly confirmations: number[] = [];
  /** Called before a confirmation takes effect. */
  onConfirm: (upToSeq: number) => void = () => {};

  constructor(owner: JournalOwner = OWNER) {
    this.owner = owner;
  }

  get lastSeq(): number {
    return this.entries.length;
  }

  append(count = 1, store = 'store-1'): void {
    for (let i = 0; i < count; i += 1) {
      const previous = this.entries.at(-1) ?? { seq: 0, hash: genesisHash(this.owner) };
      const id = `0190f8a0-0000-7000-9000-${(previous.seq + 1).toString(16).padStart(12, '0')}`;
      this.entries.push(sealEntry(previous, id, voided(previous.seq + 1, store)));
    }
  }

  read(afterSeq: number, limit: number): readonly JournalEntry[] {
    const from = Math.max(afterSeq, this.prunedSeq);
    return this.entries.slice(from, from + limit);
  }

  hashAt(seq: number): string | undefined {
    return seq <= this.prunedSeq ? undefined : this.entries[seq - 1]?.hash;
  }

  confirm(upToSeq: number): void {
    this.onConfirm(upToSeq);
    if (upToSeq <= this.confirmedSeq) return;
    this.confirmations.push(upToSeq);
    this.confirmedSeq = upToSeq;
  }
}
