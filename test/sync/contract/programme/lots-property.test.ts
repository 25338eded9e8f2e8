import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  balanceOf,
  compareLots,
  credit,
  debit,
  giveBack,
  merge,
  NOTHING_HELD,
  reverse,
  settle,
} from '../../../../sync/contract/programme/lots.ts';
import type { Holdings, Lot, Move, Pocket, Taken } from '../../../../sync/contract/programme/lots.ts';

// Goal: whatever happens to an account, in any order, no point appears or vanishes.
// Method: random histories, each move posted to a small double-entry ledger beside the lots. After every step the two
// must say the same, and the rules that hold always must hold.

type Step =
  | {
      readonly is: 'earn';
      readonly points: number;
      readonly ago: number;
      readonly vests: number;
      readonly lives: number;
    }
  | {
      readonly is: 'spend';
      readonly points: number;
      readonly ago: number;
      readonly overdraw: 'refuse' | 'owe';
    }
  | {
      readonly is: 'return';
      readonly of: number;
      readonly share: number;
      readonly negative: 'never' | 'returns';
    }
  | { readonly is: 'give back'; readonly of: number; readonly share: number }
  | { readonly is: 'wait'; readonly days: number };

const points = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant(1_000_000_000));
const some = fc.nat(9);
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({
      is: fc.constant('earn' as const),
      points,
      ago: fc.nat(12),
      vests: fc.nat(4),
      lives: fc.nat(12),
    }),
    fc.record({
      is: fc.constant('spend' as const),
      points: fc.integer({ min: 0, max: 60 }),
      ago: fc.nat(6),
      overdraw: fc.constantFrom('refuse', 'owe'),
    }),
    fc.record({
      is: fc.constant('return' as const),
      of: some,
      share: some,
      negative: fc.constantFrom('never', 'returns'),
    }),
    fc.record({ is: fc.constant('give back' as const), of: some, share: some }),
    fc.record({ is: fc.constant('wait' as const), days: fc.integer({ min: 1, max: 5 }) }),
  ),
  { minLength: 1, maxLength: 14, size: 'max' },
);

/** Sale or redemption as the ledger knows it, with what of it can still come back. */
interface Open {
  readonly id: string;
  left: number;
  taken: readonly Taken[];
}

class Account {
  holdings: Holdings = NOTHING_HELD;
  now = 20;
  readonly sales: Open[] = [];
  readonly redemptions: Open[] = [];
  readonly ledger = new Map<Pocket, number>();
  /** Lots that vested and expired, by what was posted for them. */
  readonly once = new Set<string>();
  #made = 0;

  do(step: Step): void {
    const before = this.holdings;
    const id = `lot-${(this.#made += 1)}`;
    switch (step.is) {
      case 'wait':
        this.now += step.days;
        this.#settled(settle(this.holdings, this.now));
        return;
      case 'earn': {
        const earnedAt = this.now - step.ago;
        const vestsAt = earnedAt + step.vests;
        const expiresAt = step.lives === 0 ? null : vestsAt + step.lives;
        const what = { id, points: step.points, earnedAt, life: { vestsAt, expiresAt } };
        this.#posted(credit(before, what, this.now), { issued: -step.points });
        this.sales.push({ id, left: step.points, taken: [] });
        return;
      }
      case 'spend': {
        const { points: wanted, overdraw } = step;
        const at = this.now - step.ago;
        const debited = debit(before, { points: wanted, at, overdraw }, this.now);
        if (debited.kind === 'refused') {
          this.#settled(debited);
          expect(overdraw).toBe('refuse');
          expect(debited.usable).toBeLessThan(wanted);
          return;
        }
        this.#posted(debited, { redeemed: wanted });
        if (overdraw === 'refuse') expect(debited.owes).toBe(0);
        if (debited.owes > 0) expect(balanceOf(this.holdings).usable).toBe(0);
        spentInOrder(settle(before, this.now).holdings, debited.moves, at);
        const taken = debited.moves.flatMap(({ lotId, points: each }) =>
          lotId === null ? [] : [{ lotId, points: each }],
        );
        this.redemptions.push({ id, left: wanted, taken });
        return;
      }
      case 'return': {
        const sale = this.sales[step.of % Math.max(1, this.sales.length)];
        if (sale === undefined) return;
        const back = Math.ceil((sale.left * step.share) / 9);
        const { negative } = step;
        const reversed = reverse(before, { lotId: sale.id, points: back, negative }, this.now);
        sale.left -= back;
        this.#posted(reversed, { issued: back - reversed.forgiven });
        if (negative === 'returns') expect(reversed.forgiven).toBe(0);
        else expect(this.holdings.owed).toBeLessThanOrEqual(before.owed);
        if (reversed.forgiven > 0) expect(balanceOf(this.holdings).usable).toBe(0);
        return;
      }
      case 'give back': {
        const redemption = this.redemptions[step.of % Math.max(1, this.redemptions.length)];
        if (redemption === undefined) return;
        const back = Math.ceil((redemption.left * step.share) / 9);
        const fresh = { id, earnedAt: this.now, expiresAt: this.now + 5 };
        const given = giveBack(before, { points: back, taken: redemption.taken, fresh }, this.now);
        redemption.left -= back;
        redemption.taken = given.taken;
        this.#posted(given, { redeemed: -back });
      }
    }
  }

