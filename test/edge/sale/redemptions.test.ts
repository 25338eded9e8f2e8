// Goal: points are given out once, and without the server never more than it allowed, power cuts included.
// Method: real journal on a real file; the server is a desk that answers as told.
import { describe, expect, onTestFinished, test } from 'vitest';
import { TrustedTime } from '../../../edge/app-code/trusted-time.ts';
import type { Journal } from '../../../edge/journal/journal.ts';
import { Redemptions } from '../../../edge/sale/redemptions.ts';
import type { PointsDesk } from '../../../edge/sale/redemptions.ts';
import { Returns } from '../../../edge/sale/returns.ts';
import type { Sales } from '../../../edge/sale/sales.ts';
import { StammkundeError } from '../../../foundation/errors.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { RESERVE_DEADLINE_MS } from '../../../sync/contract/redemption.ts';
import type { Allowance } from '../../../sync/contract/redemption.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import type { TrustLevel } from '../../../sync/contract/credential.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openJournal, temporaryFolder } from '../journal/journal-fixture.ts';
import { basketOf, identified, newId, newSales, programme, rules as plainRules } from './sale-fixture.ts';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const HOUR = 3_600_000;

const rules = {
  ...plainRules,
  programme: {
    ...programme,
    burn: { points: 1, minor: 1, minPoints: 10, stepPoints: 10, maxPercent: 100, excludedCategories: [] },
    redemption: {
      offline: {
        perCustomer: 60,
        perTill: 100,
        byTrust: { L0: 0, L1: 0, L2: 0, L3: 50, L4: 60 },
        validForMs: 24 * HOUR,
      },
      reservationMs: HOUR,
    },
  },
};

