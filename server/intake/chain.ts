import { entryHash, genesisHash } from '../../sync/contract/journal-entry.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';

/** An entry that stands in the database, or is about to. */
export interface StandingEntry {
  readonly hash: string;
  readonly prevHash: string;
  readonly verdict: 'created' | 'refused';
  readonly code: string | null;
}

export type ChainVerdict =
  /** It may be added. */
  | { readonly kind: 'fits' }
  /** The very same stands already. */
  | { readonly kind: 'stands'; readonly entry: StandingEntry }
  /** It contradicts what stands: a copied disk, a restored image, or tampering. */
  | { readonly kind: 'contradicts'; readonly code: 'LEDGER_CONFLICT' | 'LEDGER_CHAIN' };

/**
 * How an entry relates to the journal as far as it is known. Entries may come in any order, so it is held against both
 * neighbours, whichever stand.
 */
export function checkChain(
  owner: JournalOwner,
  entry: JournalEntry,
  standing: ReadonlyMap<number, StandingEntry>,
): ChainVerdict {
  const same = standing.get(entry.seq);
  if (same?.hash === entry.hash && entryHash(entry) === entry.hash) return { kind: 'stands', entry: same };
  if (same !== undefined) return { kind: 'contradicts', code: 'LEDGER_CONFLICT' };
  const before = entry.seq === 1 ? genesisHash(owner) : standing.get(entry.seq - 1)?.hash;
  const after = standing.get(entry.seq + 1);
  const continues =
    entryHash(entry) === entry.hash &&
    (before === undefined || before === entry.prevHash) &&
    (after === undefined || after.prevHash === entry.hash);
  return continues ? { kind: 'fits' } : { kind: 'contradicts', code: 'LEDGER_CHAIN' };
}
