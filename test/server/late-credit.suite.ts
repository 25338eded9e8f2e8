// R57: a receipt is claimed once, in its time, with its own code, and by nobody who made the sale in their shift.
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../server/database/database.ts';
import { eraseCustomer } from '../../server/customers/erase-customer.ts';
import { REDACTED_INDEX } from '../../server/customers/redact-indexes.ts';
import { commitBatches } from '../../server/intake/commit-batches.ts';
import { OfficeClaims } from '../../server/intake/office-claims.ts';
import { memberAccount, unclaimedAccount } from '../../server/ledger/accounts.ts';
import { qualifyTiers } from '../../server/programme/qualify-tiers.ts';
import { readRefusedClaims } from '../../server/reports/redemption-reports.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import { makeReceiptCode, receiptKey } from '../../sync/contract/receipt-code.ts';
import type { SaleClaimed, SaleCompleted } from '../../sync/contract/transaction.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LedgerWorld, saleIdOf } from './ledger-world.ts';
import { TestTill } from './test-till.ts';

const AT = Date.UTC(2026, 10, 1);
const HOUR = 3_600_000;
const BURN = { points: 1, minor: 1, minPoints: 1, stepPoints: 1, maxPercent: 100, excludedCategories: [] };
const keyOf = (till: string): Uint8Array => receiptKey(`token of ${till}`);

