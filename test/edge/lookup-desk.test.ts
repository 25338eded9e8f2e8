// Goal: a card that is not on the till holds up nobody, loses nothing, and becomes its customer if, and only if, the
// server says so in time and the customer is still there.
// Method: the real desk, sales and journal by a clock that stands still, and a server that answers when told to.
import { describe, expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../foundation/random.ts';
import { Phone } from '../../simulator/phone.ts';
import { settle } from '../support/manual-clock.ts';
import type { ManualClock } from '../support/manual-clock.ts';
import { basketOf, line } from '../sync/contract/offers.ts';
import { card, CUSTOMER_ID } from './identification/documents.ts';
import { indexOf, nobodys, numberOf, openCounter, owned, ownedPhone } from './lookup-counter.ts';

const counterOfTest = () => openCounter((end) => onTestFinished(end));
const CARD = numberOf(1);
const OTHER = numberOf(2);

describe('a card that is not on this till', () => {
  test('is told at once as being looked up, put into the sale, and the answer follows by itself', async () => {
    const { clock, told, sales, questions, scan, heard } = await counterOfTest();
    const { saleId } = sales.open({});
    told.length = 0;
    scan(CARD);
    await settle();
    expect(told.map(({ event }) => event)).toEqual(['scan', 'identified', 'sale']);
    const [identified] = heard('identified');
    expect(identified).toMatchObject({
      lookingUp: true,
      identification: { verdict: 'unreached' },
      may: ['earn-limited', 'earn'],
    });
    expect(sales.view(saleId).customer?.identification).toEqual({ verdict: 'unreached' });
    expect(questions.map(({ index }) => index)).toEqual([indexOf(CARD)]);
    await clock.advance(149);
    told.length = 0;
    questions[0]?.resolve(owned(CARD));
    await settle();
    expect(told.map(({ event }) => event)).toEqual(['looked-up', 'sale']);
    expect(heard('looked-up')[0]).toMatchObject({
      identificationId: identified?.identificationId,
      scanId: identified?.scanId,
      identification: { verdict: 'known', customer: { id: CUSTOMER_ID, greeting: 'Anna', points: 1_234 } },
      may: ['earn-limited', 'earn', 'redeem-limited'],
      currency: 'EUR',
      applied: true,
      tookMs: 149,
    });
  });

  test('is used for the sale exactly as one the till holds', async () => {
    const [far, near] = [await counterOfTest(), await counterOfTest()];
    near.held.set(indexOf(CARD), card({ index: indexOf(CARD) }));
    const sold = [];
    for (const counter of [far, near]) {
      const { saleId } = counter.sales.open({});
      counter.sales.putBasket(saleId, basketOf(line(2_000)));
      counter.scan(CARD);
      await settle();
      counter.questions[0]?.resolve(owned(CARD));
      await settle();
      const { customer, offers, points } = counter.sales.complete(saleId);
      sold.push({ verdict: customer?.identification.verdict, trust: customer?.trust, offers, points });
      expect(counter.journaled()).toEqual([
        { index: indexOf(CARD), kind: 'card', trust: 'L1', customerId: CUSTOMER_ID },
      ]);
    }
    expect(far.questions).toHaveLength(1);
    expect(near.questions).toHaveLength(0);
    expect(sold[0]).toEqual(sold[1]);
    expect(sold[0]?.points.bonus).toBe(100);
  });

  test('has the freshness of the answer, however old the replica is', async () => {
    const { state, sales, questions, scan } = await counterOfTest();
    state.caughtUpAt = null;
    const { saleId } = sales.open({});
    scan(CARD);
    await settle();
    questions[0]?.resolve(owned(CARD));
    await settle();
    const view = sales.view(saleId);
    expect(view.customer?.identification).toMatchObject({ customer: { greeting: 'Anna' } });
    expect(view.offers.find(({ offerId }) => offerId === 'personal')?.whyNot).toEqual([]);
  });

  test('that is found when no sale is open waits for the next as who it is', async () => {
    const { sales, questions, scan, heard } = await counterOfTest();
    scan(CARD);
    await settle();
    questions[0]?.resolve(owned(CARD));
    await settle();
    expect(heard('looked-up')[0]).toMatchObject({ applied: true });
    expect(sales.waiting()).toMatchObject({ identification: { verdict: 'known' } });
    expect(sales.open({}).customer?.identification).toMatchObject({ verdict: 'known' });
  });

  test('and is nobody’s is unknown, by the word of the server', async () => {
    const { sales, questions, scan, journaled, heard } = await counterOfTest();
    const { saleId } = sales.open({});
    scan(CARD);
    await settle();
    questions[0]?.resolve(nobodys);
    await settle();
    expect(heard('looked-up')[0]).toMatchObject({ identification: { verdict: 'unknown' } });
    expect(heard('looked-up')[0]).not.toHaveProperty('code');
    expect(sales.complete(saleId).customer?.identification).toEqual({ verdict: 'unknown' });
    expect(journaled()).toEqual([{ index: indexOf(CARD), kind: 'card', trust: 'L1', customerId: null }]);
  });

  test.each([
    ['blocked', owned(CARD, { status: 'blocked' })],
    ['expired', owned(CARD, { validUntil: 1 })],
  ])('and is %s is told as such, and its sale is nobody’s', async (verdict, answer) => {
    const { sales, questions, scan, journaled, heard } = await counterOfTest();
    const { saleId } = sales.open({});
    scan(CARD);
    await settle();
    questions[0]?.resolve(answer);
    await settle();
    expect(heard('looked-up')[0]).toMatchObject({ identification: { verdict }, may: [] });
    sales.complete(saleId);
    expect(journaled()).toEqual([null]);
  });
});

describe('a server that does not answer', () => {
  test('leaves the card unreached after 150 ms, and the sale is kept against it', async () => {
    const { clock, sales, questions, scan, heard, journaled } = await counterOfTest();
    const { saleId } = sales.open({});
    scan(CARD);
    await clock.advance(150);
    expect(heard('looked-up')).toMatchObject([
      { identification: { verdict: 'unreached' }, code: 'BUS_TIMEOUT', applied: true, tookMs: 150 },
    ]);
    await clock.advance(1);
    questions[0]?.resolve(owned(CARD));
    await settle();
    expect(heard('looked-up')).toHaveLength(1);
    expect(sales.complete(saleId).customer?.identification).toEqual({ verdict: 'unreached' });
    expect(journaled()).toEqual([{ index: indexOf(CARD), kind: 'card', trust: 'L1', customerId: null }]);
    expect(clock.pending).toBe(0);
  });

  test('because there is no connection is not waited for', async () => {
    const { clock, state, sales, questions, scan, heard, journaled } = await counterOfTest();
    state.online = false;
    const { saleId } = sales.open({});
    scan(CARD);
    await settle();
    const [identified] = heard('identified');
    expect(identified).toMatchObject({ identification: { verdict: 'unreached' } });
    expect(identified).not.toHaveProperty('lookingUp');
    expect(heard('looked-up')).toEqual([]);
    expect(questions).toEqual([]);
    expect(clock.pending).toBe(0);
    sales.complete(saleId);
    expect(journaled()).toEqual([{ index: indexOf(CARD), kind: 'card', trust: 'L1', customerId: null }]);
  });
});

describe('a late answer', () => {
  test('does not touch a sale that was completed meanwhile, whose entry keeps the card', async () => {
    const { sales, questions, scan, heard, journaled, told } = await counterOfTest();
    const { saleId } = sales.open({});
    scan(CARD);
    await settle();
    const completed = sales.complete(saleId);
    told.length = 0;
    questions[0]?.resolve(owned(CARD));
    await settle();
    expect(told.map(({ event }) => event)).toEqual(['looked-up']);
    expect(heard('looked-up')[0]).toMatchObject({ applied: false, identification: { verdict: 'known' } });
    expect(sales.view(saleId)).toEqual(completed);
    expect(journaled()).toEqual([{ index: indexOf(CARD), kind: 'card', trust: 'L1', customerId: null }]);
  });

  test('does not touch the sale of another customer who was scanned meanwhile', async () => {
    const { held, sales, questions, scan, heard } = await counterOfTest();
    const { saleId } = sales.open({});
    scan(CARD);
    await settle();
    held.set(indexOf(OTHER), card({ index: indexOf(OTHER) }));
    scan(OTHER);
    await settle();
    const before = sales.view(saleId);
    questions[0]?.resolve({ ...owned(CARD), customer: null, credential: card({ status: 'blocked' }) });
    await settle();
    expect(heard('looked-up')[0]).toMatchObject({ applied: false, identification: { verdict: 'blocked' } });
    expect(sales.view(saleId)).toEqual(before);
    expect(before.customer?.identification).toMatchObject({ verdict: 'known' });
  });

  test('does not touch the next sale, and can still be attached to it by its id', async () => {
    const { sales, questions, scan, heard } = await counterOfTest();
    const first = sales.open({});
    scan(CARD);
    await settle();
    sales.complete(first.saleId);
    const second = sales.open({});
    questions[0]?.resolve(owned(CARD));
    await settle();
    expect(sales.view(second.saleId).customer).toBeNull();
    const [identified] = heard('identified');
    const attached = sales.attach(second.saleId, identified?.identificationId ?? '');
    expect(attached.customer?.identification).toMatchObject({ verdict: 'known' });
  });
});

describe('the scans after it', () => {
  test('do not wait: each is told before any answer', async () => {
    const { held, scan, told, questions } = await counterOfTest();
    held.set(indexOf(OTHER), card({ index: indexOf(OTHER) }));
    scan(CARD);
    scan('4006381333931');
    scan(OTHER);
    await settle();
    expect(questions).toHaveLength(1);
    expect(told.map(({ event }) => event)).toEqual(['scan', 'identified', 'scan', 'scan', 'identified']);
  });

  test('are all told in a flood of cards nobody knows, with four questions at most, and nothing is lost', async () => {
    const { clock, lookup, sales, scan, heard, journaled, questions } = await counterOfTest();
    let most = 0;
    for (let serial = 10; serial < 60; serial += 1) {
      const { saleId } = sales.open({});
      scan(numberOf(serial));
      await settle();
      most = Math.max(most, lookup.asking);
      sales.complete(saleId);
    }
    expect(most).toBe(4);
    expect(heard('identified')).toHaveLength(50);
    await clock.advance(150);
    expect(heard('looked-up')).toHaveLength(50);
    expect(questions).toHaveLength(50);
    expect(journaled().map((each) => each?.index)).toEqual(
      Array.from({ length: 50 }, (_, i) => indexOf(numberOf(10 + i))),
    );
    expect(lookup.asking).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('of the same card need no second question for some minutes, until there is urgent news of it', async () => {
    const { clock, found, questions, scan, heard } = await counterOfTest();
    scan(CARD);
    await settle();
    questions[0]?.resolve(owned(CARD));
    await clock.advance(60_000);
    scan(CARD);
    await settle();
    expect(questions).toHaveLength(1);
    expect(heard('identified')[1]).toMatchObject({
      identification: { verdict: 'known', customer: { greeting: 'Anna' } },
    });
    expect(heard('identified')[1]).not.toHaveProperty('lookingUp');
    found.heard({ credentials: [card({ index: indexOf(CARD), status: 'blocked' })], customers: [] });
    scan(CARD);
    await settle();
    expect(heard('identified')[2]).toMatchObject({ lookingUp: true });
    questions[1]?.resolve(owned(CARD, { status: 'blocked' }));
    await settle();
    expect(heard('looked-up').at(-1)).toMatchObject({ identification: { verdict: 'blocked' } });
  });
});

describe('when the replica’s word is the last', () => {
  test.each([
    ['holds all and has caught up just now', { scope: 'all', ageMs: 300_000 }, 'unknown', 0],
    ['holds all and is older than five minutes', { scope: 'all', ageMs: 300_001 }, 'unreached', 1],
    ['holds all and never caught up', { scope: 'all', ageMs: null }, 'unreached', 1],
    ['holds its store’s customers', { scope: 'store', ageMs: 0 }, 'unreached', 1],
  ] as const)('a replica that %s', async (_what, { scope, ageMs }, verdict, asked) => {
    const { clock, state, replica, questions, scan, heard } = await counterOfTest();
    const { replica: _scope, ...rules } = replica.programme ?? {};
    // The programme without what it says of the scope is one of before there were scopes.
    if (scope === 'all') replica.programme = rules as typeof replica.programme;
    state.caughtUpAt = ageMs === null ? null : clock.now() - ageMs;
    scan(CARD);
    await settle();
    expect(heard('identified')[0]).toMatchObject({ identification: { verdict } });
    expect(questions).toHaveLength(asked);
  });
});

describe('a typed number', () => {
  test('is answered with what the server says', async () => {
    const { desk, questions } = await counterOfTest();
    const typed = desk.takeTyped(CARD);
    await settle();
    questions[0]?.resolve(owned(CARD));
    const outcome = await typed;
    expect(outcome).toMatchObject({
      kind: 'identified',
      event: { trust: 'L0', identification: { verdict: 'known' } },
    });
    expect(outcome).not.toHaveProperty('event.lookingUp');
  });

  test('is answered after 150 ms when the server says nothing, and when the till closes', async () => {
    const { clock, desk, lookup } = await counterOfTest();
    const typed = desk.takeTyped(CARD);
    await clock.advance(150);
    expect(await typed).toMatchObject({ event: { identification: { verdict: 'unreached' } } });
    const interrupted = desk.takeTyped(OTHER);
    await settle();
    await lookup.close();
    expect(await interrupted).toMatchObject({ event: { identification: { verdict: 'unreached' } } });
  });
});

describe('a phone that is not on this till', () => {
  const phoneOf = (clock: ManualClock, seed = 5): Phone =>
    new Phone(Buffer.alloc(32, seed), { tenant: 'kaufhaus', clock, random: new SeededRandom(seed) });

  test('is verified with the key that comes with the answer, and confirmed after', async () => {
    const { clock, sales, questions, confirmations, scan, heard } = await counterOfTest();
    const phone = phoneOf(clock);
    const { saleId } = sales.open({});
    scan(phone.code('digits'), 'qr');
    await settle();
    expect(heard('identified')[0]).toMatchObject({ trust: 'L1', downgrade: 'key-unknown', lookingUp: true });
    questions[0]?.resolve(ownedPhone(phone.keyId, phone.publicKey));
    await settle();
    expect(heard('looked-up')[0]).toMatchObject({
      trust: 'L3',
      downgrade: null,
      identification: { verdict: 'known' },
    });
    expect(confirmations).toHaveLength(1);
    expect(heard('trust')).toMatchObject([{ trust: 'L4' }]);
    expect(sales.view(saleId).customer?.trust).toBe('L4');
  });

  test('and whose code somebody else made shows nobody', async () => {
    const { clock, sales, questions, scan, heard, journaled } = await counterOfTest();
    const phone = phoneOf(clock);
    const stranger = phoneOf(clock, 6);
    const { saleId } = sales.open({});
    scan(phone.code('digits'), 'qr');
    await settle();
    questions[0]?.resolve(ownedPhone(phone.keyId, stranger.publicKey));
    await settle();
    expect(heard('looked-up')[0]).toMatchObject({
      identification: { verdict: 'unreached' },
      code: 'APP_CODE_SIGNATURE',
    });
    expect(JSON.stringify(sales.view(saleId))).not.toContain('Anna');
    sales.complete(saleId);
    expect(journaled()[0]).toMatchObject({ kind: 'app', customerId: null });
  });
});

describe('a bank card that is not on this till', () => {
  const PAR = 'Q1HJZ28RKA1EBL470G9XYG90R5D3E';

  test('is offered to be linked once the server says that it is nobody’s, and not before', async () => {
    const { held, sales, questions, pairs, scan } = await counterOfTest();
    held.set(indexOf(CARD), card({ index: indexOf(CARD) }));
    sales.open({});
    scan(CARD);
    await settle();
    pairs.length = 0;
    scan(PAR, 'emv-par');
    await settle();
    expect(pairs).toEqual([]);
    questions[0]?.resolve(nobodys);
    await settle();
    expect(pairs).toMatchObject([
      [{ as: { verdict: 'known' } }, { kind: 'bankcard', as: { verdict: 'unknown' } }],
    ]);
  });

  test('does not take the place of a loyalty card that nobody could be asked about', async () => {
    const { state, sales, scan, heard } = await counterOfTest();
    state.online = false;
    const { saleId } = sales.open({});
    scan(CARD);
    scan(PAR, 'emv-par');
    await settle();
    const [own, bank] = heard('identified');
    expect(bank).toMatchObject({ keeps: own?.identificationId });
    expect(sales.view(saleId).customer?.identificationId).toBe(own?.identificationId);
  });
});

test('a disk that is full when the answer comes leaves the sale with the card, and the next scan is taken', async () => {
  const { state, sales, questions, scan, heard, logged, journaled } = await counterOfTest();
  const { saleId } = sales.open({});
  scan(CARD);
  await settle();
  state.diskFull = true;
  questions[0]?.resolve(owned(CARD));
  await settle();
  expect(sales.view(saleId).customer?.identification).toEqual({ verdict: 'unreached' });
  expect(logged).toMatchObject([{ event: 'lookup.not-applied', error: { code: 'DATA_DISK_FULL' } }]);
  sales.complete(saleId);
  expect(journaled()).toMatchObject([{ index: indexOf(CARD), customerId: null }]);
  scan('4006381333931');
  await settle();
  expect(heard('scan')).toHaveLength(2);
});

describe('a card of a till that has not caught up', () => {
  const atCounter = async () => {
    const counter = await counterOfTest();
    counter.state.caughtUpAt = null;
    counter.held.set(indexOf(CARD), card({ index: indexOf(CARD) }));
    const { saleId } = counter.sales.open({});
    counter.scan(CARD);
    await settle();
    return { ...counter, saleId };
  };

  test('is known at once, is looked up, and redeems nothing before the answer', async () => {
    const { heard, questions } = await atCounter();
    expect(heard('identified')).toMatchObject([
      { lookingUp: true, identification: { verdict: 'known' }, may: ['earn-limited', 'earn'] },
    ]);
    questions[0]?.resolve(owned(CARD));
    await settle();
    expect(heard('looked-up')).toMatchObject([
      { identification: { verdict: 'known' }, may: ['earn-limited', 'earn', 'redeem-limited'] },
    ]);
  });

  test.each([
    ['blocked', owned(CARD, { status: 'blocked' })],
    ['unknown', nobodys],
  ])('is %s when the server says so, in the sale too', async (verdict, answer) => {
    const { heard, questions, sales, saleId } = await atCounter();
    questions[0]?.resolve(answer);
    await settle();
    expect(heard('looked-up')).toMatchObject([{ identification: { verdict } }]);
    expect(heard('looked-up')[0]?.may).not.toContain('redeem-limited');
    expect(sales.view(saleId).customer?.identification).toEqual({ verdict });
  });

  test('stays who it is, and earns, when the server does not answer', async () => {
    const { clock, heard, sales, saleId } = await atCounter();
    await clock.advance(150);
    expect(heard('looked-up')).toMatchObject([
      { identification: { verdict: 'known' }, may: ['earn-limited', 'earn'], code: 'BUS_TIMEOUT' },
    ]);
    expect(sales.view(saleId).customer?.identification).toMatchObject({ verdict: 'known' });
  });

  test('earns when there is nobody to ask, whatever it is trusted', async () => {
    const { clock, state, held, scan, heard } = await counterOfTest();
    const random = new SeededRandom(5);
    const phone = new Phone(Buffer.alloc(32, 5), { tenant: 'kaufhaus', clock, random });
    const index = ownedPhone(phone.keyId, phone.publicKey).credential?.index ?? '';
    Object.assign(state, { caughtUpAt: null, online: false });
    held.set(index, card({ index, kind: 'app', publicKey: phone.publicKey }));
    scan(phone.code('digits'), 'qr');
    await settle();
    expect(heard('identified')).toMatchObject([
      { identification: { verdict: 'known' }, may: ['earn-limited', 'earn'] },
    ]);
    expect(heard('identified')[0]).not.toHaveProperty('lookingUp');
  });

  test('needs no second question a moment later', async () => {
    const { heard, questions, scan } = await atCounter();
    questions[0]?.resolve(owned(CARD));
    await settle();
    scan(CARD);
    await settle();
    expect(questions).toHaveLength(1);
    expect(heard('identified')[1]?.may).toContain('redeem-limited');
  });
});
