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

/** Quicker than an expectation: there are a million of these. */
function must(rule: string, holds: boolean): void {
  if (!holds) throw new Error(`broken: ${rule}`);
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
          must('only a refusing debit is refused', overdraw === 'refuse');
          must('what could be paid is paid', debited.usable < wanted);
          return;
        }
        this.#posted(debited, { redeemed: wanted });
        must('a refusing debit leaves nothing owed', overdraw === 'owe' || debited.owes === 0);
        must('all is spent before something is owed', debited.owes === 0 || this.#usable() === 0);
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
        must('nothing is forgiven that may be owed', negative === 'never' || reversed.forgiven === 0);
        must('no more is owed than may be', negative === 'returns' || this.holdings.owed <= before.owed);
        must('all is taken before something is forgiven', reversed.forgiven === 0 || this.#usable() === 0);
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
    this.#due(settled);
    this.holdings = holdings;
    this.check();
  }

  /** Each lot vests once and expires once: it is the key of the posting. */
  #due(settled: readonly Move[]): void {
    for (const move of settled) {
      const key = `${move.to === 'expired' ? 'expire' : 'vest'}:${move.lotId}`;
      must('a lot vests once and expires once', !this.once.has(key));
      this.once.add(key);
      must(
        'it vests to the member and expires there',
        move.from === (move.to === 'expired' ? 'member' : 'pending'),
      );
    }
    this.#post(settled);
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
    this.#due(changed.settled);
    this.#post(changed.moves);
    for (const pocket of ['issued', 'redeemed'] as const) {
      const moved = this.#on(pocket) - (before.get(pocket) ?? 0);
      must('what the customer has not is elsewhere', moved === (outside[pocket] ?? 0));
    }
    this.holdings = changed.holdings;
    this.check();
  }

  #post(moves: readonly Move[]): void {
    for (const { from, to, points: each } of moves) {
      if (!Number.isSafeInteger(each) || each <= 0) throw new Error(`a move of ${each} points`);
      this.ledger.set(from, (this.ledger.get(from) ?? 0) - each);
      this.ledger.set(to, (this.ledger.get(to) ?? 0) + each);
    }
  }

  check(): void {
    const { usable, pending, owed } = balanceOf(this.holdings);
    const expired = this.holdings.lots.reduce((sum, lot) => sum + lot.expired, 0);
    const rules = {
      'the member account is what can be used less what is owed': this.#on('member') === usable - owed,
      'the pending account is what has not vested': this.#on('pending') === pending,
      'the expired account is what expired of the lots': this.#on('expired') === expired,
      'who owes can use nothing': owed === 0 || (owed > 0 && usable === 0),
      'a lot holds no more than it had, and no less than nothing': this.holdings.lots.every(
        (lot) => lot.remaining >= 0 && lot.expired >= 0 && lot.remaining + lot.expired <= lot.points,
      ),
      'a lot waits until it vests': this.holdings.lots.every((lot) => lot.pending === lot.vestsAt > this.now),
      'nothing is left of a lot that is over': this.holdings.lots.every(
        ({ expiresAt, remaining }) => expiresAt === null || expiresAt > this.now || remaining === 0,
      ),
    };
    const broken = Object.entries(rules).flatMap(([rule, holds]) => (holds ? [] : [rule]));
    must(broken.join(' · '), broken.length === 0);
  }

  #usable(): number {
    return balanceOf(this.holdings).usable;
  }

  #on(pocket: Pocket): number {
    return this.ledger.get(pocket) ?? 0;
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
    must('what expires first is spent first', taken === Math.min(open, counts(lot)));
    open -= taken;
  }
}

const runs = Number(process.env['LOT_HISTORIES'] ?? 10_000);

test('whatever happens to an account, no point appears or vanishes', () => {
  fc.assert(
    fc.property(steps, (history) => {
      const account = new Account();
      for (const step of history) account.do(step);
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
