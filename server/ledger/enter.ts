// How anything comes into the ledger:
//
//   effects ─▶ lock accounts whose lots are needed ─▶ keys there already? ─▶ lots ─▶ applyChange ─▶ post ─▶ lots
//
// Sales that only earn need no lots read: a lot is made of what its account's balance was when it was posted.
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { NOTHING_HELD } from '../../sync/contract/programme/lots.ts';
import type { Holdings } from '../../sync/contract/programme/lots.ts';
import type { PointsLife } from '../../sync/contract/programme/calendar.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { ISSUED, memberOf } from './accounts.ts';
import { NO_EFFECTS, applyChange, creditByBalance, dueMoves, sumPostings } from './change.ts';
import type { Change, DueMove, Effects } from './change.ts';
import { insertLots, lockAccounts, readHoldings, writeHoldings } from './lot-store.ts';
import { idOfKey, post } from './post.ts';
import type { LedgerTransaction, Posting } from './post.ts';

/** Something that is to happen to the ledger, once. */
export interface Effect extends Omit<LedgerTransaction, 'postings'> {
  /** All of them, or none. At most one of them makes a lot. */
  readonly changes: readonly Change[];
}

/** What became of it. Of `exists` nothing was done again; of `conflict` and `refused` nothing was done. */
export type LedgerOutcome =
  | ({ readonly kind: 'created' } & Effects)
  | { readonly kind: 'exists' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'refused'; readonly code: ErrorCode };

/** A digest of what was asked for. */
export function contentOf(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}

/**
 * Enters effects in their order: the one way into the ledger for sales, returns, redemptions, late credits,
 * corrections and merges.
 * @param options.fresh the caller knows that none of the keys is there
 * @returns for each effect what became of it
 * @throws a unique violation when somebody enters the same key of another account at once; nothing is left behind
 */
export async function enter(
  tx: DatabaseTransaction,
  effects: readonly Effect[],
  now: Instant,
  { fresh = false }: { readonly fresh?: boolean } = {},
): Promise<readonly LedgerOutcome[]> {
  if (effects.length === 0) return [];
  const changes = effects.flatMap((effect) => effect.changes);
  const lotted = new Set(
    changes.flatMap((change) => (change.kind === 'earn' || change.kind === 'pass' ? [] : [change.account])),
  );
  const issues = changes.some(
    (change) => change.kind === 'take-back' || (change.kind === 'earn' && lotted.size > 0) || lotted.size > 1,
  );
  await lockAccounts(tx, issues ? [ISSUED] : []);
  await lockAccounts(tx, [...lotted]);
  const known = fresh ? new Map<string, KnownKey>() : await readKeys(tx, effects);
  const first = await readHoldings(tx, [...lotted], changes.flatMap(lotsNamed), now);
  const holdings = new Map(first);

  const posted: LedgerTransaction[] = [];
  const earned: { readonly id: string; readonly change: Extract<Change, { kind: 'earn' }> }[] = [];
  const outcomes = effects.map((effect): LedgerOutcome => {
    const standing = known.get(effect.key);
    if (standing !== undefined) return isSame(standing, effect) ? { kind: 'exists' } : { kind: 'conflict' };
    const draft = new Map(holdings);
    const postings: Posting[] = [];
    const due: LedgerTransaction[] = [];
    let did: Effects = NO_EFFECTS;
    for (const change of effect.changes) {
      const account = change.kind === 'pass' ? undefined : change.account;
      if (change.kind === 'earn' && !lotted.has(change.account)) {
        postings.push(...creditPostings(change, now));
        continue;
      }
      const before: Holdings = (account === undefined ? undefined : draft.get(account)) ?? NOTHING_HELD;
      const applied = applyChange(before, change, effect.id, now);
      if (applied.kind === 'refused') return applied;
      postings.push(...applied.postings);
      did = {
        owes: did.owes + applied.owes,
        forgiven: did.forgiven + applied.forgiven,
        taken: [...did.taken, ...applied.taken],
      };
      if (account === undefined) continue;
      draft.set(account, applied.holdings);
      due.push(...dueMoves(account, applied.holdings, applied.settled).map(dueTransaction));
    }
    for (const [account, after] of draft) holdings.set(account, after);
    for (const change of effect.changes) {
      if (change.kind === 'earn' && !lotted.has(change.account)) earned.push({ id: effect.id, change });
    }
    const { changes: _changes, ...head } = effect;
    posted.push(...due, { ...head, postings: sumPostings(postings) });
    known.set(effect.key, { id: effect.id, content: effect.content ?? null });
    return { kind: 'created', ...did };
  });

  const before = new Map(await post(tx, await underFreeKeys(tx, posted), now));
  await insertLots(tx, lotsOf(earned, before, now));
  await writeHoldings(
    tx,
    [...first].map(([account, was]) => ({ account, before: was, after: holdings.get(account) ?? was })),
    livesOf(effects),
  );
  return outcomes;
}

