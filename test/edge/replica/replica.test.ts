// Goal: a replica becomes what the server is, says so only when it is, and stays so.
// Method: real RxDB on a real encrypted file, fed by a server's feed in memory.
import { describe, expect, test } from 'vitest';
import { StammkundeError } from '../../../foundation/errors.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { cardIndex, credential, customer, customerId, offer, programme, shopServer } from './feed-server.ts';
import { eventually, expectSame, openReplica } from './replica-fixture.ts';

describe('an empty replica', () => {
  test('takes 2,500 customers in large pages, and says when it had asked for the last of them', async () => {
    const server = shopServer(2_500);
    const clock = new ManualClock();
    const askedAt = clock.now();
    let answered = 0;
    server.beforeAnswer = async (ask) => {
      // The server takes its time: what it says is as of the asking, not of the answer.
      if (ask.collection === 'programme') await clock.advance(60_000);
      answered += 1;
    };
    const { replica, reader, file } = await openReplica({ clock });
    expect(replica.note.caughtUpAt).toBeNull();
    replica.follow(server);
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    expectSame(reader, server);
    expect(reader.count('customers')).toBe(2_500);
    expect(server.asks('customers').map(({ limit }) => limit)).toEqual([1_000, 1_000, 1_000]);
    expect(answered).toBe(8);
    expect(replica.note.caughtUpAt).toBe(askedAt);

    await replica.close();
    const again = await openReplica({ file });
    expectSame(again.reader, server);
    expect(again.replica.note.caughtUpAt).toBe(askedAt);
    expect(again.replica.note.positions.customers).toEqual(server.head('customers'));
  });

  test('asks for small pages when another replica serves meanwhile', async () => {
    const server = shopServer(450);
    const { replica } = await openReplica({ loading: 'gently' });
    replica.follow(server);
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    expect(server.asks('customers').map(({ limit }) => limit)).toEqual([200, 200, 200]);
  });

  test('is caught up with a server that has nothing', async () => {
    const server = shopServer(0);
    server.remove('offers', offer.id);
    const { replica, reader } = await openReplica();
    replica.follow(server);
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    expect(reader.offers()).toEqual([]);
  });

  test('is not caught up before the last collection is', async () => {
    const server = shopServer(10);
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    server.beforeAnswer = (ask) => (ask.collection === 'offers' ? held : undefined);
    const { replica, caughtUp } = await openReplica();
    replica.follow(server);
    await eventually(() => expect(caughtUp).toHaveLength(3));
    expect(replica.note.caughtUpAt).toBeNull();
    letGo();
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
  });
});

describe('a replica that has caught up', () => {
  async function caughtUp(customers: number) {
    const server = shopServer(customers);
    const opened = await openReplica();
    opened.replica.follow(server);
    await eventually(() => expect(opened.replica.note.caughtUpAt).not.toBeNull());
    server.asked.length = 0;
    return { server, ...opened };
  }

  test('takes changes and deletions with a resync, in small pages', async () => {
    const { server, replica, reader } = await caughtUp(1_000);
    for (let n = 0; n < 500; n += 1) server.put('customers', customer(n, { points: -1 - n, tier: 'gold' }));
    server.remove('customers', customerId(700));
    server.remove('credentials', cardIndex(700));
    server.put('credentials', credential(5_000));
    server.put('offers', { ...offer, id: 'winter' });
    server.put('programme', { ...programme, version: 2 });
    replica.resync();
    await eventually(() => expectSame(reader, server));
    expect(reader.customer(customerId(700))).toBeUndefined();
    expect(reader.count('customers')).toBe(999);
    expect(reader.programme()?.version).toBe(2);
    expect(new Set(server.asked.map(({ limit }) => limit))).toEqual(new Set([200]));
  });

  test('asks only for the collections it is told of', async () => {
    const { server, replica, reader } = await caughtUp(3);
    server.put('customers', customer(4));
    replica.resync(['customers']);
    await eventually(() => expectSame(reader, server));
    expect(server.asked.map(({ collection }) => collection)).toEqual(['customers']);
  });

  test('asks again when a notice comes while the last page is on its way', async () => {
    const { server, replica, reader } = await caughtUp(3);
    let during: (() => void) | undefined = () => {
      // The answer was made before this change, and the notice of it comes before the answer.
      replica.resync(['customers']);
    };
    const pull = server.pull.bind(server);
    server.pull = async (...ask) => {
      const page = await pull(...ask);
      if (during !== undefined) {
        server.put('customers', customer(77));
        during();
        during = undefined;
      }
      return page;
    };
    server.put('customers', customer(4));
    replica.resync(['customers']);
    await eventually(() => expect(reader.customer(customerId(77))).toBeDefined());
    expectSame(reader, server);
  });

  test('turns any number of notices during one pull into one more', async () => {
    const { server, replica } = await caughtUp(3);
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    server.beforeAnswer = () => held;
    for (let i = 0; i < 1_000; i += 1) replica.resync(['customers']);
    await eventually(() => expect(server.asked).toHaveLength(1));
    for (let i = 0; i < 1_000; i += 1) replica.resync(['customers']);
    letGo();
    await eventually(() => expect(server.asked).toHaveLength(2));
    await settle();
    expect(server.asked).toHaveLength(2);
  });

  test('holds nothing of a deleted customer but the id', async () => {
    const { server, replica, reader, file } = await caughtUp(2);
    server.put('customers', customer(1, { greeting: 'Wilhelmine', purposes: ['greeting'] }));
    replica.resync();
    await eventually(() => expectSame(reader, server));
    server.remove('customers', customerId(1));
    replica.resync();
    await eventually(() => expectSame(reader, server));
    expect(reader.customer(customerId(1))).toBeUndefined();
    await replica.close();
    const again = await openReplica({ file });
    expect(again.reader.customer(customerId(1))).toBeUndefined();
    expect(again.reader.count('customers')).toBe(1);
  });
});

