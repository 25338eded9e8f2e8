import { createHash } from 'node:crypto';
import { z } from 'zod';
import { InstantMs, TillId, Uuid } from './ids.ts';
import type { Transaction } from './transaction.ts';

export const Hash = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * One entry of a till's journal as it is stored, sent and checked. The transaction travels as the very text that was
 * hashed, so no re-serialisation on the way can change the hash.
 */
export const JournalEntry = z.strictObject({
  seq: z.int().min(1).describe('Dense, from 1, within the incarnation'),
  id: Uuid,
  at: InstantMs,
  prevHash: Hash.describe('Hash of the entry before, or of the genesis'),
  body: z.string().min(2).max(1_000_000).describe('JSON text of a Transaction'),
  hash: Hash,
});
export type JournalEntry = z.infer<typeof JournalEntry>;

/** Who keeps a journal: a till, and the incarnation of its data folder, made with it and never copied. */
export const JournalOwner = z.strictObject({ till: TillId, incarnation: Uuid });
export type JournalOwner = z.infer<typeof JournalOwner>;

/** What the first entry's `prevHash` is: it ties a chain to its till and incarnation. */
export function genesisHash(owner: JournalOwner): string {
  return sha256(['stammkunde journal v1', owner.till, owner.incarnation]);
}

/** SHA-256 over the JSON array [seq, id, at, prevHash, body], lower-case hex. */
export function entryHash(entry: Omit<JournalEntry, 'hash'>): string {
  return sha256([entry.seq, entry.id, entry.at, entry.prevHash, entry.body]);
}

/** The next entry of a chain. */
export function sealEntry(
  previous: { readonly seq: number; readonly hash: string },
  id: string,
  transaction: Transaction,
): JournalEntry {
  const unsealed = {
    seq: previous.seq + 1,
    id,
    at: transaction.at,
    prevHash: previous.hash,
    body: JSON.stringify(transaction),
  };
  return { ...unsealed, hash: entryHash(unsealed) };
}

/** The same entry, id, time and text, in another place: what a till enters anew under a new incarnation. */
export function resealEntry(
  previous: { readonly seq: number; readonly hash: string },
  { id, at, body }: Pick<JournalEntry, 'id' | 'at' | 'body'>,
): JournalEntry {
  const unsealed = { seq: previous.seq + 1, id, at, prevHash: previous.hash, body };
  return { ...unsealed, hash: entryHash(unsealed) };
}

function sha256(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
