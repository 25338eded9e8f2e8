// Goal: whatever is called, repeated and lost in whatever order, a sale is paid with what the POS was told, the allowance
// is never exceeded, an id pays for one sale, and what a sale was paid with is never let go.
// Method: any calls at one till, several at once, with a real journal on a real file, against a server that takes
// questions in their order, whenever it likes; answers are late or lost, connections break, the power goes.
// REDEMPTION_HISTORIES=10000 tries more.
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { SaleView } from '../../../edge/api/events.ts';
import type { Journal } from '../../../edge/journal/journal.ts';
import type { Identified, IdentifiedAs } from '../../../edge/sale/identified.ts';
import { Redemptions } from '../../../edge/sale/redemptions.ts';
import type { PointsDesk } from '../../../edge/sale/redemptions.ts';
import type { Sales } from '../../../edge/sale/sales.ts';
import { StammkundeError, isFault } from '../../../foundation/errors.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { RESERVE_DEADLINE_MS } from '../../../sync/contract/redemption.ts';
import type { PointsReserveAnswer, PointsReserveRequest } from '../../../sync/contract/redemption.ts';
import type { TrustLevel } from '../../../sync/contract/credential.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { openJournal, quickFolder } from '../journal/journal-fixture.ts';
import { basketOf, identified, newId, newSales, programme, rules as plainRules } from './sale-fixture.ts';

const RUNS = Number(process.env['REDEMPTION_HISTORIES'] ?? 200);
const HOUR = 3_600_000;
const caps = { perCustomer: 60, perTill: 70, byTrust: { L0: 0, L1: 0, L2: 0, L3: 40, L4: 60 } };
const rules = {
  ...plainRules,
  programme: {
    ...programme,
    burn: { points: 1, minor: 1, minPoints: 10, stepPoints: 10, maxPercent: 100, excludedCategories: [] },
    redemption: { offline: { ...caps, validForMs: 240 * HOUR }, reservationMs: HOUR },
  },
};
/** What a POS may use again by mistake. */
const REDEMPTION_IDS = [1, 2, 3].map((n) => `0197b000-0000-7000-8000-00000000000${n}`);

const trust = fc.constantFrom('L2', 'L3', 'L4', 'L4');
const which = fc.nat(11);
const customer = fc.nat(2);
const points = fc.integer({ min: 1, max: 7 }).map((steps) => steps * 10);
const act = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('begin' as const), customer, trust }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('redeem' as const),
      which,
      id: fc.option(fc.nat(2), { freq: 2 }),
      points,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('repeat' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('complete' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('void' as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('basket' as const),
      which,
      total: fc.constantFrom(20, 20_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('present' as const), customer, trust }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which,
      as: fc.constantFrom('known', 'known', 'blocked'),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('serve' as const),
      count: fc.integer({ min: 1, max: 4 }),
      refuses: fc.constantFrom(true, false, false, false),
      answers: fc.constantFrom(true, true, false),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('break' as const), loses: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const) }) },
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;
const step = fc.oneof(
  { weight: 12, arbitrary: fc.array(act, { minLength: 1, maxLength: 4 }) },
  { weight: 2, arbitrary: fc.constant('time' as const) },
  { weight: 1, arbitrary: fc.constant('new allowance' as const) },
  { weight: 1, arbitrary: fc.constant('restart' as const) },
);

/** Takes what a till sends in its order, when it is told to. */
class SlowServer implements PointsDesk {
  connected = true;
  readonly rows = new Map<string, { state: 'reserved' | 'voided'; readonly as: string }>();
  /** Everything a till was told is kept. */
  readonly told = new Set<string>();
  onRelease: (redemptionId: string) => void = () => {};
  #queue: ((how: { readonly refuses: boolean; readonly answers: boolean }) => void)[] = [];
  #breaks = new Set<() => void>();