class Shop {
  readonly clock = new ManualClock();
  readonly folder = temporaryFolder(onTestFinished);
  online = true;
  readonly asked: string[] = [];
  readonly released: string[] = [];
  allowance: Allowance | null;
  answer: PointsDesk['reserve'] = ({ kind }) =>
    Promise.resolve({ kind, outcome: { verdict: 'reserved', until: this.clock.now() + HOUR } });
  journal!: Journal; // opened by `start`, before anything else
  sales!: Sales;
  redemptions!: Redemptions;
  time!: TrustedTime; // as above
  /** Beside the journal on the disk of a till. */
  readonly #keeper = {
    trustedAt: 0,
    trust(at: number): void {
      this.trustedAt = at;
    },
  };
  #starts = 0;

  constructor() {
    const { perCustomer, perTill, byTrust, validForMs } = rules.programme.redemption.offline;
    const validUntil = this.clock.now() + validForMs;
    this.allowance = { till: 'till-1', version: 1, perCustomer, perTill, byTrust, validUntil };
  }

  static async open(): Promise<Shop> {
    const shop = new Shop();
    await shop.start();
    onTestFinished(async () => {
      await shop.redemptions.close();
      await shop.journal.close();
    });
    await shop.redemptions.renew();
    return shop;
  }

  async start(): Promise<void> {
    const { clock } = this;
    this.time = new TrustedTime(clock, this.#keeper);
    this.journal = await openJournal(this.folder, { clock, random: new SeededRandom((this.#starts += 1)) });
    this.sales = newSales(this.journal, clock, { rules: () => rules, allowances: this.journal.allowances });
    this.redemptions = new Redemptions({
      sales: this.sales,
      allowances: this.journal.allowances,
      desk: {
        reserve: (question, signal) => {
          this.asked.push(question.redemptionId);
          return this.answer(question, signal);
        },
        release: (id) => Promise.resolve(void this.released.push(id)),
        allowance: () => Promise.resolve(this.allowance),
      },
      rules: () => rules,
      isOnline: () => this.online,
      clockQuality: () => this.time.quality,
      clock,
      random: new SeededRandom(77 + this.#starts),
      log: silentLog,
    });
  }

  /** As after a power cut: nothing is left but the file. */
  async restart(): Promise<void> {
    await this.redemptions.close();
    await this.journal.close();
    await this.start();
  }

  /** An open sale of 10.00 for a customer with 120 points. */
  sale(trust: TrustLevel = 'L4'): string {
    const { saleId } = this.sales.open({ saleId: newId(this.clock) });
    this.sales.present({ ...identified(this.clock), kind: 'app', trust });
    this.sales.putBasket(saleId, basketOf(700, 300));
    return saleId;
  }

  entries(): Transaction[] {
    return this.journal.read(0, 100).map((entry) => Transaction.parse(JSON.parse(entry.body)));
  }
}

describe('paying with points', () => {
  test('what the server keeps is in the entry of the sale, on its lines', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    const view = await shop.redemptions.redeem(saleId, { points: 100 });
    expect(view.redemption).toMatchObject({ points: 100, minor: 100, state: 'reserved' });
    await shop.redemptions.redeem(saleId, { points: 100 });
    expect(shop.asked).toHaveLength(1);
    await shop.restart();
    shop.sales.complete(saleId);
    expect(shop.entries()[0]).toMatchObject({
      redeemed: { points: 100, parts: [70, 30], authorised: 'reservation', allowanceVersion: null },
    });
  });

  test('what the server refuses is not paid, and says why', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    shop.answer = ({ kind }) =>
      Promise.resolve({ kind, outcome: { verdict: 'refused', code: 'BURN_BALANCE' } });
    await expect(shop.redemptions.redeem(saleId, { points: 100 })).rejects.toEqual(code('BURN_BALANCE'));
    expect(shop.sales.complete(saleId).redemption).toBeUndefined();
    expect(shop.entries()[0]).not.toHaveProperty('redeemed');
  });

  test('a server that does not answer in time leaves it to the allowance', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    shop.answer = (_question, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new StammkundeError('BUS_TIMEOUT', 'no answer')));
      });
    const paying = shop.redemptions.redeem(saleId, { points: 50 });
    await shop.clock.advance(RESERVE_DEADLINE_MS);
    expect((await paying).redemption).toMatchObject({ state: 'allowed', allowanceVersion: 1 });
    shop.sales.complete(saleId);
    expect(shop.entries()[0]).toMatchObject({ redeemed: { authorised: 'allowance', allowanceVersion: 1 } });
  });

  test('what was being asked when the power went is asked again under the same id, and not paid before', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    shop.answer = () => new Promise(() => {});
    void shop.redemptions.redeem(saleId, { points: 50 }).catch(() => {});
    await shop.journal.close();
    await shop.start();
    expect(() => shop.sales.complete(saleId)).toThrow(code('REDEEM_OFFLINE'));
    shop.answer = ({ kind }) => Promise.resolve({ kind, outcome: { verdict: 'reserved', until: 1 } });
    await shop.redemptions.redeem(saleId, { points: 50 });
    expect(new Set(shop.asked).size).toBe(1);
    expect(shop.asked).toHaveLength(2);
  });

  test('a basket that changed so that the points do not fit any more is not completed', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    await shop.redemptions.redeem(saleId, { points: 100 });
    shop.sales.putBasket(saleId, basketOf(50));
    expect(() => shop.sales.complete(saleId)).toThrow(code('BURN_TOO_MUCH'));
    shop.redemptions.cancel(saleId);
    expect(shop.released).toHaveLength(1);
    expect(shop.sales.complete(saleId).status).toBe('completed');
  });

  test('points are the customer’s who was there: another one pays with none', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    await shop.redemptions.redeem(saleId, { points: 100 });
    shop.sales.present(identified(shop.clock, undefined, 'B'));
    expect(shop.sales.view(saleId).redemption).toBeUndefined();
  });
});

