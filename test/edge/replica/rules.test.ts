// Goal: the rules (programme and offers) a till goes by are those of its file, read when they changed and at no other time,
// and whatever is wrong with them, who customers are is still told.
// Method: a real replica whose writer works in this thread; the reading of the rules is counted, or made to fail.
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ProgrammerError, StammkundeError } from '../../../foundation/errors.ts';
import { ReplicaReader } from '../../../edge/replica/replica-reader.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { credential, cardIndex, customer, customerId, offer, programme, shopServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper } from './replica-fixture.ts';

function watchReading() {
  const reading = vi.spyOn(ReplicaReader.prototype, 'offers');
  onTestFinished(() => reading.mockRestore());
  return reading;
}

async function serving(options: Parameters<typeof openKeeper>[0] = {}) {
  const server = shopServer(5);
  const clock = new ManualClock();
  const opened = await openKeeper({ clock, ...options });
  opened.keeper.follow(server);
  await eventually(() => expect(opened.keeper.caughtUpAt).not.toBeNull());
  await opened.keeper.idle();
  // The replica that serves from now on has caught up with everything once, and was found to be the same.
  await clock.advance(1_000);
  opened.keeper.resync();
  await eventually(() => expect(opened.keeper.caughtUpAt).toBe(clock.now()));
  await clock.advance(1);
  await eventually(() => expect(opened.keeper.status.verifiedAt).not.toBeNull());
  return { server, clock, ...opened };
}

describe('the rules', () => {
  test('are read again when they changed, and at no poll that brings none of them', async () => {
    const { server, keeper, clock } = await serving();
    const reading = watchReading();
    for (let n = 1; n <= 3; n += 1) {
      await clock.advance(1_000);
      server.put('customers', customer(1, { points: 100 * n }));
      keeper.resync();
      // Every collection was asked for and told of by then.
      await eventually(() => expect(keeper.caughtUpAt).toBe(clock.now()));
      expect(keeper.customer(customerId(1))?.points).toBe(100 * n);
    }
    expect(reading).not.toHaveBeenCalled();
    server.put('offers', { ...offer, id: 'winter' });
    server.put('programme', { ...programme, version: 2 });
    keeper.resync();
    await eventually(() => expectSame(keeper, server));
    expect(reading.mock.calls.length).toBeLessThanOrEqual(2);
  });

  test('that were stored by a replica which failed before it told are read when the next has caught up', async () => {
    let failing = false;
    const { server, keeper, log } = await serving({
      beforeStatement: (operation) => {
        // The offer is stored by then; that it is complete is not noted.
        if (failing && operation === 'begin programme') {
          failing = false;
          throw new Error('disk I/O error');
        }
      },
    });
    failing = true;
    server.put('offers', { ...offer, id: 'winter' });
    keeper.resync(['offers']);
    await eventually(() => expect(log.count('replica.poisoned')).toBe(1));
    await eventually(() => expectSame(keeper, server));
  });

  test('that cannot be read leave those of before in force, and every customer known', async () => {
    const { server, keeper, log } = await serving();
    const before = keeper.offers;
    const reading = watchReading();
    reading.mockImplementation(() => {
      throw new ProgrammerError('offers holds more than 10000 documents');
    });
    server.put('offers', { ...offer, id: 'winter' });
    server.put('credentials', credential(3, { status: 'blocked' }));
    keeper.resync();
    await eventually(() => expect(log.count('replica.rules.unreadable')).toBeGreaterThan(0));
    await eventually(() => expect(keeper.credential(cardIndex(3))?.status).toBe('blocked'));
    expect(keeper.offers).toEqual(before);
    expect(keeper.programme).toEqual(programme);
    expect(keeper.customer(customerId(2))).toEqual(customer(2));
    expect(keeper.caughtUpAt).not.toBeNull();
    reading.mockRestore();
    // The next poll tries again, though it brings none of them.
    keeper.resync();
    await eventually(() => expectSame(keeper, server));
  });

  test('that are unreadable at the start keep no till from telling who customers are', async () => {
    const { server, keeper, folder } = await serving();
    await keeper.close();
    const reading = watchReading();
    reading.mockImplementation(() => {
      throw new ProgrammerError('offers holds more than 10000 documents');
    });
    const next = await openKeeper({ folder });
    expect(next.log.count('replica.rules.unreadable')).toBeGreaterThan(0);
    expect(next.keeper.offers).toEqual([]);
    expect(next.keeper.customer(customerId(2))).toEqual(customer(2));
    expect(next.keeper.credential(cardIndex(2))).toEqual(credential(2));
    reading.mockRestore();
    next.keeper.follow(server);
    await eventually(() => expectSame(next.keeper, server));
  });

  test('on a damaged page are damage like any other', async () => {
    const { server, keeper, log } = await serving();
    const reading = watchReading();
    reading.mockImplementationOnce(() => {
      throw new StammkundeError('REP_CORRUPT', 'the page is damaged');
    });
    server.put('offers', { ...offer, id: 'winter' });
    keeper.resync();
    await eventually(() => expect(log.count('replica.damaged')).toBe(1));
    await eventually(() => expectSame(keeper, server));
  });
});
