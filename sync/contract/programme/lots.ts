import { ProgrammerError } from '../../../foundation/errors.ts';
import type { Instant } from '../../../foundation/clock.ts';
import type { PointsLife } from './calendar.ts';

// What each earning of an account still holds. The ledger knows how many points there are, the lots know which:
//
//            credit              settle               debit
//   issued ─────────▶ pending ──────────▶ member ─────────────▶ redeemed
//      ▲                 │                 │  ▲ ◀───────────────   │
//      │                 │                 │  └─────── giveBack ───┘
//      └──── reverse ────┴─────────────────┤
//                                          └─ settle ─▶ expired ── reverse, or a debit from before ─▶
//
// Points are consumed by (expiresAt, earnedAt, id): what expires first is spent first. An account may owe: then it holds
// nothing usable, and the next points that become usable are absorbed. Pure; all sums stay below 2^53 as long as an
// account has less than nine million lots of at most a thousand million points.

/** Points of one earning. `points` = `remaining` + `expired` + what was spent, returned or absorbed. */
export interface Lot extends PointsLife {
  /** Of the ledger transaction that credited it. */
  readonly id: string;
  readonly earnedAt: Instant;
  readonly points: number;
  readonly remaining: number;
  /** Of the points, those that expired. */
  readonly expired: number;
  /** Until they vested: not usable. */
  readonly pending: boolean;
}

/** What the ledger has to keep for an account. A lot that holds nothing may be left out, except for a return of it. */
export interface Holdings {
  readonly lots: readonly Lot[];
  /** How far the account is below zero; above 0 only while nothing is usable. */
  readonly owed: number;
}

/** Accounts of the ledger between which points of one customer move. */
export type Pocket = 'issued' | 'pending' | 'member' | 'redeemed' | 'expired';

/** Points, above 0, that the ledger has to post. `lotId` is null for what an account comes to owe, or owed. */
export interface Move {
  readonly lotId: string | null;
  readonly points: number;
  readonly from: Pocket;
  readonly to: Pocket;
}

export interface Settled {
  readonly holdings: Holdings;
  /** Due since before: `pending → member` once a lot, `member → expired` once a lot. Each is a transaction of its own. */
  readonly settled: readonly Move[];
}
/** Holdings after something happened, and what the ledger posts for it, after what was due. */
export interface Changed extends Settled {
  readonly moves: readonly Move[];
}

export const NOTHING_HELD: Holdings = { lots: [], owed: 0 };

/**
 * What can be used, what has not vested, what is owed, at the last settling. The balance of the ledger's member account
 * is `usable − owed`.
 */
export function balanceOf({ lots, owed }: Holdings): {
  readonly usable: number;
  readonly pending: number;
  readonly owed: number;
} {
  let [usable, pending] = [0, 0];
  for (const lot of lots) {
    if (lot.pending) pending += lot.remaining;
    else usable += lot.remaining;
  }
  return { usable, pending, owed };
}

/**
 * Vests and expires what is due by `now`, in the order in which it fell due, so that it is the same however often it is
 * asked. Expiry takes what is left of a lot, never what was spent of it.
 */
export function settle(holdings: Holdings, now: Instant): Settled {
  const due = holdings.lots
    .flatMap((lot): { readonly at: Instant; readonly lot: Lot; readonly is: 'vesting' | 'expiry' }[] => [
      ...(lot.pending && lot.vestsAt <= now ? [{ at: lot.vestsAt, lot, is: 'vesting' as const }] : []),
      ...(lot.expiresAt !== null && lot.expiresAt <= now && lot.remaining > 0
        ? [{ at: lot.expiresAt, lot, is: 'expiry' as const }]
        : []),
    ])
    .toSorted((a, b) => a.at - b.at || compareLots(a.lot, b.lot));
  if (due.length === 0) return { holdings, settled: [] };
  const book = new Book(holdings);
  for (const { lot, is } of due) {
    const { remaining, expired } = book.lot(lot.id);
    switch (is) {
      case 'vesting':
        book.put(lot.id, { pending: false, remaining: 0 });
        book.move(lot.id, remaining, 'pending', 'member');
        book.add(lot.id, remaining);
        break;
      case 'expiry':
        book.put(lot.id, { remaining: 0, expired: expired + remaining });
        book.move(lot.id, remaining, 'member', 'expired');
        break;
    }
  }
  return { holdings: book.holdings(), settled: book.moves };
}

/**
 * Adds an earning. What arrives late has lived meanwhile: it may be usable at once, or expired.
 * @param earning `earnedAt` not after `now`, whatever a till's clock said; `life` as `lifeOfPoints` gives it
 * @throws ProgrammerError for a lot that is there already, or one that would expire before it vests
 */