describe('a call that is repeated while the first is under way', () => {
  /** A shop whose server answers each question when told to, and a sale for which 50 points were asked. */
  const underWay = async () => {
    const shop = await Shop.open();
    const saleId = shop.sale('L2');
    const answers: ReturnType<typeof Promise.withResolvers<void>>[] = [];
    shop.answer = async ({ kind }) => {
      const answer = Promise.withResolvers<void>();
      answers.push(answer);
      await answer.promise;
      return { kind, outcome: { verdict: 'reserved', until: shop.clock.now() + HOUR } };
    };
    const wish = { redemptionId: newId(shop.clock), points: 50 };
    return { shop, saleId, answers, wish, first: shop.redemptions.redeem(saleId, wish) };
  };

  test('is answered as the first, and asks nothing', async () => {
    const { shop, saleId, answers, wish, first } = await underWay();
    const second = shop.redemptions.redeem(saleId, wish);
    const third = shop.redemptions.redeem(saleId, { points: 50 });
    answers[0]?.resolve();
    expect((await first).redemption).toMatchObject({ state: 'reserved', points: 50 });
    expect(await second).toEqual(await first);
    expect(await third).toEqual(await first);
    expect([shop.asked.length, shop.released]).toEqual([1, []]);
    shop.sales.complete(saleId);
    expect(shop.entries()[0]).toMatchObject({ redeemed: wish });
  });

  test('gets the refusal of the first', async () => {
    const { shop, saleId, answers, wish, first } = await underWay();
    const second = shop.redemptions.redeem(saleId, wish);
    answers[0]?.reject(new StammkundeError('BUS_UNREACHABLE', 'the connection broke'));
    await expect(first).rejects.toEqual(code('REDEEM_TRUST'));
    await expect(second).rejects.toEqual(code('REDEEM_TRUST'));
    expect(shop.released).toEqual([wish.redemptionId]);
    expect(shop.sales.complete(saleId).redemption).toBeUndefined();
  });

  test('with other points is refused, and changes nothing', async () => {
    const { shop, saleId, answers, wish, first } = await underWay();
    await expect(shop.redemptions.redeem(saleId, { ...wish, points: 60 })).rejects.toEqual(
      code('REDEEM_CONFLICT'),
    );
    answers[0]?.resolve();
    expect((await first).redemption).toMatchObject({ points: 50 });
    expect(shop.released).toEqual([]);
  });

  test('of an id that was let go meanwhile is refused: its points go back', async () => {
    const { shop, saleId, answers, wish, first } = await underWay();
    shop.redemptions.cancel(saleId);
    await expect(shop.redemptions.redeem(saleId, wish)).rejects.toEqual(code('REDEEM_CONFLICT'));
    answers[0]?.resolve();
    await expect(first).rejects.toEqual(code('REDEEM_CONFLICT'));
    await expect(shop.redemptions.redeem(saleId, wish)).rejects.toEqual(code('REDEEM_CONFLICT'));
    expect(shop.asked).toHaveLength(1);
    expect(shop.sales.complete(saleId).redemption).toBeUndefined();
    const anew = shop.sale('L2');
    const paying = shop.redemptions.redeem(anew, { points: 50 });
    answers[1]?.resolve();
    expect((await paying).redemption).toMatchObject({ state: 'reserved' });
  });
});

describe('a redemption the server refused', () => {
  test('is not let go, as nothing was kept, and may be asked for again under its id', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    const redemptionId = newId(shop.clock);
    shop.answer = ({ kind }) =>
      Promise.resolve({ kind, outcome: { verdict: 'refused', code: 'BURN_BALANCE' } });
    await expect(shop.redemptions.redeem(saleId, { redemptionId, points: 100 })).rejects.toEqual(
      code('BURN_BALANCE'),
    );
    expect(shop.released).toEqual([]);
    shop.answer = ({ kind }) => Promise.resolve({ kind, outcome: { verdict: 'reserved', until: 1 } });
    expect((await shop.redemptions.redeem(saleId, { redemptionId, points: 50 })).redemption).toMatchObject({
      points: 50,
    });
  });
});