  reserve(question: PointsReserveRequest, signal: AbortSignal): Promise<PointsReserveAnswer> {
    const { redemptionId, kind } = question;
    const as = wordsOf(question.redemptionId, question.saleId, question.points, question.index);
    return this.#send<PointsReserveAnswer>(({ refuses }) => {
      const row = this.rows.get(redemptionId);
      if (row === undefined && refuses)
        return { kind, outcome: { verdict: 'refused', code: 'BURN_BALANCE' } };
      if (row === undefined) this.rows.set(redemptionId, { state: 'reserved', as });
      else if (row.state !== 'reserved' || row.as !== as)
        return { kind, outcome: { verdict: 'refused', code: 'REDEEM_CONFLICT' } };
      this.told.add(as);
      return { kind, outcome: { verdict: 'reserved', until: 1 } };
    }, signal);
  }

  release(redemptionId: string): Promise<unknown> {
    this.onRelease(redemptionId);
    return this.#send(() => {
      const row = this.rows.get(redemptionId);
      if (row?.state === 'reserved') row.state = 'voided';
    });
  }

  allowance(): Promise<never> {
    return Promise.reject(new StammkundeError('BUS_TIMEOUT', 'not asked here'));
  }

  serve(count: number, how: { readonly refuses: boolean; readonly answers: boolean }): void {
    for (const take of this.#queue.splice(0, count)) take(how);
  }

  /** All questions fail at once; what was sent is lost with them, or comes all the same. */
  break(loses: boolean): void {
    this.connected = false;
    if (loses) this.#queue = [];
    for (const each of this.#breaks) each();
    this.#breaks.clear();
  }

  /** Nobody waits for an answer any more. */
  forget(): void {
    this.#breaks.clear();
  }

  #send<T>(take: (how: { readonly refuses: boolean }) => T, signal?: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const breaks = (): void => reject(new StammkundeError('BUS_UNREACHABLE', 'the connection broke'));
    signal?.addEventListener('abort', () => reject(new StammkundeError('BUS_TIMEOUT', 'given up')));
    this.#breaks.add(breaks);
    this.#queue.push((how) => {
      const answer = take(how);
      if (how.answers && this.connected && this.#breaks.delete(breaks)) resolve(answer);
    });
    return promise;
  }
}

function wordsOf(redemptionId: string, saleId: string, howMany: number, index: string): string {
  return `${redemptionId} ${saleId} ${howMany} ${index}`;
}

/** What a sale is paid with, once somebody granted it. */
function granted({ redemption }: Pick<SaleView, 'redemption'>): string {
  return redemption === undefined || redemption.state === 'asking'
    ? 'nothing'
    : `${redemption.redemptionId} ${redemption.points}`;
}

/** How often each thing was seen, to know that all of it was tried. */
const seen = new Map<string, number>();
function count(what: string): void {
  seen.set(what, (seen.get(what) ?? 0) + 1);
}

interface Given {
  readonly points: number;
  readonly who: string | null | undefined;
  readonly version: number | null | undefined;
  readonly counts: boolean;
}

function exceeds(given: readonly Given[]): boolean {
  const sum = (those: readonly Given[]): number => those.reduce((all, each) => all + each.points, 0);
  return (
    sum(given) > caps.perTill ||
    given.some(({ who }) => sum(given.filter((each) => each.who === who)) > caps.perCustomer)
  );
}

class Counter {
  readonly #clock = new ManualClock();
  readonly #server = new SlowServer();
  readonly #folder = quickFolder(onTestFinished);
  #journal!: Journal; // opened by `#start`, before anything else
  #sales!: Sales;
  #redemptions!: Redemptions;
  #starts = 0;
  #version = 0;
  readonly #saleIds: string[] = [];
  readonly #isCalm: boolean;
  /** By sale, what the POS was told it is paid with. */
  readonly #told = new Map<string, string>();
  readonly #wrong: string[] = [];

  /** @param isCalm the connection holds, and so does the power */
  constructor(isCalm: boolean) {
    this.#isCalm = isCalm;
  }

  static async open(isCalm: boolean): Promise<Counter> {
    const counter = new Counter(isCalm);
    await counter.#start();
    counter.newAllowance();
    counter.#server.onRelease = (redemptionId) => counter.#released(redemptionId);
    return counter;
  }

