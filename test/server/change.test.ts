// R53, without a database: whatever sequence of changes comes, postings add up to zero and accounts are what lots hold.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { memberAccount, pendingAccount } from '../../server/ledger/accounts.ts';
import { applyChange, creditByBalance, dueMoves } from '../../server/ledger/change.ts';
import type { Change } from '../../server/ledger/change.ts';
import type { Posting } from '../../server/ledger/post.ts';
import { NOTHING_HELD, balanceOf, credit } from '../../sync/contract/programme/lots.ts';

const account = memberAccount('c');

const step = fc.record({
  kind: fc.constantFrom('earn' as const, 'take-back' as const, 'spend' as const, 'owe' as const),
  points: fc.integer({ min: 0, max: 60 }),
  lot: fc.nat(8),
  later: fc.nat(40),
  vests: fc.nat(60),
  lives: fc.option(fc.integer({ min: 1, max: 200 })),
  negative: fc.constantFrom('never' as const, 'returns' as const),
});

test('any sequence leaves every account what its lots hold, and debits equal to credits', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const accounts = new Map<string, number>();
      let holdings = NOTHING_HELD;
      let now = 1_000;
      const book = (postings: readonly Posting[]): void => {
        expect(postings.reduce((sum, { points }) => sum + points, 0)).toBe(0);
        for (const { account: id, points } of postings) accounts.set(id, (accounts.get(id) ?? 0) + points);
      };
      for (const [i, { kind, points, lot, later, vests, lives, negative }] of steps.entries()) {
        now += later;
        const vestsAt = now + vests;
        const life = { vestsAt, expiresAt: lives === null ? null : vestsAt + lives };
        const changes: Record<typeof kind, Change> = {
          earn: { kind: 'earn', account, points, earnedAt: now, life },
          'take-back': { kind: 'take-back', account, points, lotId: `lot-${lot}`, negative },
          spend: { kind: 'spend', account, points, at: now, overdraw: 'refuse', to: 'redeemed' },
          owe: { kind: 'spend', account, points, at: now - 20, overdraw: 'owe', to: 'redeemed' },
        };
        const applied = applyChange(holdings, changes[kind], `lot-${i}`, now);
        if (applied.kind === 'refused') continue;
        for (const { postings } of dueMoves(account, applied.holdings, applied.settled)) book(postings);
        book(applied.postings);
        holdings = applied.holdings;
      }
      const { usable, pending, owed } = balanceOf(holdings);
      expect(accounts.get(account) ?? 0).toBe(usable - owed);
      expect(accounts.get(pendingAccount('c')) ?? 0).toBe(pending);
      expect([...accounts.values()].reduce((sum, each) => sum + each, 0)).toBe(0);
    }),
    { numRuns: 20_000 },
  );
});

test('a lot made of a balance alone is the lot the whole account would have got', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -50, max: 50 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: -5, max: 5 }),
      (balance, points, vests) => {
        const now = 1_000;
        const life = { vestsAt: now + vests, expiresAt: null };
        const earning = { id: 'new', points, earnedAt: now, life };
        const made = creditByBalance(balance, earning, { isMember: true, now });
        const whole = credit({ lots: [], owed: Math.max(0, 0 - balance) }, earning, now);
        expect(made).toEqual(whole.holdings.lots[0]);
      },
    ),
  );
});