describe('points that are not needed any more', () => {
  const reserved = async (): Promise<{ shop: Shop; saleId: string; id: string }> => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    const { redemption } = await shop.redemptions.redeem(saleId, { points: 100 });
    return { shop, saleId, id: redemption?.redemptionId ?? '' };
  };

  test('are let go once when their sale is voided, and not when it is completed and then voided', async () => {
    const { shop, saleId, id } = await reserved();
    shop.sales.void(saleId);
    shop.sales.void(saleId);
    expect(shop.released).toEqual([id]);
    const paid = shop.sale();
    await shop.redemptions.redeem(paid, { points: 100 });
    shop.sales.complete(paid);
    shop.sales.void(paid);
    expect(shop.released).toEqual([id]);
  });

  test.each([
    [
      'another customer comes',
      ({ sales, clock }: Shop): void => void sales.present(identified(clock, undefined, 'B')),
    ],
    ['the customer is detached', ({ sales }: Shop, saleId: string): void => void sales.detach(saleId)],
    [
      'another customer is attached',
      ({ sales, clock }: Shop, saleId: string): void => {
        const other = identified(clock, undefined, 'B');
        sales.note(other);
        sales.attach(saleId, other.identificationId);
      },
    ],
    [
      'it is paid otherwise',
      ({ redemptions }: Shop, saleId: string): void => void redemptions.cancel(saleId),
    ],
  ] as const)('are let go once when %s', async (_what, change) => {
    const { shop, saleId, id } = await reserved();
    change(shop, saleId);
    expect(shop.sales.view(saleId).redemption).toBeUndefined();
    shop.sales.void(saleId);
    expect(shop.released).toEqual([id]);
  });

  test.each([
    ['blocked', { verdict: 'blocked' }],
    ['expired', { verdict: 'expired', since: 1 }],
  ] as const)('are let go once when the server says that the card is %s', async (_what, as) => {
    const { shop, saleId, id } = await reserved();
    const { identificationId = '' } = shop.sales.view(saleId).customer ?? {};
    const { index } = identified(shop.clock);
    shop.sales.settle(identificationId, { as, index });
    expect(shop.sales.view(saleId).redemption).toBeUndefined();
    expect(shop.released).toEqual([id]);
    await expect(shop.redemptions.redeem(saleId, { points: 100 })).rejects.toEqual(code('REDEEM_TRUST'));
    expect(shop.sales.complete(saleId).redemption).toBeUndefined();
    expect(shop.entries()).toMatchObject([{ customer: null }]);
    expect(shop.entries()[0]).not.toHaveProperty('redeemed');
    expect(shop.released).toEqual([id]);
  });

  test('are let go when the card is presented again and is blocked by now', async () => {
    const { shop, saleId, id } = await reserved();
    shop.sales.present(identified(shop.clock, { verdict: 'blocked' }));
    expect(shop.sales.view(saleId).redemption).toBeUndefined();
    expect(shop.released).toEqual([id]);
  });

  test('stay when the server, asked again, knows the card', async () => {
    const { shop, saleId } = await reserved();
    const card = identified(shop.clock);
    shop.sales.settle(shop.sales.view(saleId).customer?.identificationId ?? '', card);
    expect(shop.sales.complete(saleId).redemption).toMatchObject({ points: 100, state: 'reserved' });
  });

  test('are not taken from nobody: an open sale an older program left so pays with none', async () => {
    const { shop, saleId } = await reserved();
    const [stored] = shop.journal.openSales.all();
    if (stored === undefined || stored.customer === null)
      throw new Error('the sale is open, with a customer');
    shop.journal.openSales.save({ ...stored, customer: { ...stored.customer, as: { verdict: 'blocked' } } });
    await shop.restart();
    expect(shop.sales.view(saleId).redemption).toBeUndefined();
    shop.sales.complete(saleId);
    expect(shop.entries()[0]).not.toHaveProperty('redeemed');
  });

  test('are let go when their sale was voided after a restart', async () => {
    const { shop, saleId, id } = await reserved();
    await shop.restart();
    shop.sales.void(saleId);
    expect(shop.released).toEqual([id]);
  });

  test('are let go once more when the server kept them after the sale was voided', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    let keep: () => void = () => {};
    shop.answer = ({ kind }) =>
      new Promise((resolve) => {
        keep = (): void => resolve({ kind, outcome: { verdict: 'reserved', until: 1 } });
      });
    const paying = shop.redemptions.redeem(saleId, { points: 100 });
    shop.sales.void(saleId);
    keep();
    await expect(paying).rejects.toEqual(code('REDEEM_CONFLICT'));
    expect(new Set(shop.released).size).toBe(1);
    expect(shop.released).toHaveLength(2);
  });

  test('are not asked for without the server, which lets them go by itself', async () => {
    const { shop, saleId } = await reserved();
    shop.online = false;
    expect(shop.sales.void(saleId).status).toBe('voided');
    expect(shop.released).toEqual([]);
  });
});