export function credit(
  before: Holdings,
  earning: {
    readonly id: string;
    readonly points: number;
    readonly earnedAt: Instant;
    readonly life: PointsLife;
  },
  now: Instant,
): Changed {
  const { id, points, earnedAt, life } = earning;
  const { vestsAt, expiresAt } = life;
  assertPoints(points);
  if (expiresAt !== null && expiresAt <= vestsAt)
    throw new ProgrammerError(`lot ${id} expires before it vests`);
  if (before.lots.some((lot) => lot.id === id)) throw new ProgrammerError(`lot ${id} is there already`);
  const { holdings, settled } = settle(before, now);
  const pending = vestsAt > now;
  const book = new Book({
    ...holdings,
    lots: [
      ...holdings.lots,
      { id, earnedAt, vestsAt, expiresAt, points, remaining: pending ? points : 0, expired: 0, pending },
    ],
  });
  if (!pending) book.add(id, points);
  book.move(id, points, 'issued', pending ? 'pending' : 'member');
  // One whose days were over when it came expires at once, as it would have.
  const after = settle(book.holdings(), now);
  return { holdings: after.holdings, settled, moves: [...book.moves, ...after.settled] };
}

export type Debited =
  | ({ readonly kind: 'taken'; readonly owes: number } & Changed)
  | ({ readonly kind: 'refused'; readonly usable: number } & Settled);

/**
 * Spends points. A redemption that happened before it is known here (`at` before `now`) also takes what has expired
 * since: the customer had it.
 * @param overdraw what happens when there is too little: `refuse` takes nothing; `owe` takes what there is and lets the
 *   account owe the rest (`owes`), for what a till has already given away
 */
export function debit(
  before: Holdings,
  what: { readonly points: number; readonly at: Instant; readonly overdraw: 'refuse' | 'owe' },
  now: Instant,
): Debited {
  assertPoints(what.points);
  const { holdings, settled } = settle(before, now);
  const at = Math.min(what.at, now);
  const book = new Book(holdings);
  let open = what.points;
  for (const lot of book.inOrder()) {
    if (lot.pending || (lot.expiresAt !== null && lot.expiresAt <= at)) continue;
    open -= book.take(lot.id, 'remaining', open, 'redeemed');
    open -= book.take(lot.id, 'expired', open, 'redeemed');
  }
  if (open > 0 && what.overdraw === 'refuse') {
    return { kind: 'refused', usable: what.points - open, holdings, settled };
  }
  book.owe(open, 'redeemed');
  return { kind: 'taken', owes: open, holdings: book.holdings(), settled, moves: book.moves };
}

export interface Reversed extends Changed {
  /** Points nobody takes back, because the account may not go below zero. */
  readonly forgiven: number;
}

/**
 * Takes back what a return takes of an earning: of its own lot first, vested or not, then what of that lot expired, for
 * nobody pays for points that are gone; then of the others as a redemption would. What is spent already is owed where
 * the policy lets returns go below zero, else forgiven.
 * @param what `lotId` of the earning; a lot that is not among the holdings is one that holds nothing
 */
export function reverse(
  before: Holdings,
  what: { readonly lotId: string; readonly points: number; readonly negative: 'never' | 'returns' },
  now: Instant,
): Reversed {
  assertPoints(what.points);
  const { holdings, settled } = settle(before, now);
  const book = new Book(holdings);
  let open = what.points;
  if (holdings.lots.some(({ id }) => id === what.lotId)) {
    open -= book.take(what.lotId, 'remaining', open, 'issued');
    open -= book.take(what.lotId, 'expired', open, 'issued');
  }
  for (const lot of book.inOrder()) {
    if (!lot.pending) open -= book.take(lot.id, 'remaining', open, 'issued');
  }
  const forgiven = what.negative === 'never' ? open : 0;
  book.owe(open - forgiven, 'issued');
  return { holdings: book.holdings(), settled, moves: book.moves, forgiven };
}

/** Points a redemption took from a lot. */
export interface Taken {
  readonly lotId: string;
  readonly points: number;
}

export interface GivenBack extends Changed {
  /** Of the redemption's, those that can still be given back to their lots. */
  readonly taken: readonly Taken[];
}

/**
 * Gives back points that goods were paid with. What is owed is absorbed first; then they go back to the lots they came
 * from, the one taken last first, with the days those have left. Points of a lot that is over, and what the account had
 * owed and has made good since, come back as a new lot: a return gives back what was paid. A lot of which anything
 * expired is over, whatever this clock says.
 * @param what.taken the redemption's moves with a lot, less what was given back before
 * @param what.keptOnly nothing was paid: points go back to lots that are over as well, and expire with them
 * @param what.fresh the new lot, made when it is needed
 */
