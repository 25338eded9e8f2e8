import { describe, expect, test } from 'vitest';
import {
  balanceOf,
  credit,
  debit,
  giveBack,
  merge,
  NOTHING_HELD,
  reverse,
  settle,
} from '../../../../sync/contract/programme/lots.ts';
import type { Holdings, Move } from '../../../../sync/contract/programme/lots.ts';

/** Holdings after an earning at `earnedAt`, usable and expiring when it says; instants are days. */
function earn(
  holdings: Holdings,
  id: string,
  points: number,
  days: { readonly earnedAt: number; readonly vestsAt?: number; readonly expiresAt?: number | null },
  now = days.earnedAt,
): Holdings {
  const { earnedAt, vestsAt = earnedAt, expiresAt = null } = days;
  return credit(holdings, { id, points, earnedAt, life: { vestsAt, expiresAt } }, now).holdings;
}
function spend(holdings: Holdings, points: number, now: number, at = now): Holdings {
  const debited = debit(holdings, { points, at, overdraw: 'refuse' }, now);
  expect(debited.kind).toBe('taken');
  return debited.holdings;
}
const usable = (holdings: Holdings, now: number): number => balanceOf(settle(holdings, now).holdings).usable;
const lot = (id: string, points: number, from: Move['from'], to: Move['to']): Move => ({
  lotId: id,
  points,
  from,
  to,
});

test('points are spent in the order in which they expire, then in which they were earned', () => {
  let holdings = earn(NOTHING_HELD, 'later', 10, { earnedAt: 1, expiresAt: 30 });
  holdings = earn(holdings, 'never', 10, { earnedAt: 1 });
  holdings = earn(holdings, 'b', 10, { earnedAt: 3, expiresAt: 20 });
  holdings = earn(holdings, 'c', 10, { earnedAt: 2, expiresAt: 20 });
  holdings = earn(holdings, 'a', 10, { earnedAt: 3, expiresAt: 20 });
  const debited = debit(holdings, { points: 45, at: 4, overdraw: 'refuse' }, 4);
  expect(debited).toMatchObject({
    moves: [
      lot('c', 10, 'member', 'redeemed'),
      lot('a', 10, 'member', 'redeemed'),
      lot('b', 10, 'member', 'redeemed'),
      lot('later', 10, 'member', 'redeemed'),
      lot('never', 5, 'member', 'redeemed'),
    ],
  });
});

describe('expiry', () => {
  test('takes what is left of a lot, so a balance does not collapse when a spent lot expires', () => {
    let holdings = earn(NOTHING_HELD, 'old', 100, { earnedAt: 1, expiresAt: 20 });
    holdings = earn(holdings, 'new', 50, { earnedAt: 10, expiresAt: 40 });
    holdings = spend(holdings, 80, 12);
    expect(usable(holdings, 19)).toBe(70);
    const { holdings: after, settled } = settle(holdings, 20);
    expect(settled).toEqual([lot('old', 20, 'member', 'expired')]);
    expect(balanceOf(after)).toEqual({ usable: 50, pending: 0, owed: 0 });
    expect(settle(after, 21).settled).toEqual([]);
  });

  test('begins with its instant, not before', () => {
    const holdings = earn(NOTHING_HELD, 'a', 10, { earnedAt: 1, expiresAt: 20 });
    expect(debit(holdings, { points: 10, at: 19, overdraw: 'refuse' }, 19).kind).toBe('taken');
    expect(debit(holdings, { points: 10, at: 20, overdraw: 'refuse' }, 20)).toMatchObject({
      kind: 'refused',
      usable: 0,
      settled: [lot('a', 10, 'member', 'expired')],
    });
  });

  test('gives way to what was spent before it and is told after it', () => {
    const holdings = earn(NOTHING_HELD, 'a', 100, { earnedAt: 1, expiresAt: 20 });
    const expired = settle(holdings, 25).holdings;
    const debited = debit(expired, { points: 80, at: 19, overdraw: 'owe' }, 26);
    expect(debited).toMatchObject({ owes: 0, moves: [lot('a', 80, 'expired', 'redeemed')] });
    expect(debit(expired, { points: 80, at: 20, overdraw: 'owe' }, 26)).toMatchObject({ owes: 80 });
  });

  test('befalls at once what was earned long ago and is told only now', () => {
    const late = { id: 'a', points: 10, earnedAt: 1, life: { vestsAt: 5, expiresAt: 20 } };
    expect(credit(NOTHING_HELD, late, 30).moves).toEqual([
      lot('a', 10, 'issued', 'member'),
      lot('a', 10, 'member', 'expired'),
    ]);
  });
});

