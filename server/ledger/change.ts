import type { Instant } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { points as wholePoints } from '../../sync/contract/points.ts';
import type { PointsLife } from '../../sync/contract/programme/calendar.ts';
import { credit, debit, giveBack, reverse, settle } from '../../sync/contract/programme/lots.ts';
import type { Holdings, Lot, Move, Pocket, Taken } from '../../sync/contract/programme/lots.ts';
import { EXPIRED, ISSUED, REDEEMED, isUnclaimed, memberOf, pendingAccount } from './accounts.ts';
import type { Posting } from './post.ts';

/** What happens to the points of one account. Accounts are those of members, or of cards nobody has yet. */
export type Change =
  /** Points come to the account as a new lot, whose id is that of the ledger transaction. */
  | {
      readonly kind: 'earn';
      readonly account: string;
      readonly points: number;
      readonly earnedAt: Instant;
      readonly life: PointsLife;
      /** Where they come from; absent: {@link ISSUED}. */
      readonly from?: string;
    }
  /** What a lot brought is taken back. */
  | {
      readonly kind: 'take-back';
      readonly account: string;
      readonly points: number;
      readonly lotId: string;
      readonly negative: 'never' | 'returns';
    }
  /** Points are spent, or held. */
  | {
      readonly kind: 'spend';
      readonly account: string;
      readonly points: number;
      readonly at: Instant;
      readonly overdraw: 'refuse' | 'owe';
      readonly to: string;
    }
  /** What was spent comes back to the lots it was taken from. */
  | {
      readonly kind: 'give-back';
      readonly account: string;
      readonly points: number;
      readonly taken: readonly Taken[];
      /** Of the new lot, for what cannot go back to its own. */
      readonly expiresAt: Instant | null;
      readonly from: string;
      /** It was never spent: it has the days it had, also where they are over. */
      readonly keptOnly?: boolean;
    }
  /** Points pass between accounts that have no lots. */
  | { readonly kind: 'pass'; readonly from: string; readonly to: string; readonly points: number };

/** What a change did beside moving points. */
export interface Effects {
  /** Points the account came to owe. */
  readonly owes: number;
  /** Points nobody takes back. */
  readonly forgiven: number;
  /** Lots that were spent of, or that can still be given back to. */
  readonly taken: readonly Taken[];
}

export const NO_EFFECTS: Effects = { owes: 0, forgiven: 0, taken: [] };

export type Applied =
  | ({
      readonly kind: 'done';
      readonly holdings: Holdings;
      /** Due before the change, each a transaction of its own. */
      readonly settled: readonly Move[];
      readonly postings: readonly Posting[];
    } & Effects)
  | { readonly kind: 'refused'; readonly code: ErrorCode };

/**
 * Applies a change to what its account holds. Pure; the ledger posts what it says.
 * @param id of the ledger transaction
 */
export function applyChange(before: Holdings, change: Change, id: string, now: Instant): Applied {
  switch (change.kind) {
    case 'earn': {
      const { points, account, from = ISSUED } = change;
      const earnedAt = Math.min(change.earnedAt, now);
      // What waits for an owner has no days before it has one.
      const life = isUnclaimed(account) ? { vestsAt: earnedAt, expiresAt: null } : change.life;
      const changed = credit(before, { id, points, earnedAt, life }, now);
      // What was over when it came expires in a transaction of its own, as it would have.
      const own = changed.moves.filter((move) => move.from === 'issued');
      return {
        kind: 'done',
        ...NO_EFFECTS,
        holdings: changed.holdings,
        settled: [...changed.settled, ...changed.moves.filter((move) => move.from !== 'issued')],
        postings: postingsOf(own, account, { issued: from }),
      };
    }
    case 'take-back': {
      const { account, points, lotId, negative } = change;
      const { holdings, settled, moves, forgiven } = reverse(before, { lotId, points, negative }, now);
      return {
        kind: 'done',
        ...NO_EFFECTS,
        holdings,
        settled,
        forgiven,
        postings: postingsOf(moves, account),
      };
    }
    case 'spend': {
      const { account, points, at, overdraw, to } = change;
      const debited = debit(before, { points, at, overdraw }, now);
      if (debited.kind === 'refused') return { kind: 'refused', code: 'BURN_BALANCE' };
      const { holdings, settled, moves, owes } = debited;
      const postings = postingsOf(moves, account, { redeemed: to });
      return { kind: 'done', ...NO_EFFECTS, holdings, settled, owes, taken: takenBy(moves), postings };
    }
    case 'give-back': {
      const { account, points, taken, expiresAt, from, keptOnly = false } = change;
      const fresh = { id, earnedAt: now, expiresAt };
      const back = giveBack(before, { points, taken, fresh, keptOnly }, now);
      // What was over when it came back expires in a transaction of its own, as it would have.
      const own = back.moves.filter((move) => move.to === 'member');
      const postings = postingsOf(own, account, { redeemed: from });
      return {
        kind: 'done',
        ...NO_EFFECTS,
        holdings: back.holdings,
        settled: [...back.settled, ...back.moves.filter((move) => move.to !== 'member')],
        taken: back.taken,
        postings,
      };
    }
    case 'pass': {
      const { from, to, points } = change;
      const move = points === 0 ? [] : [posting(from, 0 - points), posting(to, points)];
      return { kind: 'done', ...NO_EFFECTS, holdings: before, settled: [], postings: move };
    }
  }
}

