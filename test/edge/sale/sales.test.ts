// Goal: every call may come twice, late or after a power cut, and the journal still holds each sale once.
// Method: real journal on a real file; a restart is a new Sales over a reopened file.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Journal } from '../../../edge/journal/journal.ts';
import type { Sales } from '../../../edge/sale/sales.ts';
import type { SaleView } from '../../../edge/api/events.ts';
import { SaleView as SaleViewSchema } from '../../../edge/api/events.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openJournal, temporaryFolder } from '../journal/journal-fixture.ts';
import { CUSTOMER_ID, basketOf, identified, newId, newSales, rules } from './sale-fixture.ts';

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

interface Shop {
  readonly folder: string;
  readonly clock: ManualClock;
  journal: Journal;
  sales: Sales;
  /** As after a power cut: nothing is left but the file. */
  restart(): Promise<void>;
}

async function openShop(
  options: { readonly unconfirmedMax?: number; readonly openMax?: number } = {},
): Promise<Shop> {
  const folder = temporaryFolder(onTestFinished);
  const clock = new ManualClock();
  let starts = 0;
  const open = (): Promise<Journal> =>
    openJournal(folder, {
      clock,
      random: new SeededRandom((starts += 1)),
      unconfirmedMax: options.unconfirmedMax ?? 1_000,
    });
  const settings = options.openMax === undefined ? {} : { openMax: options.openMax };
  const journal = await open();
  const shop: Shop = {
    folder,
    clock,
    journal,
    sales: newSales(journal, clock, settings),
    restart: async () => {
      await shop.journal.close();
      shop.journal = await open();
      shop.sales = newSales(shop.journal, clock, settings);
    },
  };
  onTestFinished(() => shop.journal.close());
  return shop;
}

const transactions = (journal: Journal): Transaction[] =>
  journal.read(0, 100).map((entry) => Transaction.parse(JSON.parse(entry.body)));

describe('a sale', () => {
  test('goes from its opening to the journal', async () => {
    const { sales, journal, clock } = await openShop();
    const told: SaleView[] = [];
    sales.onChange((sale) => told.push(sale));
    const saleId = newId(clock);
    expect(sales.open({ saleId })).toMatchObject({ saleId, status: 'open', customer: null, offers: [] });
    const card = identified(clock);
    sales.present(card);
    const view = sales.putBasket(saleId, basketOf(700, 350));
    expect(SaleViewSchema.parse(view)).toEqual(view);
    expect(view.points).toEqual({ base: 20, bonus: 50, total: 70 });
    expect(view.customer).toMatchObject({
      credential: 'card …4821',
      identification: { verdict: 'known', customer: { greeting: 'Ingeborg', tierName: { en: 'Gold' } } },
    });
    const completed = sales.complete(saleId);
    const [entry] = journal.read(0, 1);
    expect(completed).toMatchObject({
      status: 'completed',
      closedAt: clock.now(),
      points: { total: 70 },
      entry: { seq: 1, id: entry?.id, hash: entry?.hash },
    });
    expect(transactions(journal)).toEqual([
      {
        kind: 'sale.completed',
        saleId,
        storeId: 'store-1',
        at: clock.now(),
        basket: basketOf(700, 350),
        customer: { index: 'A'.repeat(43), kind: 'card', trust: 'L1', customerId: CUSTOMER_ID },
        earned: {
          programmeVersion: 3,
          base: 20,
          bonuses: [{ offerId: 'bonus-50', points: 50 }],
          parts: [46, 24],
        },
      },
    ]);
    expect(told.map((sale) => sale.status)).toEqual(['open', 'open', 'open', 'completed']);
    expect(sales.openViews()).toEqual([]);
  });

  test('without lines may be completed, and earns nothing', async () => {
    const { sales, clock } = await openShop();
    const { saleId } = sales.open({});
    sales.present(identified(clock));
    expect(sales.complete(saleId)).toMatchObject({ status: 'completed', points: { total: 0 } });
  });

  test('takes its currency from the call, the programme, or the configuration, in this order', async () => {
    const { sales, journal, clock } = await openShop();
    expect(sales.open({ currency: 'CHF' }).basket.currency).toBe('CHF');
    expect(sales.open({}).basket.currency).toBe('EUR');
    const bare = newSales(journal, clock, {
      rules: () => ({ ...rules, programme: undefined }),
      currency: 'SEK',
      random: new SeededRandom(77),
    });
    expect(bare.open({}).basket.currency).toBe('SEK');
  });
});

