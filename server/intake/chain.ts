import { createHash } from 'node:crypto';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { entryHash, genesisHash } from '../../sync/contract/journal-entry.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';

/** An entry that stands in the database, or is about to. */
export interface StandingEntry {
  readonly hash: string;
  readonly prevHash: string;
  readonly verdict: 'created' | 'refused';
  readonly code: string | null;
}

/** What is known of a journal in and around a batch. */
export interface KnownJournal {
  /** What stands, by sequence. */
  readonly entries: Map<number, StandingEntry>;
  /** Hashes of entries that lie in quarantine just before the batch, or were found to contradict in it. */
  readonly contradicting: Set<string>;
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
 * neighbours, whichever stand. What continues a contradiction is one: were it taken because nothing stands beside it, a
 * copied disk would bar the way of the one it was copied from.
 */
export function checkChain(
  owner: JournalOwner,
  entry: JournalEntry,
  { entries: standing, contradicting }: KnownJournal,
): ChainVerdict {
  const same = standing.get(entry.seq);
  if (same?.hash === entry.hash && entryHash(entry) === entry.hash) return { kind: 'stands', entry: same };
  if (same !== undefined) return { kind: 'contradicts', code: 'LEDGER_CONFLICT' };
  const before = entry.seq === 1 ? genesisHash(owner) : standing.get(entry.seq - 1)?.hash;
  const after = standing.get(entry.seq + 1);
  if (before === undefined && contradicting.has(entry.prevHash))
    return { kind: 'contradicts', code: 'LEDGER_CHAIN' };
  const continues =
    entryHash(entry) === entry.hash &&
    (before === undefined || before === entry.prevHash) &&
    (after === undefined || after.prevHash === entry.hash);
  return continues ? { kind: 'fits' } : { kind: 'contradicts', code: 'LEDGER_CHAIN' };
}

/** Of an entry that stands elsewhere and was entered once more: its place is kept, and it counts where it stood first. */
export const REENTERED = 'LEDGER_REENTERED' satisfies ErrorCode;

/** Where an entry of some id stands already, and what it says there. */
export type PlacedEntry = Pick<JournalEntry, 'seq' | 'at' | 'prevHash' | 'hash'>;

/**
 * Whether an entry is one that stands elsewhere, entered once more: same id, same time, same text. A till that began a
 * new incarnation after its disk was copied or restored enters anew what it has, for it cannot know what of that arrived.
 */
export function isReentered(entry: JournalEntry, placed: PlacedEntry): boolean {
  const { id, at, body } = entry;
  return at === placed.at && entryHash({ ...placed, id, body }) === placed.hash;
}

/**
 * The id under which the place of an entry that stands elsewhere is kept: an id stands once, and a chain has no hole.
 * The same for the same place, in the form of RFC 9562, 5.8.
 */
export function placeId(owner: JournalOwner, seq: number, hash: string): string {
  const hex = createHash('sha256')
    .update(JSON.stringify(['stammkunde place v1', owner.till, owner.incarnation, seq, hash]))
    .digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