/** What an earning makes of an account that is known only by its balance: the lot, and what of it was owed. */
export function creditByBalance(
  balanceBefore: number,
  earning: {
    readonly id: string;
    readonly points: number;
    readonly earnedAt: Instant;
    readonly life: PointsLife;
  },
  { isMember, now }: { readonly isMember: boolean; readonly now: Instant },
): Lot {
  const { id, points, life } = earning;
  const pending = isMember && life.vestsAt > now;
  const absorbed = pending ? 0 : Math.min(points, Math.max(0, 0 - balanceBefore));
  return {
    id,
    points,
    earnedAt: Math.min(earning.earnedAt, now),
    ...life,
    remaining: points - absorbed,
    expired: 0,
    pending,
  };
}

/** A change of what fell due, as its own ledger transaction. */
export interface DueMove {
  readonly key: string;
  readonly kind: 'vest' | 'expire';
  readonly at: Instant;
  readonly postings: readonly Posting[];
}

/** What falls due on a member's account by now. */
export function settleNow(
  account: string,
  before: Holdings,
  now: Instant,
): { readonly holdings: Holdings; readonly due: readonly DueMove[] } {
  const { holdings, settled } = settle(before, now);
  return { holdings, due: dueMoves(account, holdings, settled) };
}

/** The transactions of what was due. Each takes place once: a lot vests once and expires once. */
export function dueMoves(account: string, { lots }: Holdings, settled: readonly Move[]): readonly DueMove[] {
  const byId = new Map(lots.map((lot) => [lot.id, lot]));
  return settled.map((move): DueMove => {
    const lot = byId.get(move.lotId ?? '');
    const kind = move.to === 'expired' ? ('expire' as const) : ('vest' as const);
    const at = (kind === 'expire' ? lot?.expiresAt : lot?.vestsAt) ?? 0;
    return { key: `${kind}:${move.lotId ?? ''}`, kind, at, postings: postingsOf([move], account) };
  });
}

function takenBy(moves: readonly Move[]): readonly Taken[] {
  const byLot = new Map<string, number>();
  for (const { lotId, points } of moves) {
    if (lotId !== null) byLot.set(lotId, (byLot.get(lotId) ?? 0) + points);
  }
  return [...byLot].map(([lotId, points]) => ({ lotId, points }));
}

/** Moves between pockets as postings on accounts, each account once. */
function postingsOf(
  moves: readonly Move[],
  account: string,
  instead: Partial<Record<Pocket, string>> = {},
): readonly Posting[] {
  const accountOf = (pocket: Pocket): string => instead[pocket] ?? ownAccount(pocket, account);
  return sumPostings(
    moves.flatMap(({ from, to, points }) => [
      posting(accountOf(from), 0 - points),
      posting(accountOf(to), points),
    ]),
  );
}

function ownAccount(pocket: Pocket, account: string): string {
  switch (pocket) {
    case 'member':
      return account;
    case 'pending':
      // Points that wait for an owner do not vest before they have one.
      return isUnclaimed(account) ? account : pendingAccount(memberOf(account) ?? account);
    case 'issued':
      return ISSUED;
    case 'redeemed':
      return REDEEMED;
    case 'expired':
      return EXPIRED;
  }
}

/** Postings with each account once, and none of nothing. */
export function sumPostings(postings: readonly Posting[]): readonly Posting[] {
  const sums = new Map<string, number>();
  for (const { account, points } of postings) sums.set(account, (sums.get(account) ?? 0) + points);
  return [...sums].flatMap(([account, sum]) => (sum === 0 ? [] : [posting(account, sum)]));
}

function posting(account: string, sum: number): Posting {
  return { account, points: wholePoints(sum) };
}