describe('repetition', () => {
  test('opening again finds the sale open; with another currency it is a conflict', async () => {
    const { sales, clock } = await openShop();
    const saleId = newId(clock);
    const first = sales.open({ saleId, currency: 'EUR' });
    await clock.advance(5_000);
    expect(sales.open({ saleId, currency: 'EUR' })).toEqual(first);
    expect(sales.open({ saleId })).toEqual(first);
    expect(() => sales.open({ saleId, currency: 'CHF' })).toThrow(code('SALE_CONFLICT'));
    expect(sales.openViews()).toHaveLength(1);
  });

  test('the same basket put again changes nothing and is not told again', async () => {
    const { sales } = await openShop();
    const { saleId } = sales.open({});
    const first = sales.putBasket(saleId, basketOf(100));
    let told = 0;
    sales.onChange(() => (told += 1));
    expect(sales.putBasket(saleId, basketOf(100))).toEqual(first);
    expect(told).toBe(0);
    sales.putBasket(saleId, basketOf(100, 200));
    expect([told, sales.view(saleId).basket.totalMinor]).toEqual([1, 300]);
  });

  test('completing again answers the same, also after a restart and when the rules have changed', async () => {
    const shop = await openShop();
    const { saleId } = shop.sales.open({});
    shop.sales.present(identified(shop.clock));
    shop.sales.putBasket(saleId, basketOf(1_000));
    const first = shop.sales.complete(saleId);
    await shop.clock.advance(60_000);
    expect(shop.sales.complete(saleId)).toEqual(first);
    expect(shop.sales.view(saleId)).toEqual(first);
    await shop.restart();
    expect(shop.sales.complete(saleId)).toEqual(first);
    expect(
      newSales(shop.journal, shop.clock, { rules: () => ({ ...rules, offers: [] }) }).view(saleId),
    ).toEqual(first);
    expect(shop.journal.lastSeq).toBe(1);
  });

  test('voiding a completed sale reverses it once, also after a restart', async () => {
    const shop = await openShop();
    const { saleId } = shop.sales.open({});
    shop.sales.putBasket(saleId, basketOf(500));
    const completed = shop.sales.complete(saleId);
    const voided = shop.sales.void(saleId);
    expect(voided).toMatchObject({
      status: 'voided',
      basket: basketOf(500),
      points: { total: 0 },
      entry: { seq: 2 },
    });
    await shop.restart();
    expect(shop.sales.void(saleId)).toEqual(voided);
    expect(transactions(shop.journal)[1]).toMatchObject({
      kind: 'sale.voided',
      completed: completed.entry?.id,
    });
    expect(shop.journal.lastSeq).toBe(2);
    expect(() => shop.sales.complete(saleId)).toThrow(code('SALE_CLOSED'));
  });

  test('voiding an open sale names no completed entry', async () => {
    const shop = await openShop();
    const { saleId } = shop.sales.open({});
    shop.sales.putBasket(saleId, basketOf(500));
    const voided = shop.sales.void(saleId);
    expect(shop.sales.void(saleId)).toEqual(voided);
    await shop.restart();
    expect(shop.sales.view(saleId)).toEqual(voided);
    expect(transactions(shop.journal)).toEqual([
      expect.objectContaining({ kind: 'sale.voided', completed: null }),
    ]);
  });
});

describe('a closed sale', () => {
  test('does not change and is not opened again', async () => {
    const { sales, clock, journal } = await openShop();
    const { saleId } = sales.open({});
    sales.complete(saleId);
    const card = identified(clock);
    sales.present(card);
    for (const change of [
      () => sales.open({ saleId }),
      () => sales.putBasket(saleId, basketOf(1)),
      () => sales.attach(saleId, card.identificationId),
      () => sales.detach(saleId),
    ]) {
      expect(change).toThrow(code('SALE_CLOSED'));
    }
    expect(journal.lastSeq).toBe(1);
  });

  test('is told and kept without the masked number and the first name', async () => {
    const { sales, clock } = await openShop();
    const { saleId } = sales.open({});
    sales.present(identified(clock));
    const text = JSON.stringify(sales.complete(saleId));
    expect(text).toContain(CUSTOMER_ID);
    expect([text.includes('4821'), text.includes('Ingeborg')]).toEqual([false, false]);
  });
});