describe('a server in trouble', () => {
  test('is asked again ever more slowly, and at once on a notice', async () => {
    const server = shopServer(5);
    const clock = new ManualClock();
    let failures = 0;
    server.beforeAnswer = ({ collection }) => {
      if (collection === 'customers' && failures < 6) {
        failures += 1;
        throw new StammkundeError('BUS_TIMEOUT', 'no answer');
      }
    };
    const { replica, reader, log } = await openReplica({ clock });
    replica.follow(server);
    const waits: number[] = [];
    for (let n = 1; n <= 5; n += 1) {
      await eventually(() => expect(log.count('replica.pull.offline')).toBe(n));
      await settle();
      const before = clock.monotonicMs();
      while (log.count('replica.pull.offline') === n) await clock.advance(50);
      waits.push(clock.monotonicMs() - before);
    }
    for (const [n, wait] of waits.entries()) {
      const bound = 500 * 2 ** n;
      expect(wait).toBeGreaterThanOrEqual(bound / 2);
      expect(wait).toBeLessThanOrEqual(bound + 50);
    }
    expect(replica.note.caughtUpAt).toBeNull();
    // A wait of up to 16 s has begun.
    replica.resync(['customers']);
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    expectSame(reader, server);
  });

  test('is believed in nothing of a page with one malformed document, until it is mended', async () => {
    const server = shopServer(50);
    const clock = new ManualClock();
    const { replica, reader, log } = await openReplica({ clock });
    replica.follow(server);
    await eventually(() => expect(replica.note.caughtUpAt).not.toBeNull());
    const then = replica.note.caughtUpAt;
    for (let n = 0; n < 20; n += 1) server.put('customers', customer(n, { tier: 'gold' }));
    server.onTheWay = (change) => (change['id'] === customerId(13) ? { ...change, points: 'many' } : change);
    await clock.advance(1_000);
    replica.resync();
    await eventually(() => expect(log.count('replica.pull.failed')).toBeGreaterThan(0));
    await settle();
    expect(reader.customer(customerId(0))?.tier).toBe('basic');
    expect(reader.customer(customerId(19))?.tier).toBe('basic');
    expect(replica.note.caughtUpAt).toBe(then);
    server.onTheWay = (change) => change;
    replica.resync();
    await eventually(() => expectSame(reader, server));
    await eventually(() => expect(replica.note.caughtUpAt).toBe(clock.now()));
  });

  test('that promises more and sends nothing is not taken for one at its end', async () => {
    const server = shopServer(3);
    const pull = server.pull.bind(server);
    let lying = true;
    server.pull = async (...ask) => {
      const page = await pull(...ask);
      return lying && ask[0] === 'customers' ? { ...page, documents: [], more: true } : page;
    };
    const { replica, reader, log, caughtUp } = await openReplica();
    replica.follow(server);
    await eventually(() => expect(caughtUp).toHaveLength(3));
    await eventually(() => expect(log.count('replica.pull.failed')).toBeGreaterThan(0));
    expect(replica.note.caughtUpAt).toBeNull();
    lying = false;
    replica.resync();
    await eventually(() => expectSame(reader, server));
  });
});

describe('closing', () => {
  test('waits neither for an answer nor for a retry, and may be asked for twice', async () => {
    for (const beforeAnswer of [
      () => new Promise<void>(() => {}),
      () => {
        throw new StammkundeError('BUS_TIMEOUT', 'no answer');
      },
    ]) {
      const server = shopServer(3);
      server.beforeAnswer = beforeAnswer;
      const clock = new ManualClock();
      const { replica, file } = await openReplica({ clock });
      replica.follow(server);
      await eventually(() => expect(server.asked).toHaveLength(4));
      await settle();
      const closing = replica.close();
      expect(replica.close()).toBe(closing);
      await closing;
      const again = await openReplica({ file });
      expect(again.replica.note.caughtUpAt).toBeNull();
    }
  });
});
