// Goal: whatever is tried with a card that was copied, k tills without the server give out no more than k times the cap.
// Method: any calls at several tills, each with its own journal on a real file, power cuts in between.
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { Journal } from '../../../edge/journal/journal.ts';
import type { IdentifiedAs } from '../../../edge/sale/identified.ts';
import { Redemptions } from '../../../edge/sale/redemptions.ts';
import type { Sales } from '../../../edge/sale/sales.ts';
import { isFault, StammkundeError } from '../../../foundation/errors.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import type { TrustLevel } from '../../../sync/contract/credential.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openJournal, quickFolder } from '../journal/journal-fixture.ts';
import { basketOf, identified, newId, newSales, programme, rules as plainRules } from './sale-fixture.ts';

const HOUR = 3_600_000;
const caps = { perCustomer: 60, perTill: 100, byTrust: { L0: 0, L1: 0, L2: 0, L3: 40, L4: 60 } };
const rules = {
  ...plainRules,
  programme: {
    ...programme,
    burn: { points: 1, minor: 1, minPoints: 10, stepPoints: 10, maxPercent: 100, excludedCategories: [] },
    redemption: { offline: { ...caps, validForMs: 24 * HOUR }, reservationMs: HOUR },
  },
};

/** Somebody with more points than all tills together may give out. */
function rich(id: number): IdentifiedAs {
  const customer = {
    id: `0197a000-0000-7000-8000-00000000000${id}`,
    status: 'active' as const,
    tier: 'gold',
    points: 100_000,
    pointsAt: 1,
    purposes: [],
    greeting: null,
  };
  return { verdict: 'known', customer };
}

/** A till that was given its allowance, and then cut off. */
class CutOffTill {
  readonly clock = new ManualClock();
  readonly #folder = quickFolder(onTestFinished);
  #journal!: Journal; // opened by `start`, before anything else
  #sales!: Sales;
  #redemptions!: Redemptions;
  readonly #open: string[] = [];
  #starts = 0;

  static async open(): Promise<CutOffTill> {
    const till = new CutOffTill();
    await till.#start();
    const validUntil = till.clock.now() + 24 * HOUR;
    till.#journal.allowances.replace({ till: 'till-1', version: 1, ...caps, validUntil });
    return till;
  }

  async #start(): Promise<void> {
    const { clock } = this;
    const random = new SeededRandom((this.#starts += 1));
    const unreachable = () => Promise.reject(new StammkundeError('BUS_UNREACHABLE', 'cut off'));
    this.#journal = await openJournal(this.#folder, { clock, random });
    const { allowances } = this.#journal;
    this.#sales = newSales(this.#journal, clock, { rules: () => rules, allowances });
    this.#redemptions = new Redemptions({
      sales: this.#sales,
      allowances,
      desk: { reserve: unreachable, release: unreachable, allowance: unreachable },
      rules: () => rules,
      isOnline: () => false,
      clockQuality: () => 'good',
      clock,
      random,
      log: silentLog,
    });
  }

  async close(): Promise<void> {
    await this.#redemptions.close();
    await this.#journal.close();
  }

  async powerCut(): Promise<void> {
    await this.close();
    await this.#start();
  }

  begin(customer: number, trust: TrustLevel): void {
    const { saleId } = this.#sales.open({ saleId: newId(this.clock) });
    this.#sales.present({ ...identified(this.clock, rich(customer)), kind: 'app', trust });
    this.#sales.putBasket(saleId, basketOf(20_000));
    this.#open.push(saleId);
  }

  async redeem(which: number, points: number): Promise<void> {
    const saleId = this.#chosen(which);
    if (saleId !== undefined) await this.#redemptions.redeem(saleId, { points });
  }

  end(which: number, how: 'complete' | 'void'): void {
    const saleId = this.#chosen(which);
    if (saleId === undefined) return;
    this.#sales[how](saleId);
    this.#open.splice(this.#open.indexOf(saleId), 1);
  }

  /** Points that left the shop, by customer. */
  given(): Map<string, number> {
    const given = new Map<string, number>();
    for (const { body } of this.#journal.read(0, 1_000)) {
      const transaction = Transaction.parse(JSON.parse(body));
      if (transaction.kind !== 'sale.completed' || transaction.redeemed === undefined) continue;
      const id = transaction.customer?.customerId ?? 'nobody';
      given.set(id, (given.get(id) ?? 0) + transaction.redeemed.points);
    }
    return given;
  }

  /** The newest for -1. */
  #chosen(which: number): string | undefined {
    return this.#open.at(which < 0 ? which : which % Math.max(1, this.#open.length));
  }
}

const points = fc.integer({ min: 1, max: 7 }).map((steps) => steps * 10);
const trust = fc.constantFrom('L1', 'L3', 'L4', 'L4');
const step = fc.oneof(
  fc.record({ do: fc.constant('pay' as const), customer: fc.nat(2), trust, points }),
  fc.record({
    do: fc.constant('begin' as const),
    customer: fc.nat(2),
    trust,
  }),
  fc.record({ do: fc.constant('redeem' as const), which: fc.nat(5), points }),
  fc.record({ do: fc.constant('complete' as const), which: fc.nat(5) }),
  fc.record({ do: fc.constant('void' as const), which: fc.nat(5) }),
  fc.record({ do: fc.constant('power cut' as const) }),
);

test(
  'a card at k tills without the server redeems at most k times the cap',
  { timeout: 60_000 },
  async () => {
    let most = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ till: fc.nat(2), step }), { minLength: 10, maxLength: 50 }),
        async (steps) => {
          const tills = [await CutOffTill.open(), await CutOffTill.open(), await CutOffTill.open()];
          try {
            for (const { till: number, step: what } of steps) {
              const till = tills[number];
              if (till === undefined) throw new Error('there is no such till');
              await take(till, what);
            }
            for (const till of tills) {
              const given = till.given();
              for (const ofCustomer of given.values())
                expect(ofCustomer).toBeLessThanOrEqual(caps.perCustomer);
              const ofAll = [...given.values()].reduce((sum, each) => sum + each, 0);
              expect(ofAll).toBeLessThanOrEqual(caps.perTill);
              most = Math.max(most, ofAll);
            }
          } finally {
            for (const till of tills) await till.close();
          }
        },
      ),
      { numRuns: 60, seed: 55 },
    );
    // It was tried in earnest: some till gave out nearly all it may.
    expect(most).toBeGreaterThan(caps.perCustomer);
  },
);

async function take(
  till: CutOffTill,
  what: typeof step extends fc.Arbitrary<infer T> ? T : never,
): Promise<void> {
  try {
    switch (what.do) {
      case 'pay':
        till.begin(what.customer, what.trust);
        await till.redeem(-1, what.points);
        till.end(-1, 'complete');
        break;
      case 'begin':
        till.begin(what.customer, what.trust);
        break;
      case 'redeem':
        await till.redeem(what.which, what.points);
        break;
      case 'complete':
      case 'void':
        till.end(what.which, what.do);
        break;
      case 'power cut':
        await till.powerCut();
        break;
    }
  } catch (error) {
    // Refused, with a code.
    if (!isFault(error)) throw error;
  }
}