/** What falls due as a ledger transaction of its own. */
export function dueTransaction({ key, kind, at, postings }: DueMove): LedgerTransaction {
  return { id: idOfKey(key), key, kind, at, postings };
}

/**
 * The same transactions, those of what fell due under keys that nobody has. A lot falls due a second time where points came
 * back to it by a clock that was behind: what it holds then expires as well, and nothing else waits for it. To be called
 * with the lots' accounts locked.
 */
export async function underFreeKeys(
  tx: DatabaseTransaction,
  transactions: readonly LedgerTransaction[],
): Promise<readonly LedgerTransaction[]> {
  const times = await timesPosted(tx, [...new Set(transactions.filter(fellDue).map(({ key }) => key))]);
  return transactions.map((each) => {
    if (!fellDue(each)) return each;
    const nth = (times.get(each.key) ?? 0) + 1;
    times.set(each.key, nth);
    const key = nthKey(each.key, nth);
    return { ...each, id: idOfKey(key), key };
  });
}

function fellDue({ kind }: LedgerTransaction): boolean {
  return kind === 'vest' || kind === 'expire';
}

function nthKey(key: string, nth: number): string {
  return nth === 1 ? key : `${key}#${nth}`;
}

async function timesPosted(tx: DatabaseTransaction, keys: readonly string[]): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  let open = keys;
  for (let nth = 1; open.length > 0; nth += 1) {
    const { rows } = await sql<{ key: string }>`
      select idempotency_key as key from ledger_transaction
      where idempotency_key = any(${open.map((key) => nthKey(key, nth))}::text[])`.execute(tx);
    const posted = new Set(rows.map(({ key }) => key));
    open = open.filter((key) => posted.has(nthKey(key, nth)));
    for (const key of open) times.set(key, nth);
  }
  return times;
}

/** The days that earnings have, by their lots: on a card nobody has they are kept, but do not run. */
function livesOf(effects: readonly Effect[]): ReadonlyMap<string, PointsLife> {
  return new Map(
    effects.flatMap(({ id, changes }) =>
      changes.flatMap((change) => (change.kind === 'earn' ? [[id, change.life] as const] : [])),
    ),
  );
}

interface KnownKey {
  readonly id: string;
  readonly content: string | null;
}

async function readKeys(tx: DatabaseTransaction, effects: readonly Effect[]): Promise<Map<string, KnownKey>> {
  const { rows } = await sql<KnownKey & { key: string }>`
    select idempotency_key as key, id, content from ledger_transaction
    where idempotency_key = any(${effects.map(({ key }) => key)}::text[])`.execute(tx);
  return new Map(rows.map(({ key, ...row }) => [key, row]));
}

/** The same again: the entry itself, or another that asks for the same. */
function isSame(standing: KnownKey, { id, content }: Effect): boolean {
  return standing.content === null || content === undefined
    ? standing.id === id
    : standing.content === content;
}

function lotsNamed(change: Change): readonly string[] {
  switch (change.kind) {
    case 'take-back':
      return [change.lotId];
    case 'give-back':
      return change.taken.map(({ lotId }) => lotId);
    case 'earn':
    case 'spend':
    case 'pass':
      return [];
  }
}

function creditPostings(change: Extract<Change, { kind: 'earn' }>, now: Instant): readonly Posting[] {
  const applied = applyChange(NOTHING_HELD, change, '', now);
  return applied.kind === 'done' ? applied.postings : [];
}

/** The lots of earnings whose accounts' lots were not read, one after the other from the balances they found. */
function lotsOf(
  earned: readonly { readonly id: string; readonly change: Extract<Change, { kind: 'earn' }> }[],
  before: Map<string, number>,
  now: Instant,
) {
  return earned.flatMap(({ id, change }) => {
    const { account, points } = change;
    if (points === 0) return [];
    const balance = before.get(account) ?? 0;
    const lot = creditByBalance(
      balance,
      { id, ...change },
      { isMember: memberOf(account) !== undefined, now },
    );
    if (!lot.pending) before.set(account, balance + points);
    return [{ account, lot }];
  });
}
