import type { KeyObject } from 'node:crypto';
import type { Clock } from '../../../foundation/clock.ts';
import type { Closable } from '../../../foundation/lifecycle.ts';
import type { Log, LogFields } from '../../../foundation/log.ts';
import type { Random } from '../../../foundation/random.ts';
import type { Bus, BusOpening } from '../../../sync/bus.ts';
import type { JournalEntry, JournalOwner } from '../../../sync/contract/journal-entry.ts';
import type { UploadJournal } from '../../../sync/journal-upload.ts';
import { TillLink } from '../../../sync/till-link.ts';
import type { UploadLimits } from '../../../sync/upload-window.ts';
import { MemoryVersions } from '../../sync/support/memory-versions.ts';
import { TestTill } from '../test-till.ts';

/** Small batches, and soon sent again: much happens in a short time. */
const HASTY: UploadLimits = {
  windowBatches: 4,
  batchEntries: 5,
  batchChars: 100_000,
  resend: { firstMs: 400, maxMs: 2_000 },
  holeGraceMs: 100,
};

/** A journal in memory with real sales in it, which can be waited for. */
class SalesJournal implements UploadJournal {
  readonly sales: TestTill;
  readonly owner: JournalOwner;
  confirmedSeq = 0;
  readonly #waiting = new Set<{ readonly seq: number; resolve(): void }>();

  constructor(till: string) {
    this.sales = new TestTill(till);
    this.owner = { till, incarnation: this.sales.incarnation };
  }

  get lastSeq(): number {
    return this.sales.entries.length;
  }

  read(afterSeq: number, limit: number): readonly JournalEntry[] {
    return this.sales.entries.slice(afterSeq, afterSeq + limit);
  }

  hashAt(seq: number): string | undefined {
    return this.sales.entries[seq - 1]?.hash;
  }

  confirm(upToSeq: number): void {
    this.confirmedSeq = Math.max(this.confirmedSeq, upToSeq);
    for (const each of this.#waiting) {
      if (each.seq > this.confirmedSeq) continue;
      this.#waiting.delete(each);
      each.resolve();
    }
  }

  confirmed(seq: number): Promise<void> {
    if (seq <= this.confirmedSeq) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ seq, resolve }));
  }
}

export interface SellingTillOptions {
  readonly name: string;
  readonly tenant: string;
  readonly publicKey: KeyObject;
  readonly openBus: (opening: BusOpening) => Promise<Bus>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A till's whole end of the wire, as hasty as can be. */
export class SellingTill implements Closable {
  readonly journal: SalesJournal;
  readonly link: TillLink;
  /** Versions of commands and urgent news obeyed. */
  readonly versions: MemoryVersions;
  /** Journals that were ordered to be wiped. */
  readonly wipes: () => number;

  private constructor(parts: Pick<SellingTill, 'journal' | 'link' | 'versions' | 'wipes'>) {
    this.journal = parts.journal;
    this.link = parts.link;
    this.versions = parts.versions;
    this.wipes = parts.wipes;
  }

  static async open(options: SellingTillOptions): Promise<SellingTill> {
    const { name, ...rest } = options;
    const journal = new SalesJournal(name);
    const versions = new MemoryVersions();
    let session = 0;
    let wipes = 0;
    const link = await TillLink.open(
      {
        ...rest,
        version: 'test',
        journal,
        versions,
        sessions: { next: () => (session += 1) },
        noticeJitterMs: 0,
        uploadLimits: HASTY,
      },
      {
        health: () => ({ unconfirmed: 0, diverged: false, replicaAgeMs: null, readers: [] }),
        onBehind: () => {},
        onUrgent: () => {},
        onReseed: () => {},
        onWipe: () => void (wipes += 1),
        onChange: () => {},
      },
    );
    return new SellingTill({ journal, link, versions, wipes: () => wipes });
  }

  /** Sells so many times to nobody in particular. @returns the sequence of the last sale */
  sell(count: number, totalMinor = 300): number {
    const { sales } = this.journal;
    for (let i = 0; i < count; i += 1) sales.sell(sales.index(), totalMinor);
    this.link.journalGrew();
    return this.journal.lastSeq;
  }

  /** Resolves when the server's receipts cover all that was sold. */
  confirmed(seq = this.journal.lastSeq): Promise<void> {
    return this.journal.confirmed(seq);
  }

  close(): Promise<void> {
    return this.link.close();
  }
}

/** A log whose lines are kept. */
export function keptLog(): { readonly log: Log; readonly lines: (LogFields & { readonly level: string })[] } {
  const lines: (LogFields & { readonly level: string })[] = [];
  const keep =
    (level: string) =>
    (fields: LogFields): void =>
      void lines.push({ ...fields, level });
  return {
    lines,
    log: { error: keep('error'), warn: keep('warn'), info: keep('info'), debug: keep('debug') },
  };
}
