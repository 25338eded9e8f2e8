// What holds of points that pay for sales: each redemption takes effect at most once, whatever comes twice, late or in
// another order; and what a till gave away is honoured.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../server/database/database.ts';
import { holdAccount, memberAccount } from '../../server/ledger/accounts.ts';
import { settleDue } from '../../server/ledger/due.ts';
import { contentOf, enter } from '../../server/ledger/enter.ts';
import { Allowances } from '../../server/redemption/allowances.ts';
import { Reservations } from '../../server/redemption/reservations.ts';
import { readExposure, readOverdraws } from '../../server/reports/redemption-reports.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import type { TrustLevel } from '../../sync/contract/credential.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import type { RedeemedPoints } from '../../sync/contract/redemption.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LedgerWorld, saleIdOf } from './ledger-world.ts';
import { TestTill } from './test-till.ts';

const AT = Date.UTC(2026, 10, 1);
const HOUR = 3_600_000;

const rules = {
  earn: { points: 0, perMinor: 100, excludedCategories: [] },
  burn: {
    points: 100,
    minor: 100,
    minPoints: 100,
    stepPoints: 50,
    maxPercent: 100,
    excludedCategories: [],
  },
  redemption: {
    offline: {
      perCustomer: 500,
      perTill: 2_000,
      byTrust: { L0: 0, L1: 0, L2: 0, L3: 300, L4: 500 },
      validForMs: 24 * HOUR,
    },
    online: { limitedPerDay: 700 },
    reservationMs: HOUR,
  },
};