  async #start(): Promise<void> {
    const random = new SeededRandom((this.#starts += 1));
    this.#journal = await openJournal(this.#folder, { clock: this.#clock, random });
    const { allowances } = this.#journal;
    this.#sales = newSales(this.#journal, this.#clock, { rules: () => rules, allowances });
    this.#redemptions = new Redemptions({
      sales: this.#sales,
      allowances,
      desk: this.#server,
      rules: () => rules,
      isOnline: () => this.#server.connected,
      clockQuality: () => 'good',
      clock: this.#clock,
      random,
      log: silentLog,
    });
  }

  async close(): Promise<void> {
    this.#starts += 1;
    this.#server.break(true);
    await this.#redemptions.close();
    await this.#journal.close();
  }

  async restart(): Promise<void> {
    if (this.#isCalm) return;
    // Without power: nobody waits for an answer, and nothing that was under way goes on.
    this.#server.forget();
    await this.#journal.close();
    await this.#start();
  }

  newAllowance(): void {
    this.#journal.confirm(this.#journal.lastSeq, this.#clock.now());
    const version = (this.#version += 1);
    const validUntil = this.#clock.now() + 240 * HOUR;
    this.#journal.allowances.replace({ till: 'till-1', version, ...caps, validUntil });
  }

  async waitLong(): Promise<void> {
    await this.#clock.advance(RESERVE_DEADLINE_MS);
  }

  /** All of it within one tick. */
  async together(acts: readonly Act[]): Promise<void> {
    for (const each of acts) {
      try {
        this.#take(each);
      } catch (error) {
        // Refused, with a code.
        if (!isFault(error)) throw error;
      }
    }
    await settle();
  }

  #take(what: Act): void {
    switch (what.do) {
      case 'begin': {
        if (this.#sales.openViews().length > 4) return;
        const { saleId } = this.#sales.open({ saleId: newId(this.#clock) });
        this.#saleIds.push(saleId);
        this.#sales.present(this.#card(what.customer, what.trust));
        this.#heard(this.#sales.putBasket(saleId, basketOf(15_000, 5_000)));
        return;
      }
      case 'present': {
        const sale = this.#sales.present(this.#card(what.customer, what.trust));
        if (sale !== undefined) this.#heard(sale);
        return;
      }
      case 'serve':
        this.#server.serve(what.count, what);
        return;
      case 'break':
        if (!this.#isCalm) this.#server.break(what.loses);
        return;
      case 'connect':
        this.#server.connected = true;
        return;
      case 'redeem':
      case 'repeat':
      case 'cancel':
      case 'complete':
      case 'void':
      case 'basket':
      case 'settle':
        this.#takeAt(this.#chosen(what.which), what);
    }
  }

  /** Mostly an open sale. */
  #chosen(number: number): string | undefined {
    const open = this.#sales.openViews().map(({ saleId }) => saleId);
    const some = number < 10 && open.length > 0 ? open : this.#saleIds;
    return some.at(number % Math.max(1, some.length));
  }

  #takeAt(saleId: string | undefined, what: Extract<Act, { readonly which: number }>): void {
    if (saleId === undefined) return;
    switch (what.do) {
      case 'redeem': {
        const redemptionId = what.id === null ? undefined : REDEMPTION_IDS[what.id];
        this.#redeem(saleId, { redemptionId, points: what.points });
        return;
      }
      case 'repeat': {
        const { redemption } = this.#sales.view(saleId);
        if (redemption === undefined) return;
        count(`repeated while ${redemption.state}`);
        this.#redeem(saleId, { redemptionId: redemption.redemptionId, points: redemption.points });
        return;
      }
      case 'cancel':
        this.#heard(this.#redemptions.cancel(saleId));
        return;
      case 'complete': {
        const before = this.#sales.view(saleId).status;
        const closed = this.#sales.complete(saleId);
        const entry = this.#entries().find((each) => each.saleId === saleId);
        const paid = entry?.redeemed;
        const inEntry = paid === undefined ? 'nothing' : `${paid.redemptionId} ${paid.points}`;
        if (inEntry !== granted(closed) || inEntry !== this.#told.get(saleId))
          this.#wrong.push(`completed with ${inEntry}, told ${this.#told.get(saleId)}, ${granted(closed)}`);
        if (before === 'open') count(`completed, ${paid?.authorised ?? 'nothing'}`);
        return;
      }
      case 'void': {
        const { status } = this.#sales.view(saleId);
        const view = this.#sales.void(saleId);
        if (status === 'open') this.#heard({ ...view, redemption: undefined });
        return;
      }
      case 'basket':
        this.#heard(this.#sales.putBasket(saleId, basketOf(what.total)));
        return;
      case 'settle': {
        const { customer: whose } = this.#sales.openSale(saleId);
        if (whose === null) return;
        const as: IdentifiedAs = what.as === 'blocked' ? { verdict: 'blocked' } : whose.as;
        this.#sales.settle(whose.identificationId, { as, index: whose.index });
        this.#heard(this.#sales.view(saleId));
      }
    }
  }

  #redeem(
    saleId: string,
    wish: { readonly redemptionId: string | undefined; readonly points: number },
  ): void {
    const life = this.#starts;
    const asked = this.#redemptions.redeem(saleId, wish);
    const sale = this.#sales.view(saleId);
    const id = wish.redemptionId ?? sale.redemption?.redemptionId;
    // What stood before is repeated to the POS; what it hears of the sale after that, it hears after that.
    const isRepeated = this.#told.get(saleId) === `${id} ${wish.points}`;
    // Another id, or a wish that cannot be, lets go of what the sale had.
    if (sale.status === 'open' && !isRepeated) this.#heard(sale);
    asked.then(
      (view) => {
        if (life !== this.#starts || isRepeated) return;
        count(`granted, ${view.redemption?.state}`);
        this.#heard(view);
      },
      (error: unknown) => {
        if (!isFault(error)) this.#wrong.push(String(error));
        if (life !== this.#starts || !isFault(error)) return;
        count(error.code);
        const now = this.#sales.view(saleId);
        if (now.status !== 'open') return;
        // A conflict says no more than that; else the sale is paid with no points.
        if (error.code === 'REDEEM_CONFLICT') this.#heard(now);
        else this.#told.set(saleId, 'nothing');
      },
    );
  }

  /** What does not hold, and should at any time between two calls. */
  check(): readonly string[] {
    const open = this.#sales.openViews();
    for (const sale of open) {
      if (granted(sale) !== this.#told.get(sale.saleId))
        this.#wrong.push(`stands ${granted(sale)}, told ${this.#told.get(sale.saleId)}`);
    }
    for (const { redemption } of open) {
      const state = this.#server.rows.get(redemption?.redemptionId ?? '')?.state;
      if (redemption?.state === 'reserved' && state !== 'reserved')
        this.#wrong.push(`${redemption.redemptionId} of an open sale is ${state}`);
    }
    const paid = this.#entries().flatMap(({ seq, saleId, customer: whose, redeemed }) =>
      redeemed === undefined ? [] : [{ seq, saleId, whose, ...redeemed }],
    );
    const ids = [
      ...paid.map(({ redemptionId }) => redemptionId),
      ...open.flatMap(({ redemption }) => redemption?.redemptionId ?? []),
    ];
    if (new Set(ids).size !== ids.length) this.#wrong.push(`an id pays for two sales: ${ids.join(' ')}`);
    for (const { redemptionId, saleId, points: howMany, whose, authorised } of paid) {
      if (whose === null) this.#wrong.push(`${redemptionId} is paid by nobody`);
      if (whose === null || authorised === 'allowance') continue;
      if (!this.#server.told.has(wordsOf(redemptionId, saleId, howMany, whose.index)))
        this.#wrong.push(`${redemptionId} was not granted so`);
      // What was kept for a sale that was completed stays kept until the sale itself arrives.
      const state = this.#server.rows.get(redemptionId)?.state;
      if (state !== 'reserved') this.#wrong.push(`${redemptionId} is ${state}`);
    }
    const given: readonly Given[] = [
      ...paid
        .filter(({ authorised }) => authorised === 'allowance')
        .map((each) => ({
          points: each.points,
          who: each.whose?.customerId,
          version: each.allowanceVersion,
          counts: each.seq > this.#journal.confirmedSeq,
        })),
      ...open
        .filter(({ redemption }) => redemption?.state === 'allowed')
        .map(({ redemption, customer: whose }) => ({
          points: redemption?.points ?? 0,
          who: whose?.identification.verdict === 'known' ? whose.identification.customer.id : undefined,
          version: redemption?.allowanceVersion,
          counts: true,
        })),
    ];
    if (exceeds(given.filter(({ counts }) => counts))) this.#wrong.push('more than the server can bear');
    for (let version = 1; version <= this.#version; version += 1)
      if (exceeds(given.filter((each) => each.version === version)))
        this.#wrong.push(`more than allowance ${version}`);
    return this.#wrong;
  }

  /** At the end the server has heard all, and keeps nothing that no sale needs. */
  async end(): Promise<readonly string[]> {
    for (let i = 0; i < 2; i += 1) {
      this.#server.serve(Infinity, { refuses: false, answers: true });
      await settle();
    }
    this.check();
    // Else the server finds out by itself, when the time of a reservation is over.
    if (this.#isCalm) {
      count('heard all');
      for (const [id, { state }] of this.#server.rows)
        if (state === 'reserved' && !this.#isHeld(id)) this.#wrong.push(`${id} was not let go`);
    }
    return this.#wrong;
  }

  #heard(view: Pick<SaleView, 'saleId' | 'redemption'>): void {
    this.#told.set(view.saleId, granted(view));
  }

  #released(redemptionId: string): void {
    count('released');
    if (this.#isHeld(redemptionId)) this.#wrong.push(`${redemptionId} is let go, and a sale holds it`);
  }

  #isHeld(redemptionId: string): boolean {
    return (
      this.#entries().some(({ redeemed }) => redeemed?.redemptionId === redemptionId) ||
      this.#sales.openViews().some(({ redemption }) => redemption?.redemptionId === redemptionId)
    );
  }

  #entries() {
    return this.#journal.read(0, 1_000).flatMap(({ seq, body }) => {
      const transaction = Transaction.parse(JSON.parse(body));
      return transaction.kind === 'sale.completed' ? [{ seq, ...transaction }] : [];
    });
  }

  #card(number: number, level: TrustLevel): Identified {
    const as: IdentifiedAs = {
      verdict: 'known',
      customer: {
        id: `0197a000-0000-7000-8000-00000000000${number}`,
        status: 'active',
        tier: 'gold',
        points: 100_000,
        pointsAt: 1,
        purposes: [],
        greeting: null,
      },
    };
    return { ...identified(this.#clock, as, 'ABC'.charAt(number)), kind: 'app', trust: level };
  }
}

test(
  'a sale is paid with what the POS was told, within the allowance, once for an id, and keeps it',
  { timeout: 60_000 + RUNS * 1_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(step, { minLength: 10, maxLength: 60 }),
        async (isCalm, steps) => {
          const counter = await Counter.open(isCalm);
          try {
            for (const what of steps) {
              if (what === 'time') await counter.waitLong();
              else if (what === 'restart') await counter.restart();
              else if (what === 'new allowance') counter.newAllowance();
              else await counter.together(what);
              expect(counter.check()).toEqual([]);
            }
            expect(await counter.end()).toEqual([]);
          } finally {
            await counter.close();
          }
        },
      ),
      { numRuns: RUNS, ...(RUNS > 200 ? {} : { seed: 14 }) },
    );
    // It was tried in earnest.
    for (const what of [
      'granted, reserved',
      'granted, allowed',
      'repeated while asking',
      'repeated while reserved',
      'completed, reservation',
      'completed, allowance',
      'released',
      'heard all',
      'REDEEM_CONFLICT',
      'REDEEM_LIMIT_CUSTOMER',
      'REDEEM_LIMIT_TILL',
      'BURN_BALANCE',
    ]) {
      expect([...seen.keys()]).toContain(what);
    }
  },
);