describe('without the server', () => {
  const offline = async (): Promise<Shop> => {
    const shop = await Shop.open();
    shop.online = false;
    return shop;
  };
  const pay = async (shop: Shop, points: number, trust: TrustLevel = 'L4'): Promise<void> => {
    const saleId = shop.sale(trust);
    try {
      await shop.redemptions.redeem(saleId, { points });
      shop.sales.complete(saleId);
    } finally {
      if (shop.sales.view(saleId).status === 'open') shop.sales.void(saleId);
    }
  };

  test('a till gives one customer and all together no more than it may, power cuts included', async () => {
    const shop = await offline();
    await pay(shop, 50);
    await shop.restart();
    await expect(pay(shop, 20)).rejects.toEqual(code('REDEEM_LIMIT_CUSTOMER'));
    await pay(shop, 10);
    await expect(pay(shop, 10)).rejects.toEqual(code('REDEEM_LIMIT_CUSTOMER'));
    expect(shop.journal.allowances.used('nobody', 1)).toEqual({ ofCustomer: 0, ofAll: 60 });
  });

  test('open sales count as well', async () => {
    const shop = await offline();
    await shop.redemptions.redeem(shop.sale(), { points: 50 });
    await expect(shop.redemptions.redeem(shop.sale(), { points: 20 })).rejects.toEqual(
      code('REDEEM_LIMIT_CUSTOMER'),
    );
  });

  test('what the allowance granted a known customer is let go when the card turns out to be nobody’s', async () => {
    const shop = await offline();
    const saleId = shop.sale();
    await shop.redemptions.redeem(saleId, { points: 50 });
    const { identificationId = '' } = shop.sales.view(saleId).customer ?? {};
    shop.sales.settle(identificationId, { as: { verdict: 'unknown' }, index: identified(shop.clock).index });
    shop.sales.complete(saleId);
    expect(shop.entries()[0]).not.toHaveProperty('redeemed');
    await pay(shop, 60);
  });

  test('a new allowance does not let what the server does not know of be given out again', async () => {
    const shop = await offline();
    await pay(shop, 60);
    shop.journal.allowances.replace({ ...(shop.allowance as Allowance), version: 2 }); // it is not null here
    await expect(pay(shop, 10)).rejects.toEqual(code('REDEEM_LIMIT_CUSTOMER'));
    shop.journal.confirm(shop.journal.lastSeq, shop.clock.now());
    shop.journal.allowances.replace({ ...(shop.allowance as Allowance), version: 3 }); // nor here
    await pay(shop, 10);
  });

  test('an id pays for one sale only, open or completed, power cuts included', async () => {
    const shop = await offline();
    const redemptionId = newId(shop.clock);
    const first = shop.sale();
    const second = shop.sale();
    await shop.redemptions.redeem(first, { redemptionId, points: 30 });
    await expect(shop.redemptions.redeem(second, { redemptionId, points: 30 })).rejects.toEqual(
      code('REDEEM_CONFLICT'),
    );
    shop.sales.complete(first);
    await shop.restart();
    await expect(shop.redemptions.redeem(second, { redemptionId, points: 30 })).rejects.toEqual(
      code('REDEEM_CONFLICT'),
    );
    shop.online = true;
    await expect(shop.redemptions.redeem(second, { redemptionId, points: 30 })).rejects.toEqual(
      code('REDEEM_CONFLICT'),
    );
    expect(shop.asked).toEqual([]);
    expect(shop.journal.allowances.used('nobody', 1).ofAll).toBe(30);
  });

  test('two open sales that hold one id, by an older program, are not both paid with it', async () => {
    const shop = await offline();
    const first = shop.sale();
    const second = shop.sale();
    const { redemption } = await shop.redemptions.redeem(first, { points: 30 });
    shop.sales.putRedemption(second, redemption ?? null);
    shop.sales.complete(first);
    expect(() => shop.sales.complete(second)).toThrow(code('REDEEM_CONFLICT'));
    shop.online = true;
    shop.redemptions.cancel(second);
    expect(shop.released).toEqual([]);
    expect(shop.sales.complete(second).redemption).toBeUndefined();
  });

  test('a connection that breaks while several sales ask gives out no more than the allowance', async () => {
    const shop = await Shop.open();
    const breaks: (() => void)[] = [];
    shop.answer = () =>
      new Promise((_resolve, reject) => {
        breaks.push(() => reject(new StammkundeError('BUS_UNREACHABLE', 'the connection broke')));
      });
    const sales = [shop.sale(), shop.sale(), shop.sale()];
    const paying = Promise.allSettled(sales.map((saleId) => shop.redemptions.redeem(saleId, { points: 60 })));
    // As the client of requests does: all in one tick.
    for (const each of breaks) each();
    const granted = (await paying).filter(({ status }) => status === 'fulfilled');
    for (const saleId of sales) shop.sales.complete(saleId);
    expect([granted.length, shop.journal.allowances.used('nobody', 1).ofAll]).toEqual([1, 60]);
  });

  test.each([
    ['L0', 'REDEEM_TRUST'],
    ['L1', 'REDEEM_TRUST'],
    ['L2', 'REDEEM_TRUST'],
    ['L3', 'REDEEM_LIMIT_CUSTOMER'],
  ] as const)('%s redeems 60 points: %s', async (trust, refusal) => {
    const shop = await offline();
    await expect(pay(shop, 60, trust)).rejects.toEqual(code(refusal));
  });

  test('an allowance that is over, or none, lets nothing be redeemed', async () => {
    const shop = await offline();
    await shop.clock.advance(24 * HOUR - 1);
    await pay(shop, 10);
    await shop.clock.advance(1);
    await expect(pay(shop, 10)).rejects.toEqual(code('REDEEM_OFFLINE'));
    shop.journal.allowances.replace(null);
    await expect(pay(shop, 10)).rejects.toEqual(code('REDEEM_OFFLINE'));
  });

  test('a clock that is set back does not make an allowance live longer, nor does a restart', async () => {
    const shop = await offline();
    shop.time.told(shop.clock.now());
    await shop.clock.advance(23 * HOUR);
    shop.time.tick();
    await pay(shop, 10);
    shop.clock.setWallClock(shop.clock.now() - HOUR);
    await expect(pay(shop, 10)).rejects.toEqual(code('REDEEM_OFFLINE'));
    await shop.restart();
    await expect(pay(shop, 10)).rejects.toEqual(code('REDEEM_OFFLINE'));
    shop.clock.setWallClock(shop.clock.now() + HOUR);
    await shop.restart();
    await pay(shop, 10);
  });
});