export function redemptionSuite(database: () => Database): void {
  let world: LedgerWorld;
  let reservations: Reservations;
  beforeEach(async () => {
    world = new LedgerWorld(database(), new ManualClock(AT));
    reservations = new Reservations({
      database: database(),
      clock: world.clock,
      indexer: singleForm,
      onCommitted: () => {},
    });
    await world.rules(rules);
  });
  afterEach(async () => {
    expect(await world.trial()).toMatchObject({ balanced: true, accountsOff: 0, customersOff: 0 });
    expect(await world.lotsOff()).toBe(0);
  });

  /** A customer with points and a card. */
  const customerWith = async (
    points: number,
    index: string,
    expiresAt: number | null = null,
  ): Promise<string> => {
    const customer = await world.customer(index);
    const account = memberAccount(customer);
    const id = world.id();
    const life = { vestsAt: 0, expiresAt };
    await database().transaction((tx) =>
      enter(
        tx,
        [
          {
            id,
            key: `adjust:${id}`,
            kind: 'adjust',
            at: AT,
            content: contentOf(points),
            changes: [{ kind: 'earn', account, points, earnedAt: AT, life, from: 'adjust:test' }],
          },
        ],
        AT,
      ),
    );
    return customer;
  };
  const reserve = async (
    till: TestTill,
    index: string,
    points: number,
    ids: { readonly redemptionId: string; readonly saleId: string },
    trust: TrustLevel = 'L4',
  ): Promise<string> => {
    const { outcome } = await reservations.reserve(till.till, {
      kind: 'points.reserve',
      ...ids,
      index,
      identifier: 'app',
      trust,
      points,
    });
    return outcome.verdict === 'refused' ? outcome.code : outcome.verdict;
  };
  const release = async (till: TestTill, redemptionId: string): Promise<string> =>
    (await reservations.release(till.till, { kind: 'points.release', redemptionId })).state;
  const pay = (
    till: TestTill,
    index: string | null,
    ids: { readonly redemptionId: string; readonly saleId: string },
    points: number,
    authorised: RedeemedPoints['authorised'] = 'reservation',
  ): JournalEntry =>
    till.sell(index, 1_000, {
      saleId: ids.saleId,
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
      redeemed: {
        redemptionId: ids.redemptionId,
        points,
        minor: points,
        parts: [points],
        authorised,
        allowanceVersion: authorised === 'allowance' ? 1 : null,
      },
    });
  const idsOf = (till: TestTill) => ({ redemptionId: till.id(), saleId: till.id() });

  test('what was kept of one customer pays for nobody else’s purchase', async () => {
    const till = new TestTill();
    const [index, others] = [till.index(), till.index()];
    const customer = await customerWith(500, index);
    const buyer = await customerWith(500, others);
    const ids = idsOf(till);
    expect(await reserve(till, index, 200, ids)).toBe('reserved');
    expect(await reserve(till, others, 200, ids)).toBe('REDEEM_CONFLICT');
    const sale = pay(till, others, ids, 200);
    await world.commit(till);
    expect([await world.member(customer), await world.member(buyer)]).toEqual([500, 300]);
    expect(await world.balance(holdAccount(customer))).toBe(0);
    till.undo(sale);
    await world.commit(till);
    expect([await world.member(customer), await world.member(buyer)]).toEqual([500, 500]);
  });

  test('points that were only kept have the days they had', async () => {
    const till = new TestTill();
    const index = till.index();
    const midnight = AT + 10 * HOUR;
    const customer = await customerWith(300, index, midnight);
    world.clock.setWallClock(midnight - 1);
    const [early, late] = [idsOf(till), idsOf(till)];
    expect(await reserve(till, index, 100, early)).toBe('reserved');
    expect(await reserve(till, index, 100, late)).toBe('reserved');
    expect(await release(till, early.redemptionId)).toBe('voided');
    expect(await world.member(customer)).toBe(200);
    world.clock.setWallClock(midnight + 1);
    expect(await release(till, late.redemptionId)).toBe('voided');
    for (let more = true; more;) {
      ({ more } = await database().transaction((tx) => settleDue(tx, midnight + 1)));
    }
    expect(await world.member(customer)).toBe(0);
    expect(await world.balance(holdAccount(customer))).toBe(0);
  });

  test('a sale that names no customer is paid by whom the points were kept of; and where none were, it is flagged', async () => {
    const till = new TestTill();
    const index = till.index();
    const customer = await customerWith(500, index);
    const [ids, ended, unkept] = [idsOf(till), idsOf(till), idsOf(till)];
    expect(await reserve(till, index, 200, ids)).toBe('reserved');
    expect(await reserve(till, index, 100, ended)).toBe('reserved');
    await release(till, ended.redemptionId);
    const sales = [pay(till, null, ids, 200), pay(till, null, ended, 100)];
    const nobodys = pay(till, null, unkept, 50, 'allowance');
    expect(await world.commit(till)).toEqual(['created', 'created', 'created']);
    await world.commit(till);
    world.clock.setWallClock(AT + 2 * HOUR);
    await reservations.expire();
    expect(await world.member(customer)).toBe(200);
    expect(await world.balance(holdAccount(customer))).toBe(0);
    const flagged = (await readOverdraws(database().db, 1_000)).filter((each) => each.till === till.till);
    expect(flagged.map(({ saleId, owed, flag }) => ({ saleId, owed, flag }))).toEqual(
      expect.arrayContaining([
        { saleId: saleIdOf(nobodys), owed: 50, flag: 'overdrawn' },
        { saleId: ended.saleId, owed: 0, flag: 'after-void' },
      ]),
    );
    for (const sale of [...sales, nobodys]) till.undo(sale);
    await world.commit(till);
    expect(await world.member(customer)).toBe(500);
    expect(await world.balance('unclaimed:nobody')).toBe(0);
  });

  test('points that are kept for a sale are redeemed with it, and can be spent nowhere else meanwhile', async () => {
    const till = new TestTill();
    const index = till.index();
    const customer = await customerWith(500, index);
    const ids = idsOf(till);
    expect(await reserve(till, index, 300, ids)).toBe('reserved');
    expect(await reserve(till, index, 300, ids)).toBe('reserved');
    expect(await reserve(till, index, 350, ids)).toBe('REDEEM_CONFLICT');
    expect(await world.member(customer)).toBe(200);
    expect(await world.balance(holdAccount(customer))).toBe(300);
    expect(await reserve(till, index, 250, idsOf(till))).toBe('BURN_BALANCE');
    pay(till, index, ids, 300);
    await world.commit(till);
    await world.commit(till);
    expect(await world.balance(holdAccount(customer))).toBe(0);
    expect(await world.member(customer)).toBe(200);
    expect(await release(till, ids.redemptionId)).toBe('posted');
    expect(await world.member(customer)).toBe(200);
  });

  test('points that are released, or kept too long, are the customer’s again, once', async () => {
    const till = new TestTill();
    const index = till.index();
    const customer = await customerWith(500, index);
    const [first, second] = [idsOf(till), idsOf(till)];
    await reserve(till, index, 200, first);
    await reserve(till, index, 200, second);
    expect(await release(new TestTill(), first.redemptionId)).toBe('unknown');
    expect(await release(till, first.redemptionId)).toBe('voided');
    expect(await release(till, first.redemptionId)).toBe('voided');
    expect(await world.member(customer)).toBe(300);
    expect(await reserve(till, index, 200, first)).toBe('REDEEM_CONFLICT');
    world.clock.setWallClock(AT + HOUR - 1);
    expect(await reservations.expire()).toBe(0);
    world.clock.setWallClock(AT + HOUR);
    expect(await reservations.expire()).toBe(1);
    expect(await reservations.expire()).toBe(0);
    expect(await world.member(customer)).toBe(500);
  });

  test('a release, an expiry and the sale at the same moment have one outcome', async () => {
    for (let round = 0; round < 8; round += 1) {
      const till = new TestTill();
      const index = till.index();
      const customer = await customerWith(500, index);
      const ids = idsOf(till);
      await reserve(till, index, 300, ids);
      pay(till, index, ids, 300);
      await world.clock.advance(HOUR);
      const doings = [
        () => world.commit(till),
        () => release(till, ids.redemptionId),
        () => reservations.expire(),
      ];
      await Promise.all([...doings.slice(round % 3), ...doings.slice(0, round % 3)].map((doing) => doing()));
      expect(await world.member(customer)).toBe(200);
      expect(await world.balance(holdAccount(customer))).toBe(0);
      expect(await release(till, ids.redemptionId)).toBe('posted');
      expect(await reservations.expire()).toBe(0);
      expect(await world.member(customer)).toBe(200);
    }
  });

  test('a sale that was paid after its reservation ended is honoured and flagged', async () => {
    const till = new TestTill();
    const index = till.index();
    const customer = await customerWith(300, index);
    const [late, other] = [idsOf(till), idsOf(till)];
    await reserve(till, index, 300, late);
    await release(till, late.redemptionId);
    await reserve(till, index, 200, other);
    pay(till, index, late, 300);
    await world.commit(till);
    expect(await world.member(customer)).toBe(-200);
    const [flagged] = await readOverdraws(database().db, 1_000).then((all) =>
      all.filter(({ redemptionId }) => redemptionId === late.redemptionId),
    );
    expect(flagged).toMatchObject({ points: 300, owed: 200, flag: 'overdrawn' });
  });

  test('what tills took by their allowance is honoured; what the account had not, it owes, and it is flagged', async () => {
    const [first, second] = [new TestTill(), new TestTill()];
    const index = first.index();
    const customer = await customerWith(400, index);
    pay(first, index, idsOf(first), 300, 'allowance');
    const over = idsOf(second);
    pay(second, index, over, 300, 'allowance');
    await world.commit(first);
    await world.commit(second);
    await world.commit(second);
    expect(await world.member(customer)).toBe(-200);
    const flagged = (await readOverdraws(database().db, 1_000)).filter(
      ({ account }) => account === memberAccount(customer),
    );
    expect(flagged).toMatchObject([
      { redemptionId: over.redemptionId, owed: 200, flag: 'overdrawn', allowanceVersion: 1 },
    ]);
  });

  test('a reservation asked for after its redemption is in the ledger keeps nothing', async () => {
    const till = new TestTill();
    const index = till.index();
    const customer = await customerWith(400, index);
    const ids = idsOf(till);
    pay(till, index, ids, 300, 'allowance');
    await world.commit(till);
    expect(await reserve(till, index, 300, ids)).toBe('REDEEM_CONFLICT');
    expect(await world.member(customer)).toBe(100);
  });

  test('goods that were paid with points give them back to the lots they came from, in parts, and by a void the rest', async () => {
    const till = new TestTill();
    const index = till.index();
    const customer = await customerWith(500, index);
    const ids = idsOf(till);
    await reserve(till, index, 300, ids);
    const sale = till.sell(index, 1_000, {
      saleId: ids.saleId,
      basket: {
        currency: 'EUR',
        lines: [
          { id: 'a', article: '1', quantityMilli: 3_000, totalMinor: 600 },
          { id: 'b', article: '2', quantityMilli: 1_000, totalMinor: 400 },
        ],
        totalMinor: 1_000,
      },
      earned: { programmeVersion: world.programme.version, base: 0, bonuses: [] },
      redeemed: {
        redemptionId: ids.redemptionId,
        points: 300,
        minor: 300,
        parts: [200, 100],
        authorised: 'reservation',
        allowanceVersion: null,
      },
    });
    const back = (n: number) =>
      till.add({
        kind: 'sale.returned',
        returnId: till.id(),
        saleId: saleIdOf(sale),
        storeId: 'store-1',
        at: AT,
        lines: [{ lineId: 'a', quantityMilli: n * 1_000 }],
        reversed: null,
      });
    back(1);
    back(1);
    await world.commit(till);
    expect(await world.member(customer)).toBe(200 + 133);
    till.undo(sale);
    await world.commit(till);
    expect(await world.member(customer)).toBe(500);
    const { rows } = await sql<{ lots: number }>`
      select count(*)::bigint as lots from point_lot where account = ${memberAccount(customer)}`.execute(
      database().db,
    );
    expect(rows[0]?.lots).toBe(1);
  });

  test('who may redeem: a printed card only where the server is asked, a bank card never, and no more than it has', async () => {
    const till = new TestTill();
    const index = till.index();
    await customerWith(1_000, index);
    const ask = (trust: TrustLevel, points: number) => reserve(till, index, points, idsOf(till), trust);
    expect(await ask('L0', 100)).toBe('REDEEM_TRUST');
    expect(await ask('L1', 750)).toBe('REDEEM_LIMIT_CUSTOMER');
    expect(await ask('L1', 600)).toBe('reserved');
    expect(await ask('L1', 150)).toBe('REDEEM_LIMIT_CUSTOMER');
    expect(await ask('L1', 100)).toBe('reserved');
    await world.clock.advance(24 * HOUR);
    await reservations.expire();
    expect(await ask('L1', 700)).toBe('reserved');
    expect(await ask('L4', 50)).toBe('BURN_TOO_FEW');
    expect(await ask('L4', 120)).toBe('BURN_STEP');
    expect(await ask('L4', 350)).toBe('BURN_BALANCE');
    expect(await ask('L4', 300)).toBe('reserved');
    const bankCard = {
      kind: 'points.reserve' as const,
      ...idsOf(till),
      index,
      identifier: 'bankcard' as const,
      trust: 'L4' as const,
      points: 100,
    };
    expect((await reservations.reserve(till.till, bankCard)).outcome).toEqual({
      verdict: 'refused',
      code: 'REDEEM_TRUST',
    });
    await database()
      .db.updateTable('credential')
      .set({ status: 'blocked' })
      .where('index', '=', index)
      .execute();
    expect(await ask('L4', 100)).toBe('REDEEM_TRUST');
    expect(await reserve(till, till.index(), 100, idsOf(till))).toBe('REDEEM_TRUST');
  });

  test('the exposure is the sum of the allowances that are valid', async () => {
    const allowances = new Allowances({ database: database(), clock: world.clock });
    await sql`delete from till_allowance`.execute(database().db);
    const first = await allowances.answer('till-a');
    // By the clock, so that it goes on above what tills have also after a backup was put back.
    expect(first.allowance).toMatchObject({ version: AT, perTill: 2_000, validUntil: AT + 24 * HOUR });
    expect((await allowances.answer('till-a')).allowance?.version).toBe(AT + 1);
    world.clock.setWallClock(AT + HOUR);
    expect((await allowances.answer('till-a')).allowance?.version).toBe(AT + HOUR);
    await allowances.answer('till-b');
    const exposure = await readExposure(database().db, world.clock.now());
    expect(exposure).toMatchObject({ tills: 2, points: 4_000, perCustomerPoints: 1_000, minor: 4_000 });
    world.clock.setWallClock(AT + 26 * HOUR);
    expect(await readExposure(database().db, world.clock.now())).toMatchObject({ tills: 0, points: 0 });
  });

  // R54. Whatever is asked, however often and in whatever order: of a redemption all is posted or all is given back; and
  // once the sale is in the ledger, its points are gone, exactly once.
  test('a redemption is posted or voided, never both, whatever comes twice or in another order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 3, maxLength: 12 }), async (steps) => {
        const till = new TestTill();
        const index = till.index();
        const customer = await customerWith(1_000, index);
        const ids = idsOf(till);
        pay(till, index, ids, 300);
        let sold = false;
        for (const step of steps) {
          if (step === 'reserve') await reserve(till, index, 300, ids);
          if (step === 'release') await release(till, ids.redemptionId);
          if (step === 'expire') {
            await world.clock.advance(HOUR);
            await reservations.expire();
          }
          if (step === 'sale') {
            await world.commit(till);
            sold = true;
          }
          const held = await world.balance(holdAccount(customer));
          expect(await world.member(customer)).toBe(1_000 - held - (sold ? 300 : 0));
          expect(sold ? held : 0).toBe(0);
        }
        const { rows } = await sql<{ key: string }>`
          select idempotency_key as key from ledger_transaction
          where idempotency_key like ${`resolve:${ids.redemptionId}%`}`.execute(database().db);
        expect(rows.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 25 },
    );
  });
}

const anyStep = fc.constantFrom('reserve', 'release', 'expire', 'sale');