describe('points that have not vested', () => {
  const holdings = earn(NOTHING_HELD, 'a', 10, { earnedAt: 1, vestsAt: 15 });

  test('cannot be spent until their day', () => {
    expect(balanceOf(holdings)).toEqual({ usable: 0, pending: 10, owed: 0 });
    expect(debit(holdings, { points: 1, at: 14, overdraw: 'refuse' }, 14)).toMatchObject({ kind: 'refused' });
    const debited = debit(holdings, { points: 1, at: 15, overdraw: 'refuse' }, 15);
    expect(debited).toMatchObject({ settled: [lot('a', 10, 'pending', 'member')] });
    expect(balanceOf(debited.holdings)).toEqual({ usable: 9, pending: 0, owed: 0 });
  });

  test('are returned from where they wait', () => {
    const { moves } = reverse(holdings, { lotId: 'a', points: 4, negative: 'never' }, 3);
    expect(moves).toEqual([lot('a', 4, 'pending', 'issued')]);
  });
});

describe('a return', () => {
  test('takes from its own lot, though others expire earlier', () => {
    let holdings = earn(NOTHING_HELD, 'early', 10, { earnedAt: 1, expiresAt: 20 });
    holdings = earn(holdings, 'own', 10, { earnedAt: 2, expiresAt: 40 });
    const { moves } = reverse(holdings, { lotId: 'own', points: 12, negative: 'never' }, 3);
    expect(moves).toEqual([lot('own', 10, 'member', 'issued'), lot('early', 2, 'member', 'issued')]);
  });

  test('of what expired costs the customer nothing', () => {
    let holdings = earn(NOTHING_HELD, 'own', 10, { earnedAt: 1, expiresAt: 20 });
    holdings = earn(holdings, 'other', 10, { earnedAt: 19, expiresAt: 40 });
    const { moves, holdings: after } = reverse(
      holdings,
      { lotId: 'own', points: 10, negative: 'returns' },
      20,
    );
    expect(moves).toEqual([lot('own', 10, 'expired', 'issued')]);
    expect(usable(after, 20)).toBe(10);
  });

  test('of what was spent is owed where the policy says so, and absorbed by what is earned next', () => {
    const spent = spend(earn(NOTHING_HELD, 'own', 10, { earnedAt: 1 }), 8, 2);
    const { holdings, moves, forgiven } = reverse(
      spent,
      { lotId: 'own', points: 10, negative: 'returns' },
      3,
    );
    expect(moves).toEqual([
      lot('own', 2, 'member', 'issued'),
      { lotId: null, points: 8, from: 'member', to: 'issued' },
    ]);
    expect([forgiven, balanceOf(holdings)]).toEqual([0, { usable: 0, pending: 0, owed: 8 }]);
    const waiting = earn(holdings, 'waits', 5, { earnedAt: 4, vestsAt: 9 });
    expect(balanceOf(waiting)).toEqual({ usable: 0, pending: 5, owed: 8 });
    expect(balanceOf(settle(waiting, 9).holdings)).toEqual({ usable: 0, pending: 0, owed: 3 });
    expect(balanceOf(earn(waiting, 'next', 20, { earnedAt: 10 }))).toEqual({
      usable: 17,
      pending: 0,
      owed: 0,
    });
  });

  test('that is owed is absorbed by what vests first, also when both are told at once', () => {
    let holdings = debit(NOTHING_HELD, { points: 6, at: 1, overdraw: 'owe' }, 1).holdings;
    holdings = earn(holdings, 'expires first', 10, { earnedAt: 2, vestsAt: 9, expiresAt: 20 });
    holdings = earn(holdings, 'vests first', 10, { earnedAt: 2, vestsAt: 8, expiresAt: 40 });
    const left = settle(holdings, 12).holdings.lots.map(({ id, remaining }) => [id, remaining]);
    expect(left).toEqual([
      ['expires first', 10],
      ['vests first', 4],
    ]);
  });

  test('of what was spent is forgiven where a balance may never be negative', () => {
    const spent = spend(earn(NOTHING_HELD, 'own', 10, { earnedAt: 1 }), 8, 2);
    const { holdings, moves, forgiven } = reverse(spent, { lotId: 'own', points: 10, negative: 'never' }, 3);
    expect([moves, forgiven]).toEqual([[lot('own', 2, 'member', 'issued')], 8]);
    expect(balanceOf(holdings).owed).toBe(0);
  });

  test('of a lot that is not kept any more takes from the others', () => {
    const holdings = earn(NOTHING_HELD, 'other', 10, { earnedAt: 1 });
    const { moves } = reverse(holdings, { lotId: 'gone', points: 4, negative: 'never' }, 3);
    expect(moves).toEqual([lot('other', 4, 'member', 'issued')]);
  });
});