describe('a return', () => {
  const returnsOf = ({ journal, clock }: Shop): Returns =>
    new Returns({
      journal,
      store: journal.openSales,
      storeId: 'store-1',
      clock,
      random: new SeededRandom(5),
    });

  test('is in the journal once, of a sale of this till or another', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    shop.sales.complete(saleId);
    const returns = returnsOf(shop);
    const returnId = newId(shop.clock);
    const wish = { returnId, saleId, lines: [{ lineId: '1', quantityMilli: 1_000 }] };
    expect(returns.take(wish)).toMatchObject({ status: 'accepted', known: true });
    expect(returns.take(wish)).toMatchObject({ returnId, known: true });
    expect(returns.take({ ...wish, returnId: undefined, saleId: newId(shop.clock) }).known).toBe(false);
    expect(shop.entries().filter(({ kind }) => kind === 'sale.returned')).toHaveLength(2);
  });

  test('with an id that was used for other goods is refused, and changes nothing', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    shop.sales.complete(saleId);
    const returns = returnsOf(shop);
    const lines = [
      { lineId: '1', quantityMilli: 400 },
      { lineId: '2', quantityMilli: 300 },
    ];
    const wish = { returnId: newId(shop.clock), saleId, lines };
    const first = returns.take(wish);
    await shop.restart();
    const again = returnsOf(shop);
    expect(again.take({ ...wish, lines: lines.toReversed() })).toEqual(first);
    for (const other of [
      { ...wish, lines: lines.slice(0, 1) },
      { ...wish, lines: [...lines, { lineId: '1', quantityMilli: 1 }] },
      { ...wish, lines: lines.map((line) => ({ ...line, quantityMilli: 300 })) },
      { ...wish, saleId: newId(shop.clock) },
    ]) {
      expect(() => again.take(other)).toThrow(code('RETURN_CONFLICT'));
    }
    expect(shop.entries()).toHaveLength(2);
  });

  test('says what it takes back, part by part to the last point, and the same when it is repeated', async () => {
    const shop = await Shop.open();
    const { saleId } = shop.sales.open({ saleId: newId(shop.clock) });
    shop.sales.present(identified(shop.clock));
    const line = { article: 'a', quantityMilli: 3_000 };
    shop.sales.putBasket(saleId, {
      currency: 'EUR',
      lines: [
        { id: 'a', ...line, totalMinor: 700 },
        { id: 'b', ...line, quantityMilli: 1_000, article: 'b', totalMinor: 400 },
      ],
      totalMinor: 1_100,
    });
    const { total } = shop.sales.complete(saleId).points;
    const returns = returnsOf(shop);
    const take = (returnId: string, lineId: string) =>
      returns.take({ returnId, saleId, lines: [{ lineId, quantityMilli: 1_000 }] });
    const ids = [newId(shop.clock), newId(shop.clock), newId(shop.clock)] as const;
    const first = take(ids[0], 'a');
    const back = [first, take(ids[1], 'b'), take(ids[2], 'a')].map(({ reversed }) => reversed ?? 0);
    expect(take(ids[0], 'a')).toEqual(first);
    expect(back.every((points) => points > 0)).toBe(true);
    expect(shop.entries().flatMap((each) => (each.kind === 'sale.returned' ? each.reversed : []))).toEqual(
      back,
    );
    const undone = shop.sales.void(saleId);
    expect(undone.reversed).toBe(total - back.reduce((sum, points) => sum + points, 0));
    await shop.restart();
    expect(shop.sales.void(saleId)).toMatchObject({ status: 'voided', reversed: undone.reversed });
  });

  test('of a sale this till does not know, or that nobody has yet, says why it cannot say', async () => {
    const shop = await Shop.open();
    const returns = returnsOf(shop);
    const lines = [{ lineId: '1', quantityMilli: 1_000 }];
    expect(returns.take({ saleId: newId(shop.clock), lines })).toMatchObject({
      reversed: null,
      reversedUnknown: 'not-here',
    });
    const { saleId } = shop.sales.open({ saleId: newId(shop.clock) });
    shop.sales.putBasket(saleId, basketOf(100));
    shop.sales.complete(saleId);
    expect(returns.take({ saleId, lines })).toMatchObject({ reversed: null, reversedUnknown: 'no-customer' });
    expect(shop.sales.void(saleId)).toMatchObject({ reversed: null, reversedUnknown: 'no-customer' });
    const open = shop.sale();
    expect(shop.sales.void(open)).not.toHaveProperty('reversed');
  });

  test('of what came back here before is refused', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    shop.sales.complete(saleId);
    const returns = returnsOf(shop);
    const lines = [{ lineId: '1', quantityMilli: 600 }];
    returns.take({ saleId, lines });
    expect(() => returns.take({ saleId, lines })).toThrow(code('RETURN_TOO_MUCH'));
  });

  test('of more than was bought, of no line of the sale, or of a voided sale is refused', async () => {
    const shop = await Shop.open();
    const saleId = shop.sale();
    shop.sales.complete(saleId);
    const returns = returnsOf(shop);
    const take = (lineId: string, quantityMilli: number) => () =>
      returns.take({ saleId, lines: [{ lineId, quantityMilli }] });
    expect(take('1', 1_001)).toThrow(code('RETURN_TOO_MUCH'));
    expect(take('9', 1)).toThrow(code('RETURN_LINE_UNKNOWN'));
    shop.sales.void(saleId);
    expect(take('1', 1)).toThrow(code('SALE_CLOSED'));
    expect(shop.entries()).toHaveLength(2);
  });
});
