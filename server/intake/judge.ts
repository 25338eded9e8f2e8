import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';
import type { EntryVerdict, JournalBatch } from '../../sync/contract/messages.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { Transaction } from '../../sync/contract/transaction.ts';
import type { TakenCard } from '../cards/take-bank-card.ts';
import { REENTERED, checkChain, isReentered } from './chain.ts';
import type { KnownJournal, PlacedEntry, StandingEntry } from './chain.ts';
import { journalKey } from './journal-store.ts';
import type { LinkEffect } from './judge-links.ts';
import { readBody } from './read-body.ts';
import type { Body } from './read-body.ts';

/** Points of a sale as the till showed them, and as the ledger has them. */
export interface PointsDiffer {
  readonly shown: number;
  readonly posted: number;
}

interface Judged {
  readonly owner: JournalOwner;
  readonly entry: JournalEntry;
}
/** New and right: into the journal and the ledger. */
export interface Accepted extends Judged {
  readonly kind: 'accepted';
  readonly transaction: Transaction;
  /** Of a link whose card the till knew by an older index: that one and those between, oldest first. */
  readonly olderForms?: readonly BlindIndex[];
  /** Set when the till showed other points than were posted. */
  readonly differs?: PointsDiffer;
  /** What a link or its end changes. */
  readonly effect?: LinkEffect;
  /** The bank card it took from its customer, which tills must learn at once. */
  readonly taken?: TakenCard;
}
/** New, in its place in the chain, but nothing the ledger could take: into the journal alone. */
export interface Refused extends Judged {
  readonly kind: 'refused';
  readonly code: ErrorCode;
}
/** There already, with what was said of it then. */
export interface Standing extends Judged {
  readonly kind: 'standing';
  readonly first: StandingEntry;
}
/** Against what stands: into quarantine. */
export interface Contradicting extends Judged {
  readonly kind: 'contradicting';
  readonly code: ErrorCode;
}
export type Judgement = Accepted | Refused | Standing | Contradicting;

/**
 * Judges batches one after the other, each with what the ones before it add.
 * @param standing by journal and sequence: what the database holds in and around the batches; added to on the way
 * @param placed by id, where those of the batches' entries stand that the database holds
 * @param unpostable ids of entries to refuse, because the database did not take what they say
 */
export function judgeBatches(
  batches: readonly JournalBatch[],
  standing: ReadonlyMap<string, KnownJournal>,
  placed: ReadonlyMap<string, PlacedEntry>,
  unpostable: ReadonlySet<string>,
): readonly (readonly Judgement[])[] {
  const ids = new Map(placed);
  return batches.map((batch) => {
    const owner: JournalOwner = { till: batch.till, incarnation: batch.incarnation };
    const known = standing.get(journalKey(owner)) ?? { entries: new Map(), contradicting: new Set() };
    return batch.entries.map((entry): Judgement => {
      const chain = checkChain(owner, entry, known);
      switch (chain.kind) {
        case 'stands':
          return { kind: 'standing', owner, entry, first: chain.entry };
        case 'contradicts':
          known.contradicting.add(entry.hash);
          return { kind: 'contradicting', owner, entry, code: chain.code };
        case 'fits':
      }
      const { hash, prevHash } = entry;
      const elsewhere = ids.get(entry.id);
      if (elsewhere !== undefined) {
        // The same id with another content is one entry told twice, in two ways.
        if (!isReentered(entry, elsewhere)) {
          known.contradicting.add(hash);
          return { kind: 'contradicting', owner, entry, code: 'LEDGER_CONFLICT' };
        }
        known.entries.set(entry.seq, { hash, prevHash, verdict: 'refused', code: REENTERED });
        return { kind: 'refused', owner, entry, code: REENTERED };
      }
      ids.set(entry.id, entry);
      const body: Body = unpostable.has(entry.id)
        ? { kind: 'refused', code: 'LEDGER_REFUSED' }
        : readBody(entry.body);
      const code = body.kind === 'refused' ? body.code : null;
      known.entries.set(entry.seq, { hash, prevHash, verdict: code === null ? 'created' : 'refused', code });
      return body.kind === 'refused'
        ? { kind: 'refused', owner, entry, code: body.code }
        : { kind: 'accepted', owner, entry, transaction: body.transaction };
    });
  });
}

/**
 * Refuses every completed sale but the first of its id.
 * @param posted keys of sales the ledger has already
 */
export function refuseRepeatedSales(
  judged: readonly (readonly Judgement[])[],
  posted: ReadonlySet<string>,
): readonly (readonly Judgement[])[] {
  const seen = new Set(posted);
  return judged.map((batch) =>
    batch.map((judgement) => {
      const key = saleKeyOf(judgement);
      if (key === undefined) return judgement;
      if (seen.has(key)) {
        const { owner, entry } = judgement;
        return { kind: 'refused', owner, entry, code: 'SALE_CONFLICT' };
      }
      seen.add(key);
      return judgement;
    }),
  );
}

/** The ledger's key of the completed sale an accepted entry brings. */
export function saleKeyOf(judgement: Judgement): string | undefined {
  return judgement.kind === 'accepted' && judgement.transaction.kind === 'sale.completed'
    ? saleKey(judgement.transaction.saleId)
    : undefined;
}

/** A sale is posted once, whichever entry of whichever till brings it. */
export function saleKey(saleId: string): string {
  return `sale:${saleId.toLowerCase()}`;
}

/** What the till is told. An entry that was refused stays refused however often it comes. */
export function verdictOf(judgement: Judgement): EntryVerdict {
  const { seq } = judgement.entry;
  switch (judgement.kind) {
    case 'accepted':
      return { seq, verdict: 'created' };
    case 'refused':
      return judgement.code === REENTERED
        ? { seq, verdict: 'exists' }
        : { seq, verdict: 'refused', code: judgement.code };
    case 'contradicting':
      return { seq, verdict: 'conflict', code: judgement.code };
    case 'standing':
      return judgement.first.verdict === 'refused' && judgement.first.code !== REENTERED
        ? { seq, verdict: 'refused', code: judgement.first.code ?? 'WIRE_MALFORMED' }
        : { seq, verdict: 'exists' };
  }
}