describe('points that paid for returned goods', () => {
  const fresh = { id: 'return', earnedAt: 50, expiresAt: 90 };

  test('go back to their lots, those that live longest first', () => {
    let holdings = earn(NOTHING_HELD, 'a', 10, { earnedAt: 1, expiresAt: 60 });
    holdings = spend(earn(holdings, 'b', 10, { earnedAt: 1, expiresAt: 70 }), 15, 2);
    const taken = [
      { lotId: 'a', points: 10 },
      { lotId: 'b', points: 5 },
    ];
    const first = giveBack(holdings, { points: 7, taken, fresh }, 50);
    expect(first.moves).toEqual([lot('b', 5, 'redeemed', 'member'), lot('a', 2, 'redeemed', 'member')]);
    expect(first.taken).toEqual([{ lotId: 'a', points: 8 }]);
    const second = giveBack(first.holdings, { points: 8, taken: first.taken, fresh }, 50);
    expect(second.taken).toEqual([]);
    expect(second.holdings.lots.map(({ remaining }) => remaining)).toEqual([10, 10]);
  });

  test('come back as a new lot when theirs is over', () => {
    const holdings = spend(earn(NOTHING_HELD, 'a', 10, { earnedAt: 1, expiresAt: 20 }), 10, 2);
    const back = giveBack(holdings, { points: 10, taken: [{ lotId: 'a', points: 10 }], fresh }, 50);
    expect(back.moves).toEqual([lot('return', 10, 'redeemed', 'member')]);
    expect([usable(back.holdings, 89), usable(back.holdings, 90)]).toEqual([10, 0]);
  });

  test('make good what is owed first', () => {
    const owing = debit(NOTHING_HELD, { points: 6, at: 2, overdraw: 'owe' }, 2);
    const back = giveBack(owing.holdings, { points: 10, taken: [], fresh }, 50);
    expect(back.moves).toEqual([
      { lotId: null, points: 6, from: 'redeemed', to: 'member' },
      lot('return', 4, 'redeemed', 'member'),
    ]);
    expect(balanceOf(back.holdings)).toEqual({ usable: 4, pending: 0, owed: 0 });
  });
});

describe('a redemption', () => {
  test('of more than there is takes nothing, or leaves the rest owed when it was given already', () => {
    const holdings = earn(NOTHING_HELD, 'a', 10, { earnedAt: 1 });
    expect(debit(holdings, { points: 11, at: 2, overdraw: 'refuse' }, 2)).toEqual({
      kind: 'refused',
      usable: 10,
      holdings,
      settled: [],
    });
    const debited = debit(holdings, { points: 11, at: 2, overdraw: 'owe' }, 2);
    expect(debited).toMatchObject({ kind: 'taken', owes: 1 });
    expect(balanceOf(debited.holdings)).toEqual({ usable: 0, pending: 0, owed: 1 });
  });
});

test('of two accounts that become one, what the first owes is absorbed by what the second can use', () => {
  const owing = debit(NOTHING_HELD, { points: 6, at: 2, overdraw: 'owe' }, 2).holdings;
  let rich = earn(NOTHING_HELD, 'late', 10, { earnedAt: 1 });
  rich = earn(rich, 'early', 4, { earnedAt: 1, expiresAt: 9 });
  rich = earn(rich, 'waits', 5, { earnedAt: 2, vestsAt: 9 });
  for (const merged of [merge(owing, rich), merge(rich, owing)]) {
    expect(balanceOf(merged)).toEqual({ usable: 8, pending: 5, owed: 0 });
    expect(merged.lots.find(({ id }) => id === 'late')?.remaining).toBe(8);
  }
});

test('a lot is credited once, with whole points, and lives longer than it waits', () => {
  const holdings = earn(NOTHING_HELD, 'a', 10, { earnedAt: 1 });
  expect(() => earn(holdings, 'a', 10, { earnedAt: 1 })).toThrow('there already');
  expect(() => earn(holdings, 'b', 1.5, { earnedAt: 1 })).toThrow('no number of points');
  expect(() => earn(holdings, 'b', -1, { earnedAt: 1 })).toThrow('no number of points');
  expect(() => earn(holdings, 'b', 1, { earnedAt: 1, vestsAt: 5, expiresAt: 5 })).toThrow('before it vests');
  expect(() => merge(holdings, holdings)).toThrow('one id');
});
