import { isFault } from '../../foundation/errors.ts';
import { AuditWalk, compareAudit, totalOf } from '../../sync/contract/audit.ts';
import type { AuditBlock, AuditComparison, AuditSums, Misfit } from '../../sync/contract/audit.ts';
import type { JournalOwner } from '../../sync/contract/journal-entry.ts';
import type { Journal } from './journal.ts';

/** Entries in memory at once; each may have a million characters. */
const PAGE = 64;

/** What a till's journal says of itself. */
export interface JournalAudit {
  readonly owner: JournalOwner;
  /** Entries up to here were confirmed long ago and removed. */
  readonly anchorSeq: number;
  readonly lastSeq: number;
  readonly confirmedSeq: number;
  readonly blocks: readonly AuditBlock[];
  readonly totals: AuditSums;
  /** The first entry that does not fit. */
  readonly misfit: Misfit | null;
}

/** Walks all that a journal keeps, recomputing every hash. */
export function auditJournal(journal: Journal): JournalAudit {
  const { anchor, owner, lastSeq, confirmedSeq } = journal;
  const walk = new AuditWalk(anchor);
  const blocks: AuditBlock[] = [];
  let unreadable: Misfit | undefined;
  for (let after = anchor.seq; ;) {
    const page = readPage(journal, after);
    if (page === undefined) {
      unreadable = { seq: after + 1, what: 'cannot be read' };
      break;
    }
    for (const entry of page) {
      const block = walk.take(entry);
      if (block !== undefined) blocks.push(block);
    }
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.seq;
  }
  const block = walk.end();
  if (block !== undefined) blocks.push(block);
  const misfit = walk.misfit ?? unreadable ?? null;
  return { owner, anchorSeq: anchor.seq, lastSeq, confirmedSeq, blocks, totals: totalOf(blocks), misfit };
}

/** Holds a server's blocks against a journal. @param afterSeq up to where they are known to agree */
export function auditAgainst(journal: Journal, blocks: readonly AuditBlock[], afterSeq = 0): AuditComparison {
  const anchorSeq = Math.max(journal.anchor.seq, afterSeq);
  return compareAudit({ anchorSeq, lastSeq: journal.lastSeq, hashAt: (seq) => journal.hashAt(seq) }, blocks);
}

/** One after the other where a page of them cannot be read, so that the first bad one is named. */
function readPage(journal: Journal, after: number): ReturnType<Journal['read']> | undefined {
  for (const limit of [PAGE, 1]) {
    try {
      return journal.read(after, limit);
    } catch (error) {
      if (!isFault(error, 'JRN_CORRUPT')) throw error;
    }
  }
  return undefined;
}