export function lateCreditSuite(database: () => Database): void {
  let world: LedgerWorld;
  let till: TestTill;
  let other: TestTill;
  let index: string;
  let customer: string;
  beforeEach(async () => {
    world = new LedgerWorld(database(), new ManualClock(AT + 100 * HOUR));
    await world.rules({ lateCredit: { withinHours: 72 } });
    [till, other] = [new TestTill(), new TestTill()];
    index = other.index();
    customer = await world.customer(index);
  });
  afterEach(async () => {
    expect(await world.trial()).toMatchObject({ balanced: true, accountsOff: 0, customersOff: 0 });
    expect(await world.lotsOff()).toBe(0);
  });

  /** A sale without a customer, of 4 pieces for 20.00. */
  const sell = (changes: Partial<SaleCompleted> = {}): JournalEntry =>
    till.sell(null, 2_000, {
      basket: {
        currency: 'EUR',
        lines: [{ id: '1', article: '1', quantityMilli: 4_000, totalMinor: 2_000 }],
        totalMinor: 2_000,
      },
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
      ...changes,
    });
  const codeOf = (sale: JournalEntry, of = till.till): string =>
    makeReceiptCode(keyOf(of), { saleId: saleIdOf(sale), till: till.till, at: sale.at });
  const claim = (sale: JournalEntry, changes: Partial<SaleClaimed> = {}): JournalEntry =>
    other.add({
      kind: 'sale.claimed',
      claimId: other.id(),
      saleId: saleIdOf(sale),
      storeId: 'store-2',
      at: AT + HOUR,
      customer: { index, kind: 'card', trust: 'L1', customerId: customer },
      code: codeOf(sale),
      ...changes,
    });
  const back = (sale: JournalEntry, n: number): JournalEntry =>
    till.add({
      kind: 'sale.returned',
      returnId: till.id(),
      saleId: saleIdOf(sale),
      storeId: 'store-1',
      at: AT + 2,
      lines: [{ lineId: '1', quantityMilli: n * 1_000 }],
      reversed: null,
    });
  const commit = async (...tills: readonly TestTill[]): Promise<void> => {
    for (const each of tills) {
      await commitBatches(database(), [each.batch()], world.clock, new Set(), 'test', singleForm, keyOf);
    }
  };
  const stateOf = async (entry: JournalEntry): Promise<string> => {
    const { rows } = await sql<{ state: string; code: string | null }>`
      select state, code from sale_claim where entry_id = ${entry.id}::uuid`.execute(database().db);
    return [rows[0]?.state, rows[0]?.code].filter((each) => each !== null).join(' ');
  };

  test('a receipt is worth what the sale would have earned, once, whichever comes first', async () => {
    const claimed = claim(sell());
    await commit(other);
    expect(await stateOf(claimed)).toBe('waiting');
    await commit(till, other);
    expect(await stateOf(claimed)).toBe('posted');
    expect(await world.member(customer)).toBe(20);
    const [sale] = till.entries;
    const again = sale === undefined ? claimed : claim(sale);
    await commit(other);
    expect(await stateOf(again)).toBe('refused LATE_TAKEN');
    expect(await world.member(customer)).toBe(20);
  });

  test('a forged code, another till’s, or one for another sale is refused', async () => {
    const [first, second] = [sell(), sell()];
    const flipped = codeOf(first).replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'));
    const claims = [flipped, codeOf(first, 'another'), codeOf(second)].map((code) => claim(first, { code }));
    await commit(till, other);
    for (const each of claims) expect(await stateOf(each)).toBe('refused LATE_CODE');
    expect(await world.member(customer)).toBe(0);
  });

  test('the last moment counts, the next does not', async () => {
    const [inTime, late] = [sell(), sell()];
    const good = claim(inTime, { at: AT + 72 * HOUR });
    const over = claim(late, { at: AT + 72 * HOUR + 1 });
    await commit(till, other);
    expect(await stateOf(good)).toBe('posted');
    expect(await stateOf(over)).toBe('refused LATE_EXPIRED');
  });

  test('nobody credits a sale of their own shift; another shift does', async () => {
    const sale = sell({ shift: 'early-7' });
    const own = claim(sale, { shift: 'early-7' });
    const others = claim(sale, { shift: 'late-3' });
    await commit(till, other);
    expect(await stateOf(own)).toBe('refused LATE_OWN_SHIFT');
    expect(await stateOf(others)).toBe('posted');
  });

  test('points that wait for an owner keep the days they were earned with, whatever came back of them', async () => {
    await world.rules({
      points: { timeZone: 'UTC', vestAfterDays: 14, expiry: { months: 12, end: 'day' } },
      lateCredit: { withinHours: 72 },
    });
    const card = other.index();
    const customer = { index: card, kind: 'card', trust: 'L1', customerId: null } as const;
    const [part, whole] = [sell(), sell()];
    back(part, 1);
    claim(part, { customer });
    claim(whole, { customer });
    await commit(till, other);
    const owner = await world.customer(card);
    const { rows } = await sql<{ points: number; pending: boolean; days: number }>`
      select remaining as points, pending, (expires_at - vests_at) / 86400000 as days from point_lot
      where account = ${memberAccount(owner)} order by remaining`.execute(database().db);
    expect(rows.map(({ points, pending }) => [points, pending])).toEqual([
      [15, true],
      [20, true],
    ]);
    expect(rows[0]?.days).toBe(rows[1]?.days);
    expect(rows[0]?.days).toBeGreaterThan(300);
  });

  test('a claim that is refused is in a report for the customer service, with who, which sale and why', async () => {
    const sale = sell();
    const claimId = other.id();
    const refused = claim(sale, { claimId, code: codeOf(sell()) });
    const waiting = claim(sale, { saleId: other.id() });
    claim(sale);
    await commit(till, other);
    expect(await stateOf(waiting)).toBe('waiting');
    const mine = (await readRefusedClaims(database().db, 1_000)).filter(({ till: at }) => at === other.till);
    expect(mine).toEqual([
      {
        entryId: refused.id,
        claimId,
        saleId: saleIdOf(sale),
        till: other.till,
        at: refused.at,
        customerId: customer,
        code: 'LATE_CODE',
      },
    ]);
  });

  test('a sale that has a customer, was undone, or is of a programme that credits nothing later is refused', async () => {
    const owned = till.sell(till.index(), 2_000);
    const undone = sell();
    till.undo(undone);
    await commit(till);
    const [first, second] = [claim(owned), claim(undone)];
    await commit(other);
    expect(await stateOf(first)).toBe('refused LATE_TAKEN');
    expect(await stateOf(second)).toBe('refused SALE_CLOSED');
    await world.rules({});
    const third = claim(sell());
    await commit(till, other);
    expect(await stateOf(third)).toBe('refused LATE_OFF');
  });

  test('what came back before and after the claim is taken off it, and a void takes the rest', async () => {
    const sale = sell();
    back(sale, 1);
    claim(sale);
    await commit(till, other);
    expect(await world.member(customer)).toBe(15);
    back(sale, 2);
    await commit(till);
    expect(await world.member(customer)).toBe(5);
    till.undo(sale);
    await commit(till);
    expect(await world.member(customer)).toBe(0);
  });

  test('what came back before the claim pays no debt: of goods that are all back nothing, of half of them half', async () => {
    await world.rules({ lateCredit: { withinHours: 72 }, burn: BURN });
    other.sell(index, 0, {
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
      redeemed: {
        redemptionId: other.id(),
        points: 30,
        minor: 30,
        parts: [30],
        authorised: 'allowance',
        allowanceVersion: 1,
      },
    });
    await commit(other);
    expect(await world.member(customer)).toBe(-30);
    const [all, half] = [sell(), sell()];
    back(all, 4);
    back(half, 2);
    claim(all);
    await commit(till, other);
    expect(await world.member(customer)).toBe(-30);
    claim(half);
    await commit(other);
    expect(await world.member(customer)).toBe(-20);
    till.undo(half);
    await commit(till);
    expect(await world.member(customer)).toBe(-30);
  });

  test('no tier is made of goods that came back before the claim', async () => {
    const name = { de: 'x', en: 'x' };
    const silver = {
      id: 'silver',
      name,
      earnPercent: 100,
      qualify: { points: 20, windowMonths: 3 },
    };
    await world.rules({
      lateCredit: { withinHours: 72 },
      tiers: [{ id: 'basic', name, earnPercent: 100 }, silver],
    });
    const tier = async (): Promise<string> => {
      for (let more = true; more;) {
        ({ more } = await database().transaction((tx) => qualifyTiers(tx, world.clock.now())));
      }
      const found = database().db.selectFrom('customer').select('tier').where('id', '=', customer);
      return (await found.executeTakeFirstOrThrow()).tier;
    };
    const [all, one, none] = [sell(), sell(), sell()];
    back(all, 4);
    back(one, 1);
    for (const sale of [all, one]) claim(sale);
    await commit(till, other);
    expect([await world.member(customer), await tier()]).toEqual([15, 'basic']);
    back(one, 1);
    await commit(till);
    claim(none);
    await commit(other);
    expect([await world.member(customer), await tier()]).toEqual([30, 'silver']);
    till.undo(none);
    await commit(till);
    expect([await world.member(customer), await tier()]).toEqual([10, 'basic']);
  });

  test('a claim that still waits when its customer is erased credits nobody', async () => {
    const sale = sell();
    const claimed = claim(sale);
    await commit(other);
    await database().transaction((tx) => eraseCustomer(tx, customer, AT));
    await commit(till);
    expect(await stateOf(claimed)).toBe('refused CUSTOMER_ERASED');
    expect(await world.balance(unclaimedAccount(REDACTED_INDEX))).toBe(0);
    expect(JSON.stringify(await readRefusedClaims(database().db, 1_000))).not.toContain(index);
  });

  test('the customer service credits a receipt once, and says why not', async () => {
    const office = new OfficeClaims({
      database: database(),
      clock: world.clock,
      indexer: singleForm,
      controller: 'test',
      receiptKeyOf: keyOf,
      onCommitted: () => {},
    });
    world.clock.setWallClock(AT + HOUR);
    const sale = sell();
    const claimId = world.id();
    expect(await office.claim(claimId, codeOf(sale), customer)).toBe('waiting');
    await commit(till);
    expect(await office.claim(claimId, codeOf(sale), customer)).toBe('posted');
    expect(await world.member(customer)).toBe(20);
    const refusal = (code: string): unknown => expect.objectContaining({ code });
    await expect(office.claim(world.id(), codeOf(sale), customer)).rejects.toEqual(refusal('LATE_TAKEN'));
    await expect(office.claim(world.id(), 'x', customer)).rejects.toEqual(refusal('LATE_CODE'));
    const other = await world.customer();
    await expect(office.claim(world.id(), codeOf(sell()), other)).rejects.toEqual(
      refusal('CUSTOMER_NOT_FOUND'),
    );
  });

  test('a claim with a card that nobody has waits with it, and is taken back from there', async () => {
    const nobodys = other.index();
    const sale = sell();
    back(sale, 2);
    claim(sale, { customer: { index: nobodys, kind: 'card', trust: 'L1', customerId: null } });
    await commit(till, other);
    expect(await world.balance(unclaimedAccount(nobodys))).toBe(10);
    back(sale, 1);
    await commit(till);
    expect(await world.balance(unclaimedAccount(nobodys))).toBe(5);
  });
}