describe('refusals', () => {
  test('a sale nobody opened is not there', async () => {
    const { sales, clock } = await openShop();
    const absent = newId(clock);
    for (const call of [
      () => sales.view(absent),
      () => sales.putBasket(absent, basketOf(1)),
      () => sales.complete(absent),
      () => sales.void(absent),
      () => sales.attach(absent, absent),
      () => sales.detach(absent),
    ]) {
      expect(call).toThrow(code('SALE_NOT_FOUND'));
    }
  });

  test.for([
    ['a wrong sum', { ...basketOf(100, 200), totalMinor: 301 }, 'SALE_TOTAL'],
    [
      'one line id twice',
      { ...basketOf(100, 200), lines: basketOf(100, 200).lines.map((line) => ({ ...line, id: '1' })) },
      'SALE_TOTAL',
    ],
    ['another currency', { ...basketOf(100), currency: 'CHF' }, 'SALE_TOTAL'],
    [
      'a card number as article',
      { ...basketOf(100), lines: [{ ...basketOf(100).lines[0], article: '4111111111111111' }] },
      'PAN_REJECTED',
    ],
    [
      'a grouped card number as category',
      { ...basketOf(100), lines: [{ ...basketOf(100).lines[0], category: '5555 5555 5555 4444' }] },
      'PAN_REJECTED',
    ],
    [
      'a card number as line id',
      { ...basketOf(100), lines: [{ ...basketOf(100).lines[0], id: '378282246310005' }] },
      'PAN_REJECTED',
    ],
  ] as const)('a basket with %s is refused and the one before stays', async ([, basket, expected]) => {
    const { sales } = await openShop();
    const { saleId } = sales.open({});
    const before = sales.putBasket(saleId, basketOf(42));
    // The table's rows are baskets but for the undefined that indexing brings.
    expect(() => sales.putBasket(saleId, basket as ReturnType<typeof basketOf>)).toThrow(code(expected));
    expect(sales.view(saleId)).toEqual(before);
  });

  test('a basket too long for a journal entry is refused before it is taken', async () => {
    const { sales } = await openShop();
    const { saleId } = sales.open({});
    const basket = basketOf(...Array.from({ length: 2_000 }, () => 1));
    const long = {
      ...basket,
      lines: basket.lines.map((line) => ({
        ...line,
        article: '\u0001'.repeat(64),
        category: '\u0001'.repeat(64),
      })),
    };
    expect(() => sales.putBasket(saleId, long)).toThrow(code('API_TOO_LARGE'));
    sales.putBasket(saleId, basket);
    expect(sales.complete(saleId).basket.lines).toHaveLength(2_000);
  });

  test('beyond the limit of open sales none is opened, until one is closed', async () => {
    const { sales } = await openShop({ openMax: 2 });
    const first = sales.open({});
    sales.open({});
    expect(() => sales.open({})).toThrow(code('SALE_LIMIT'));
    sales.void(first.saleId);
    expect(sales.open({}).status).toBe('open');
  });

  test('a full journal leaves the sale open', async () => {
    const { sales, journal, clock } = await openShop({ unconfirmedMax: 1 });
    sales.complete(sales.open({}).saleId);
    const { saleId } = sales.open({});
    expect(() => sales.complete(saleId)).toThrow(code('JRN_FULL'));
    expect(() => sales.void(saleId)).toThrow(code('JRN_FULL'));
    expect(sales.view(saleId).status).toBe('open');
    journal.confirm(1, clock.now());
    expect(sales.complete(saleId).entry?.seq).toBe(2);
  });
});

