import type { Journal } from '../../edge/journal/journal.ts';
import type { UploadJournal } from '../../sync/journal-upload.ts';

/** A journal that believes an entry delivered for a wrong reason: the mutants of the way up. */
export class ForgetfulJournal implements UploadJournal {
  readonly #journal: Journal;
  readonly #because: 'sent' | 'acknowledged';
  #delivered: number;

  constructor(journal: Journal, because: 'sent' | 'acknowledged') {
    this.#journal = journal;
    this.#because = because;
    this.#delivered = journal.confirmedSeq;
  }

  get owner(): UploadJournal['owner'] {
    return this.#journal.owner;
  }

  get lastSeq(): number {
    return this.#journal.lastSeq;
  }

  get confirmedSeq(): number {
    return Math.max(this.#delivered, this.#journal.confirmedSeq);
  }

  read(afterSeq: number, limit: number): ReturnType<UploadJournal['read']> {
    const entries = this.#journal.read(Math.max(afterSeq, this.#delivered), limit);
    if (this.#because === 'sent') this.#believe(entries.at(-1)?.seq ?? 0);
    return entries;
  }

  hashAt(seq: number): string | undefined {
    return this.#journal.hashAt(seq);
  }

  confirm(upToSeq: number, serverTime: number): void {
    this.#journal.confirm(upToSeq, serverTime);
  }

  /** The broker has acknowledged entries up to here. */
  acknowledged(upToSeq: number): void {
    if (this.#because === 'acknowledged') this.#believe(upToSeq);
  }

  #believe(seq: number): void {
    this.#delivered = Math.max(this.#delivered, seq);
    // What is written down outlives the program, as the wrong belief would.
    this.#journal.confirm(Math.min(this.#delivered, this.#journal.lastSeq), 0);
  }
}
