// What the ledger promises about lots, returns and whatever happens twice, on a real database. Whatever was done, after
// each test debits equal credits, balances equal their postings, and lots hold what balances say.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../server/database/database.ts';
import { memberAccount, pendingAccount, unclaimedAccount } from '../../server/ledger/accounts.ts';
import { settleDue } from '../../server/ledger/due.ts';
import { contentOf, enter } from '../../server/ledger/enter.ts';
import type { Effect } from '../../server/ledger/enter.ts';
import { commitBatches } from '../../server/intake/commit-batches.ts';
import { sweepReturns } from '../../server/intake/post-returns.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LedgerWorld, saleIdOf } from './ledger-world.ts';
import { TestTill } from './test-till.ts';

const AT = Date.UTC(2026, 10, 1);
const DAY = 86_400_000;
const FOREVER = { vestsAt: 0, expiresAt: null };

export function ledgerSuite(database: () => Database): void {
  let world: LedgerWorld;
  beforeEach(() => {
    world = new LedgerWorld(database(), new ManualClock(AT + DAY));
  });
  afterEach(async () => {
    const trial = await world.trial();
    expect(trial).toMatchObject({ balanced: true, accountsOff: 0, customersOff: 0 });
    expect(trial.debits).toBe(trial.credits);
    expect(await world.lotsOff()).toBe(0);
  });

  /** Two lines: 7 milk for 10 points, bread for 4. */
  const sell = (till: TestTill, index: string | null): JournalEntry =>
    till.sell(index, 1_400, {
      basket: {
        currency: 'EUR',
        lines: [
          { id: 'milk', article: '1', quantityMilli: 7_000, totalMinor: 1_000 },
          { id: 'bread', article: '2', quantityMilli: 1_000, totalMinor: 400 },
        ],
        totalMinor: 1_400,
      },
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
    });
  const giveBack = (
    till: TestTill,
    sale: JournalEntry,
    lines: Readonly<Record<string, number>>,
    returnId = till.id(),
  ): JournalEntry =>
    till.add({
      kind: 'sale.returned',
      returnId,
      saleId: saleIdOf(sale),
      storeId: 'store-2',
      at: AT + 5,
      lines: Object.entries(lines).map(([lineId, n]) => ({ lineId, quantityMilli: n * 1_000 })),
      reversed: null,
    });
  const stateOf = async (entry: JournalEntry): Promise<string> => {
    const { rows } = await sql<{ state: string; code: string | null }>`
      select state, code from sale_return where entry_id = ${entry.id}::uuid`.execute(database().db);
    return [rows[0]?.state, rows[0]?.code].filter((each) => each !== null).join(' ');
  };
  const settle = async (slice?: number): Promise<number> => {
    for (let accounts = 0; ;) {
      const done = await database().transaction((tx) => settleDue(tx, world.clock.now(), slice));
      accounts += done.accounts;
      if (!done.more) return accounts;
    }
  };

  test('partial returns take back what their lines got, at any till, and a void all that is left', async () => {
    await world.rules({});
    const [till, other] = [new TestTill(), new TestTill()];
    const index = till.index();
    const customer = await world.customer(index);
    const sale = sell(till, index);
    await world.commit(till);
    await world.rules({ earn: { points: 5, perMinor: 100, excludedCategories: [] } });
    giveBack(other, sale, { milk: 3 });
    await world.commit(other);
    expect(await world.member(customer)).toBe(10);
    giveBack(other, sale, { milk: 2 });
    giveBack(other, sale, { milk: 2 });
    await world.commit(other);
    expect(await world.member(customer)).toBe(4);
    till.undo(sale);
    await world.commit(till);
    expect(await world.member(customer)).toBe(0);
  });

  test('a return that comes before its sale takes effect with it, once', async () => {
    await world.rules({});
    const [till, other] = [new TestTill(), new TestTill()];
    const index = till.index();
    const customer = await world.customer(index);
    const sale = sell(till, index);
    const back = giveBack(other, sale, { milk: 7 });
    expect(await world.commit(other)).toEqual(['created']);
    expect(await stateOf(back)).toBe('waiting');
    await world.commit(till);
    await world.commit(other);
    expect(await stateOf(back)).toBe('posted');
    expect(await world.member(customer)).toBe(4);
  });

  test('a return of more than is left moves nothing and says why', async () => {
    await world.rules({});
    const till = new TestTill();
    const index = till.index();
    const customer = await world.customer(index);
    const sale = sell(till, index);
    giveBack(till, sale, { milk: 5 });
    const tooMuch = giveBack(till, sale, { bread: 1, milk: 3 });
    const unknown = giveBack(till, sale, { wine: 1 });
    const last = giveBack(till, sale, { milk: 2 });
    await world.commit(till);
    expect(await stateOf(tooMuch)).toBe('refused RETURN_TOO_MUCH');
    expect(await stateOf(unknown)).toBe('refused RETURN_LINE_UNKNOWN');
    expect(await stateOf(last)).toBe('posted');
    expect(await world.member(customer)).toBe(4);
    till.undo(sale);
    const late = giveBack(till, sale, { bread: 1 });
    await world.commit(till);
    expect(await stateOf(late)).toBe('refused RETURN_TOO_MUCH');
    expect(await world.member(customer)).toBe(0);
  });

  test('one return id in two entries is one return', async () => {
    await world.rules({});
    const [till, other] = [new TestTill(), new TestTill()];
    const index = till.index();
    const customer = await world.customer(index);
    const sale = sell(till, index);
    const first = giveBack(till, sale, { milk: 1 });
    await world.commit(till);
    const body: unknown = JSON.parse(first.body);
    const returnId =
      typeof body === 'object' && body !== null && 'returnId' in body ? String(body.returnId) : '';
    const again = giveBack(other, sale, { milk: 6 }, returnId);
    await world.commit(other);
    expect(await stateOf(again)).toBe('refused LEDGER_CONFLICT');
    expect(await world.member(customer)).toBe(13);
  });

  test('what a card earned before it had an owner is returned from the owner, out of its own lot', async () => {
    await world.rules({});
    const till = new TestTill();
    const index = till.index();
    const [first, second] = [sell(till, index), sell(till, index)];
    await world.commit(till);
    expect(await world.balance(unclaimedAccount(index))).toBe(28);
    const customer = await world.customer(index);
    giveBack(till, second, { milk: 7, bread: 1 });
    await world.commit(till);
    expect(await world.member(customer)).toBe(14);
    const { rows } = await sql<{ id: string; account: string; remaining: number }>`
      select id, account, remaining from point_lot where id = any(${[first.id, second.id]}::uuid[]) order by id`.execute(
      database().db,
    );
    expect(rows).toEqual([
      { id: first.id, account: memberAccount(customer), remaining: 14 },
      { id: second.id, account: memberAccount(customer), remaining: 0 },
    ]);
  });

  test('points vest on their day and expire after theirs, by slices, once', async () => {
    await world.rules({
      points: { timeZone: 'Europe/Berlin', vestAfterDays: 14, expiry: { months: 1, end: 'day' } },
    });
    const till = new TestTill();
    const customers: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      const index = till.index();
      customers.push(await world.customer(index));
      sell(till, index);
    }
    await world.commit(till);
    const [customer = ''] = customers;
    expect(await world.member(customer)).toBe(0);
    expect(await world.balance(pendingAccount(customer))).toBe(14);
    world.clock.setWallClock(Date.UTC(2026, 10, 14, 22, 59, 59, 999));
    expect(await settle()).toBe(0);
    world.clock.setWallClock(Date.UTC(2026, 10, 14, 23));
    expect(await settle(2)).toBe(5);
    expect(await settle(2)).toBe(0);
    expect(await world.member(customer)).toBe(14);
    expect(await world.balance(pendingAccount(customer))).toBe(0);
    world.clock.setWallClock(Date.UTC(2026, 11, 1, 23));
    const expiredBefore = await world.balance('expired');
    expect(await settle(2)).toBe(5);
    expect(await world.member(customer)).toBe(0);
    expect((await world.balance('expired')) - expiredBefore).toBe(70);
  });

  test('a return of points that are pending takes the pending ones', async () => {
    await world.rules({ points: { timeZone: 'UTC', vestAfterDays: 14 } });
    const till = new TestTill();
    const index = till.index();
    const customer = await world.customer(index);
    giveBack(till, sell(till, index), { milk: 7 });
    await world.commit(till);
    expect(await world.balance(pendingAccount(customer))).toBe(4);
    expect(await world.member(customer)).toBe(0);
  });

  test('what a return takes of spent points is owed, and absorbed by the next; with never it is forgiven', async () => {
    await world.rules({});
    const till = new TestTill();
    const index = till.index();
    const customer = await world.customer(index);
    const [first, second] = [sell(till, index), sell(till, index)];
    await world.commit(till);
    const spend = (points: number): Promise<unknown> =>
      database().transaction((tx) =>
        enter(tx, [spending(world.id(), memberAccount(customer), points)], world.clock.now()),
      );
    await spend(28);
    giveBack(till, first, { milk: 7, bread: 1 });
    await world.commit(till);
    expect(await world.member(customer)).toBe(-14);
    const third = sell(till, index);
    await world.commit(till);
    expect(await world.member(customer)).toBe(0);
    await world.rules({ points: { timeZone: 'UTC', negative: 'never' } });
    giveBack(till, second, { milk: 7 });
    giveBack(till, third, { milk: 7 });
    await world.commit(till);
    expect(await world.member(customer)).toBe(0);
  });

  test('points that were owed when a card found its owner, or that vest, pay first', async () => {
    await world.rules({ points: { timeZone: 'UTC', vestAfterDays: 14 } });
    const till = new TestTill();
    const [own, other] = [till.index(), till.index()];
    const customer = await world.customer(own);
    await database().transaction((tx) =>
      enter(tx, [spending(world.id(), memberAccount(customer), 5, 'owe')], world.clock.now()),
    );
    sell(till, other);
    await world.commit(till);
    await database()
      .db.transaction()
      .execute(async (tx) => {
        const { claimPointsAs } = await import('../../server/ledger/claim.ts');
        await claimPointsAs(tx, [{ index: other, customerId: customer }], world.clock.now(), () =>
          world.id(),
        );
      });
    expect(await world.member(customer)).toBe(-5);
    expect(await world.balance(pendingAccount(customer))).toBe(14);
    world.clock.setWallClock(AT + 20 * DAY);
    await settle();
    expect(await world.member(customer)).toBe(9);
  });

  test('a key takes effect once: again it exists, with other content it is a conflict, and a refusal leaves nothing', async () => {
    const customer = await world.customer();
    const account = memberAccount(customer);
    const earn = earning(world.id(), account, 100);
    const now = world.clock.now();
    const enterAll = (...effects: readonly Effect[]): Promise<string[]> =>
      database().transaction(async (tx) =>
        (await enter(tx, effects, now)).map((each) =>
          each.kind === 'refused' ? `${each.kind} ${each.code}` : each.kind,
        ),
      );
    expect(await enterAll(earn, earn)).toEqual(['created', 'exists']);
    expect(await enterAll({ ...earn, id: world.id(), content: contentOf('other') })).toEqual(['conflict']);
    expect(await enterAll({ ...earn, id: world.id() })).toEqual(['exists']);
    const much = spending(world.id(), account, 101);
    expect(await enterAll(much)).toEqual(['refused BURN_BALANCE']);
    expect(await enterAll(earning(world.id(), account, 1), much)).toEqual(['created', 'created']);
    expect(await world.member(customer)).toBe(0);
  });

  // R53. A model of keys and balances stands beside the ledger: whatever comes, however often and in whatever order.
  test('any sequence of effects leaves debits equal to credits, and each key one effect', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 40 }), async (steps) => {
        const accounts = [memberAccount(await world.customer()), memberAccount(await world.customer())];
        const salt = world.id();
        const ids = new Map<string, string>();
        const model = new Map<string, string>();
        const usable = new Map(accounts.map((account) => [account, 0]));
        for (const { who, n, points, kind } of steps) {
          const account = accounts[who] ?? '';
          const key = `adjust:${salt}:${n}`;
          const content = `${kind} ${who} ${points}`;
          const id = ids.get(`${n}`) ?? world.id();
          ids.set(`${n}`, id);
          const effect =
            kind === 'earn'
              ? earning(id, account, points)
              : spending(id, account, points, kind === 'owe' ? 'owe' : 'refuse');
          const [outcome] = await database().transaction((tx) =>
            enter(tx, [{ ...effect, key, content }], world.clock.now()),
          );
          const balance = usable.get(account) ?? 0;
          const standing = model.get(key);
          const isRefused = kind === 'spend' && points > Math.max(0, balance);
          const fresh = isRefused ? 'refused' : 'created';
          const again = standing === content ? 'exists' : 'conflict';
          expect(outcome?.kind).toBe(standing === undefined ? fresh : again);
          if (standing !== undefined || isRefused) continue;
          model.set(key, content);
          usable.set(account, balance + (kind === 'earn' ? points : -points));
        }
        for (const account of accounts) expect(await world.balance(account)).toBe(usable.get(account));
        expect(await world.lotsOff()).toBe(0);
      }),
      { numRuns: 12 },
    );
  });

  // R53. Many sequences go side by side, so that a hundred thousand of them can be tried: LEDGER_SEQUENCES=100000
  test(
    'sales, returns and voids of two tills sum to the same, in whatever order and however often they come',
    { timeout: SEQUENCES * 100 + 60_000 },
    async () => {
      await world.rules({});
      await fc.assert(
        fc.asyncProperty(fc.infiniteStream(fc.nat(1_000)), async (stream) => {
          const next = (n: number): number => (stream.next().value ?? 0) % n;
          const sequences = Array.from({ length: SIDE_BY_SIDE }, () => sequenceOf(next));
          const commit = async (batches: readonly Batch[]): Promise<void> => {
            // What a till sends has one order, and a journal is in a group once; so do servers that share them.
            const sent = batches.map(({ each, seq }) => each.batch(seq, seq));
            await commitBatches(database(), sent, world.clock);
          };
          for (
            let left = sequences;
            left.length > 0;
            left = left.filter(({ batches }) => batches.length > 0)
          ) {
            await commit(left.flatMap(({ batches }) => batches.splice(next(batches.length), 1)));
            if (next(5) === 0) await database().transaction((tx) => sweepReturns(tx, world.clock.now()));
          }
          const balances = await balancesOf(sequences.map(({ account }) => account));
          const off = sequences.filter(({ account, expected }) => (balances.get(account) ?? 0) !== expected);
          expect(off).toEqual([]);
        }),
        { numRuns: Math.max(1, Math.round(SEQUENCES / SIDE_BY_SIDE)) },
      );
    },
  );

  interface Batch {
    readonly each: TestTill;
    readonly seq: number;
  }

  /** Three sales of two tills, one returned by the line, one undone; each entry comes twice. */
  const sequenceOf = (next: (n: number) => number) => {
    const [till, other] = [new TestTill(), new TestTill()];
    const index = till.index();
    const [first, second] = [sell(till, index), sell(till, index), sell(till, index)];
    giveBack(other, first, { milk: 3 });
    giveBack(till, first, { milk: 4 });
    giveBack(other, second, { milk: 1 + next(6) });
    till.undo(second);
    // The void may come before the return of the same sale, which is then refused; the sum is the same.
    const batches: Batch[] = [till, other].flatMap((each) =>
      each.entries.flatMap(({ seq }) => [
        { each, seq },
        { each, seq },
      ]),
    );
    return { account: unclaimedAccount(index), expected: 42 - 10 - 14, batches };
  };
  const balancesOf = async (accounts: readonly string[]): Promise<ReadonlyMap<string, number>> => {
    const { rows } = await sql<{ id: string; balance: number }>`
      select id, balance from ledger_account where id = any(${[...accounts]}::text[])`.execute(database().db);
    return new Map(rows.map(({ id, balance }) => [id, balance]));
  };
}

/** Sequences of entries that are tried. */
const SEQUENCES = Number(process.env['LEDGER_SEQUENCES'] ?? 10);
const SIDE_BY_SIDE = Math.min(SEQUENCES, 250);

const anyStep = fc.record({
  who: fc.nat(1),
  n: fc.nat(20),
  points: fc.integer({ min: 1, max: 50 }),
  kind: fc.constantFrom('earn' as const, 'spend' as const, 'owe' as const),
});

function earning(id: string, account: string, points: number): Effect {
  return {
    id,
    key: `adjust:${id}`,
    kind: 'adjust',
    at: AT,
    content: contentOf('earn', account, points),
    changes: [{ kind: 'earn', account, points, earnedAt: AT, life: FOREVER, from: 'adjust:test' }],
  };
}

function spending(
  id: string,
  account: string,
  points: number,
  overdraw: 'refuse' | 'owe' = 'refuse',
): Effect {
  return {
    id,
    key: `adjust:${id}`,
    kind: 'adjust',
    at: AT,
    content: contentOf('spend', account, points),
    changes: [{ kind: 'spend', account, points, at: AT, overdraw, to: 'redeemed' }],
  };
}