describe('identification', () => {
  test('with sales open it goes to the one opened last', async () => {
    const { sales, clock } = await openShop();
    const first = sales.open({});
    const second = sales.open({});
    expect(sales.present(identified(clock))?.saleId).toBe(second.saleId);
    expect(sales.view(first.saleId).customer).toBeNull();
    expect(sales.current()?.saleId).toBe(second.saleId);
  });

  test('with none open it waits for the next sale, once, and not for ever', async () => {
    const { sales, clock } = await openShop();
    expect(sales.present(identified(clock))).toBeUndefined();
    await clock.advance(120_000);
    const first = sales.open({});
    expect(first.customer?.kind).toBe('card');
    sales.complete(first.saleId);
    expect(sales.open({}).customer).toBeNull();
    sales.openViews().forEach((sale) => sales.void(sale.saleId));
    sales.present(identified(clock));
    await clock.advance(120_001);
    expect(sales.open({}).customer).toBeNull();
  });

  test('a wall clock set back or forth does not change how long it waits', async () => {
    const { sales, clock } = await openShop();
    sales.present(identified(clock));
    clock.setWallClock(clock.now() + 86_400_000);
    expect(sales.open({}).customer).not.toBeNull();
  });

  test('a later one replaces an earlier one', async () => {
    const { sales, clock } = await openShop();
    const { saleId } = sales.open({});
    sales.present(identified(clock));
    sales.present(identified(clock, { verdict: 'unknown' }, 'B'));
    expect(sales.view(saleId).customer?.identification).toEqual({ verdict: 'unknown' });
  });

  test('an unknown card is kept by its index and earns what the till can tell', async () => {
    const { sales, clock, journal } = await openShop();
    const { saleId } = sales.open({});
    sales.present(identified(clock, { verdict: 'unknown' }, 'B'));
    sales.putBasket(saleId, basketOf(1_000));
    expect(sales.complete(saleId).points).toEqual({ base: 10, bonus: 50, total: 60 });
    expect(transactions(journal)[0]).toMatchObject({ customer: { index: 'B'.repeat(43), customerId: null } });
  });

  test.for([{ verdict: 'blocked' } as const, { verdict: 'expired', since: 5 } as const])(
    'a card that is $verdict earns nothing and leaves no trace in the entry',
    async (as) => {
      const { sales, clock, journal } = await openShop();
      const { saleId } = sales.open({});
      sales.present(identified(clock, as));
      expect(sales.putBasket(saleId, basketOf(5_000))).toMatchObject({
        customer: { identification: as },
        offers: [],
        points: { total: 0 },
      });
      sales.complete(saleId);
      expect(transactions(journal)[0]).toMatchObject({ customer: null, earned: { base: 0, bonuses: [] } });
    },
  );

  test('can be attached by its id to another sale, detached, and is forgotten after half an hour', async () => {
    const { sales, clock } = await openShop();
    const first = sales.open({});
    sales.open({});
    const card = identified(clock);
    sales.present(card);
    const attached = sales.attach(first.saleId, card.identificationId);
    expect(attached.customer?.identificationId).toBe(card.identificationId);
    expect(sales.attach(first.saleId, card.identificationId)).toEqual(attached);
    expect(sales.detach(first.saleId).customer).toBeNull();
    expect(sales.detach(first.saleId).customer).toBeNull();
    expect(() => sales.attach(first.saleId, newId(clock))).toThrow(code('API_NOT_FOUND'));
    await clock.advance(30 * 60_000 + 1);
    expect(() => sales.attach(first.saleId, card.identificationId)).toThrow(code('API_NOT_FOUND'));
  });
});

describe('a restart in the middle', () => {
  test('finds every open sale as it was, but for the name and the digits it never stored', async () => {
    const shop = await openShop();
    const first = shop.sales.open({});
    shop.sales.present(identified(shop.clock));
    const before = shop.sales.putBasket(first.saleId, basketOf(700, 350));
    const second = shop.sales.open({ currency: 'CHF' });
    await shop.restart();
    expect(shop.sales.openViews().map((sale) => sale.saleId)).toEqual([first.saleId, second.saleId]);
    const after = shop.sales.view(first.saleId);
    expect(after).toMatchObject({ basket: before.basket, points: before.points, offers: before.offers });
    expect(after.customer).toMatchObject({
      credential: 'card',
      identification: { verdict: 'known', customer: { id: CUSTOMER_ID, tier: 'gold', greeting: null } },
    });
    expect(shop.sales.complete(first.saleId).entry?.seq).toBe(1);
    expect(transactions(shop.journal)[0]).toMatchObject({
      customer: { customerId: CUSTOMER_ID },
      earned: { base: 20 },
    });
    expect(shop.sales.present(identified(shop.clock))?.saleId).toBe(second.saleId);
  });

  test('a sale’s rows hold neither the masked number nor the first name', async () => {
    const shop = await openShop();
    const { saleId } = shop.sales.open({});
    shop.sales.present(identified(shop.clock));
    const stored = JSON.stringify(shop.journal.openSales.all());
    expect([stored.includes(saleId), stored.includes('4821'), stored.includes('Ingeborg')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(readFileSync(join(shop.folder, 'journal.db')).includes('Ingeborg')).toBe(false);
  });
});

describe('a full disk', () => {
  test('leaves the sale open and takes nothing, and all works again when there is space', async () => {
    const { sales, journal, clock } = await openShop();
    const { saleId } = sales.open({});
    const before = sales.putBasket(saleId, basketOf(1_000));
    const told: SaleView[] = [];
    sales.onChange((sale) => told.push(sale));
    journal.limitSize(0);
    const large = basketOf(...Array.from({ length: 1_500 }, () => 1));
    expect(() => sales.putBasket(saleId, large)).toThrow(code('DATA_DISK_FULL'));
    expect(() => {
      for (let i = 0; i < 50; i += 1) sales.open({ saleId: newId(clock) });
    }).toThrow(code('DATA_DISK_FULL'));
    const openBefore = sales.openViews().length;
    expect([sales.view(saleId), journal.lastSeq]).toEqual([before, 0]);
    expect(told).toHaveLength(openBefore - 1);
    journal.limitSize(1e9);
    expect(sales.putBasket(saleId, large).basket.lines).toHaveLength(1_500);
    expect(sales.complete(saleId).entry?.seq).toBe(1);
    expect(journal.verify()).toBe(1);
  });
});