  #settled({ holdings, settled }: { readonly holdings: Holdings; readonly settled: readonly Move[] }): void {
    for (const move of settled) {
      const key = `${move.to === 'expired' ? 'expire' : 'vest'}:${move.lotId}`;
      expect(this.once.has(key)).toBe(false);
      this.once.add(key);
      expect([`${move.from}-${move.to}`]).toEqual([
        move.to === 'expired' ? 'member-expired' : 'pending-member',
      ]);
    }
    this.#post(settled);
    this.holdings = holdings;
    this.check();
  }

  /** @param outside what must have come from, or gone to, the accounts that are not the customer's */
  #posted(
    changed: {
      readonly holdings: Holdings;
      readonly settled: readonly Move[];
      readonly moves: readonly Move[];
    },
    outside: { readonly issued?: number; readonly redeemed?: number },
  ): void {
    const before = new Map(this.ledger);
    this.#post(changed.settled);
    this.#post(changed.moves);
    for (const pocket of ['issued', 'redeemed'] as const) {
      expect((this.ledger.get(pocket) ?? 0) - (before.get(pocket) ?? 0)).toBe((outside[pocket] ?? 0) + 0);
    }
    this.holdings = changed.holdings;
    this.check();
  }

  #post(moves: readonly Move[]): void {
    for (const { from, to, points: each } of moves) {
      expect(Number.isSafeInteger(each) && each > 0).toBe(true);
      this.ledger.set(from, (this.ledger.get(from) ?? 0) - each);
      this.ledger.set(to, (this.ledger.get(to) ?? 0) + each);
    }
  }

  check(): void {
    const { usable, pending, owed } = balanceOf(this.holdings);
    expect(this.ledger.get('member') ?? 0).toBe(usable - owed);
    expect(this.ledger.get('pending') ?? 0).toBe(pending);
    const expired = this.holdings.lots.reduce((sum, lot) => sum + lot.expired, 0);
    expect(this.ledger.get('expired') ?? 0).toBe(expired);
    expect(owed).toBeGreaterThanOrEqual(0);
    if (owed > 0) expect(usable).toBe(0);
    for (const lot of this.holdings.lots) {
      expect(lot.remaining >= 0 && lot.expired >= 0 && lot.remaining + lot.expired <= lot.points).toBe(true);
      expect(lot.pending).toBe(lot.vestsAt > this.now);
      if (lot.expiresAt !== null && lot.expiresAt <= this.now) expect(lot.remaining).toBe(0);
    }
  }
}

/** No lot is touched while one that goes before it still has something that counted at the time. */
function spentInOrder(before: Holdings, moves: readonly Move[], at: number): void {
  const counts = (lot: Lot): number =>
    lot.pending || (lot.expiresAt !== null && lot.expiresAt <= at) ? 0 : lot.remaining + lot.expired;
  let open = moves.reduce((sum, { lotId, points: each }) => sum + (lotId === null ? 0 : each), 0);
  for (const lot of before.lots.toSorted(compareLots)) {
    const taken = moves
      .filter(({ lotId }) => lotId === lot.id)
      .reduce((sum, { points: each }) => sum + each, 0);
    expect(taken).toBe(Math.min(open, counts(lot)));
    open -= taken;
  }
}

const runs = Number(process.env['LOT_HISTORIES'] ?? 10_000);

test('whatever happens to an account, no point appears or vanishes', () => {
  fc.assert(
    fc.property(steps, (history) => {
      const account = new Account();
      for (const step of history) account.do(step);
      // Undone altogether, nothing is left but what was forgiven or expired, and what is owed.
      expect([...account.ledger.values()].reduce((sum, each) => sum + each, 0)).toBe(0);
    }),
    { numRuns: runs },
  );
}, 60_000);

test('it is the same however often an account is settled on the way', () => {
  const account = steps.map((history) => {
    const made = new Account();
    for (const step of history) made.do(step);
    return made;
  });
  fc.assert(
    fc.property(account, fc.array(fc.nat(20), { maxLength: 5 }), ({ holdings, now }, days) => {
      const stops = days.map((day) => now + day).toSorted((a, b) => a - b);
      const end = now + 21;
      const often = [...stops, end].reduce((held, at) => settle(held, at).holdings, holdings);
      expect(often).toEqual(settle(holdings, end).holdings);
    }),
    { numRuns: 500 },
  );
});

test('of two accounts that become one no point is lost, and the order does not matter', () => {
  const held = steps.map((history) => {
    const made = new Account();
    for (const step of history) made.do(step);
    return made.holdings;
  });
  const net = (each: Holdings): number => balanceOf(each).usable + balanceOf(each).pending - each.owed;
  fc.assert(
    fc.property(held, held, (one, two) => {
      const other = { ...two, lots: two.lots.map((lot) => ({ ...lot, id: `other-${lot.id}` })) };
      const merged = merge(one, other);
      expect(net(merged)).toBe(net(one) + net(other));
      expect(balanceOf(merged)).toEqual(balanceOf(merge(other, one)));
      const { usable, owed } = balanceOf(merged);
      expect(Math.min(usable, owed)).toBe(0);
    }),
    { numRuns: 300 },
  );
});