export function giveBack(
  before: Holdings,
  what: {
    readonly points: number;
    readonly taken: readonly Taken[];
    readonly fresh: { readonly id: string; readonly earnedAt: Instant; readonly expiresAt: Instant | null };
    readonly keptOnly?: boolean;
  },
  now: Instant,
): GivenBack {
  assertPoints(what.points);
  const { holdings, settled } = settle(before, now);
  const book = new Book(holdings);
  let open = what.points;
  const absorbed = Math.min(open, holdings.owed);
  book.absorb(absorbed);
  book.move(null, absorbed, 'redeemed', 'member');
  open -= absorbed;
  const left: Taken[] = [];
  for (const { lotId, points } of what.taken.toReversed()) {
    const lot = holdings.lots.find(({ id }) => id === lotId);
    const takes = lot !== undefined && (what.keptOnly === true || isAlive(lot, now));
    const back = takes ? Math.min(open, points) : 0;
    if (back > 0) {
      book.put(lotId, { remaining: book.lot(lotId).remaining + back });
      book.move(lotId, back, 'redeemed', 'member');
    }
    if (points > back) left.unshift({ lotId, points: points - back });
    open -= back;
  }
  if (open > 0) {
    const { id, earnedAt, expiresAt } = what.fresh;
    book.insert({
      id,
      earnedAt,
      expiresAt,
      vestsAt: earnedAt,
      points: open,
      remaining: open,
      expired: 0,
      pending: false,
    });
    book.move(id, open, 'redeemed', 'member');
  }
  const after = settle(book.holdings(), now);
  return { holdings: after.holdings, settled, moves: [...book.moves, ...after.settled], taken: left };
}

function isAlive({ expiresAt, expired }: Lot, now: Instant): boolean {
  return expired === 0 && (expiresAt === null || expiresAt > now);
}

/** Two accounts as one. What one owed is absorbed by what the other can use. Of their lots no two may have one id. */
export function merge(one: Holdings, other: Holdings): Holdings {
  const book = new Book({ lots: [...one.lots, ...other.lots], owed: 0 });
  let open = one.owed + other.owed;
  for (const lot of book.inOrder()) {
    if (lot.pending) continue;
    const absorbed = Math.min(open, lot.remaining);
    book.put(lot.id, { remaining: lot.remaining - absorbed });
    open -= absorbed;
  }
  return { ...book.holdings(), owed: open };
}

/** By what expires first, then what was earned first; ids by code unit, so that every machine sorts alike. */
export function compareLots(a: Lot, b: Lot): number {
  const [expiryA, expiryB] = [a.expiresAt ?? Infinity, b.expiresAt ?? Infinity];
  if (expiryA !== expiryB) return expiryA < expiryB ? -1 : 1;
  return a.earnedAt - b.earnedAt || (a.id < b.id ? -1 : Number(a.id > b.id));
}

function assertPoints(points: number): void {
  if (!Number.isSafeInteger(points) || points < 0)
    throw new ProgrammerError(`no number of points: ${points}`);
}

/** Holdings while they change, with the moves that say how. */
class Book {
  readonly moves: Move[] = [];
  readonly #lots: Map<string, Lot>;
  #owed: number;

  constructor({ lots, owed }: Holdings) {
    this.#lots = new Map(lots.map((lot) => [lot.id, lot]));
    if (this.#lots.size !== lots.length) throw new ProgrammerError('two lots have one id');
    this.#owed = owed;
  }

  lot(id: string): Lot {
    const lot = this.#lots.get(id);
    if (lot === undefined) throw new ProgrammerError(`no lot ${id}`);
    return lot;
  }

  inOrder(): readonly Lot[] {
    return [...this.#lots.values()].toSorted(compareLots);
  }

  put(id: string, change: Partial<Pick<Lot, 'remaining' | 'expired' | 'pending'>>): void {
    this.#lots.set(id, { ...this.lot(id), ...change });
  }

  insert(lot: Lot): void {
    if (this.#lots.has(lot.id)) throw new ProgrammerError(`lot ${lot.id} is there already`);
    this.#lots.set(lot.id, lot);
  }

  /** Usable points come to a lot, less what the account owes. */
  add(id: string, points: number): void {
    const absorbed = Math.min(points, this.#owed);
    this.absorb(absorbed);
    this.put(id, { remaining: this.lot(id).remaining + points - absorbed });
  }

  absorb(points: number): void {
    this.#owed -= points;
  }

  /** Takes up to so many points of what a lot has left, or of what expired of it. */
  take(id: string, part: 'remaining' | 'expired', upTo: number, to: Pocket): number {
    const lot = this.lot(id);
    const points = Math.min(upTo, lot[part]);
    this.put(id, { [part]: lot[part] - points });
    const pocket = lot.pending ? 'pending' : 'member';
    this.move(id, points, part === 'expired' ? 'expired' : pocket, to);
    return points;
  }

  owe(points: number, to: Pocket): void {
    this.#owed += points;
    this.move(null, points, 'member', to);
  }

  move(lotId: string | null, points: number, from: Pocket, to: Pocket): void {
    if (points > 0) this.moves.push({ lotId, points, from, to });
  }

  holdings(): Holdings {
    return { lots: [...this.#lots.values()], owed: this.#owed };
  }
}
