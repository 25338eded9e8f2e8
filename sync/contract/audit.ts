import { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import { entryHash, Hash } from './journal-entry.ts';
import type { JournalEntry } from './journal-entry.ts';
import { Transaction } from './transaction.ts';
import { check, parseJson } from './wire.ts';

/** Entries of a block unless asked otherwise: 1 … 1,000, 1,001 … 2,000, and so on. */
export const AUDIT_BLOCK_ENTRIES = 1_000;

/** What the entries of a block say, by the till's word: what was shown, not what the ledger posted. */
const AuditSums = z.strictObject({
  sales: z.int().min(0),
  voids: z.int().min(0),
  points: z.int().describe('Points shown for completed sales, bonuses included'),
  totals: z.record(z.string(), z.int()).describe('Totals of completed sales by currency, minor units'),
});
export type AuditSums = z.infer<typeof AuditSums>;

/**
 * A stretch of a journal, one JSON line each. As every entry's hash covers the hash before it, the hash at the end of a
 * block vouches for all entries up to there: two journals agree up to a sequence if their hashes there are equal.
 */
export const AuditBlock = z.strictObject({
  fromSeq: z.int().min(1).describe('First entry there is'),
  toSeq: z.int().min(1).describe('Last entry there is'),
  entries: z
    .int()
    .min(1)
    .describe('How many there are; fewer than toSeq − fromSeq + 1 means some are missing'),
  hash: Hash.describe('Hash of the entry at toSeq'),
  sums: AuditSums.optional(),
});
export type AuditBlock = z.infer<typeof AuditBlock>;

/** An entry as it is audited; `body: null` where only the hash of its text is kept. */
export type AuditEntry = Omit<JournalEntry, 'body'> & { readonly body: string | null };

/** The first entry that does not fit. */
export interface Misfit {
  readonly seq: number;
  readonly what:
    | 'missing'
    | 'does not continue the chain'
    | 'has another content than was sealed'
    | 'cannot be read';
}

/** Walks a journal from `start`, the entry before the first that is fed, and makes blocks of it. Goes on after a misfit. */
export class AuditWalk {
  readonly #blockEntries: number;
  #previous: { readonly seq: number; readonly hash: string };
  #block: { fromSeq: number; entries: number; sums: AuditSums } | undefined;
  #misfit: Misfit | undefined;

  constructor(
    start: { readonly seq: number; readonly hash: string },
    blockEntries: number = AUDIT_BLOCK_ENTRIES,
  ) {
    this.#previous = start;
    this.#blockEntries = blockEntries;
  }

  get misfit(): Misfit | undefined {
    return this.#misfit;
  }

  /** Takes the next entry there is. @returns the block before it, when that is complete by now */
  take(entry: AuditEntry): AuditBlock | undefined {
    const finished = this.#blockOf(entry.seq) === this.#blockOf(this.#previous.seq) ? undefined : this.end();
    this.#check(entry);
    this.#block ??= { fromSeq: entry.seq, entries: 0, sums: nothing() };
    this.#block.entries += 1;
    addTo(this.#block.sums, entry.body);
    this.#previous = { seq: entry.seq, hash: entry.hash };
    return finished;
  }

  /** @returns the block that was begun, if any */
  end(): AuditBlock | undefined {
    const block = this.#block;
    this.#block = undefined;
    return block === undefined
      ? undefined
      : { ...block, toSeq: this.#previous.seq, hash: this.#previous.hash };
  }

  #blockOf(seq: number): number {
    return Math.floor((seq - 1) / this.#blockEntries);
  }

  #check(entry: AuditEntry): void {
    if (this.#misfit !== undefined) return;
    const { seq, hash } = this.#previous;
    if (entry.seq !== seq + 1) this.#misfit = { seq: seq + 1, what: 'missing' };
    else if (entry.prevHash !== hash) this.#misfit = { seq: entry.seq, what: 'does not continue the chain' };
    else if (entry.body !== null && entryHash({ ...entry, body: entry.body }) !== entry.hash)
      this.#misfit = { seq: entry.seq, what: 'has another content than was sealed' };
  }
}

/** A journal that the blocks of another are held against. */
export interface OwnChain {
  /** The last entry whose hash is known and that is kept no more; 0 when all are kept. */
  readonly anchorSeq: number;
  readonly lastSeq: number;
  hashAt(seq: number): string | undefined;
}

/** How another's blocks relate to our own journal. */
export type AuditComparison =
  /** All that both have is the same; the other has it without a gap up to `upToSeq` (0: they have nothing in common). */
  | { readonly kind: 'same'; readonly upToSeq: number }
  /** The first entry that differs is one of `afterSeq + 1` … `bySeq`. */
  | { readonly kind: 'differs'; readonly afterSeq: number; readonly bySeq: number }
  /** The other lacks one or more of `afterSeq + 1` … `bySeq`, and is the same before and after. */
  | { readonly kind: 'gap'; readonly afterSeq: number; readonly bySeq: number }
  /** The other goes on after our last entry, and is the same up to there. */
  | { readonly kind: 'ahead'; readonly lastSeq: number; readonly otherSeq: number };

/**
 * Holds another's blocks, in order, against our own journal. With blocks of one entry each the answer names the entry.
 * What lies before the anchor is not compared.
 */
export function compareAudit(own: OwnChain, blocks: readonly AuditBlock[]): AuditComparison {
  const comparable = blocks.filter(
    ({ toSeq }) => toSeq >= Math.max(1, own.anchorSeq) && toSeq <= own.lastSeq,
  );
  const differing = firstIn(comparable.length, (i) => {
    const block = comparable[i];
    return block !== undefined && own.hashAt(block.toSeq) !== block.hash;
  });
  const same = comparable.slice(0, differing);
  let whole = own.anchorSeq;
  for (const { fromSeq, toSeq, entries } of same) {
    const first = Math.max(fromSeq, 1);
    if (first > whole + 1 || entries < toSeq - fromSeq + 1)
      return { kind: 'gap', afterSeq: first > whole + 1 ? whole : first - 1, bySeq: toSeq };
    whole = Math.max(whole, toSeq);
  }
  const bad = comparable[differing];
  if (bad !== undefined) return { kind: 'differs', afterSeq: whole, bySeq: bad.toSeq };
  const beyond = blocks.find(({ toSeq }) => toSeq > own.lastSeq);
  if (beyond === undefined) return { kind: 'same', upToSeq: same.length === 0 ? 0 : whole };
  // A block that reaches beyond our last entry says nothing of where in it the two part.
  return beyond.fromSeq > own.lastSeq || whole === own.lastSeq
    ? { kind: 'ahead', lastSeq: own.lastSeq, otherSeq: blocks.at(-1)?.toSeq ?? beyond.toSeq }
    : { kind: 'differs', afterSeq: whole, bySeq: own.lastSeq + 1 };
}

/** The first of 0 … `count − 1` for which `is` holds, or `count`; once it holds it holds for all that follow. */
function firstIn(count: number, is: (i: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (is(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Reads blocks: JSON lines, or one JSON object with them in `blocks`, as the server's API answers.
 * @throws StammkundeError WIRE_MALFORMED
 */
export function readAuditBlocks(text: string): readonly AuditBlock[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const parsed =
    lines.length === 1 || text.trimStart().startsWith('{\n') ? [parseJson(text)] : lines.map(parseJson);
  const [only] = parsed;
  const blocks =
    parsed.length === 1 && typeof only === 'object' && only !== null && 'blocks' in only
      ? check(only, z.looseObject({ blocks: z.array(AuditBlock) })).blocks
      : check(parsed, z.array(AuditBlock));
  if (blocks.some(({ fromSeq }, i) => fromSeq <= (blocks[i - 1]?.toSeq ?? 0)))
    throw new StammkundeError('WIRE_MALFORMED', 'the blocks are not in order');
  return blocks;
}

/** The sums of several blocks. */
export function totalOf(blocks: readonly AuditBlock[]): AuditSums {
  const total = nothing();
  for (const { sums } of blocks) {
    if (sums === undefined) continue;
    total.sales += sums.sales;
    total.voids += sums.voids;
    total.points += sums.points;
    for (const [currency, minor] of Object.entries(sums.totals))
      total.totals[currency] = (total.totals[currency] ?? 0) + minor;
  }
  return total;
}

function nothing(): AuditSums {
  return { sales: 0, voids: 0, points: 0, totals: {} };
}

/** A body that is no transaction of this version says nothing to be summed; its hash is compared all the same. */
function addTo(sums: AuditSums, body: string | null): void {
  if (body === null) return;
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return;
  }
  const { data: transaction } = Transaction.safeParse(parsed);
  if (transaction?.kind === 'sale.voided') sums.voids += 1;
  if (transaction?.kind !== 'sale.completed') return;
  const { basket, earned } = transaction;
  sums.sales += 1;
  sums.points += earned.base + earned.bonuses.reduce((sum, bonus) => sum + bonus.points, 0);
  sums.totals[basket.currency] = (sums.totals[basket.currency] ?? 0) + basket.totalMinor;
}
