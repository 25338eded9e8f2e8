// Goal: one storage error, wherever it falls, never leaves a hole nor a claim that is not true, and stops no lookup.
// Method: the nth statement of a pull fails; the keeper brings the replica back and it is compared with the server.
import { describe, expect, test } from 'vitest';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { cardIndex, credential, customer, customerId, shopServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper, openReplica, watchUnhandled } from './replica-fixture.ts';

function diskError(): Error {
  return Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_WRITE' });
}

/** Fails the nth statement after it was armed, once. */
class OneFault {
  readonly operations: string[] = [];
  #left = Infinity;

  arm(nth: number): void {
    this.#left = nth;
  }

  readonly beforeStatement = (operation: string): void => {
    this.#left -= 1;
    this.operations.push(operation);
    if (this.#left === 0) throw diskError();
  };
}

describe('a storage error while a replica loads', () => {
  test('is never followed by a claim, and leaves no rejection behind, wherever it falls', async () => {
    const unhandled = watchUnhandled();
    const counting = new OneFault();
    const healthy = await openReplica(counting);
    counting.operations.length = 0;
    const server = shopServer(15);
    healthy.replica.follow(server);
    await eventually(() => expect(healthy.replica.note.caughtUpAt).not.toBeNull());
    await healthy.replica.close();
    const statements = counting.operations.length;
    expect(statements).toBeGreaterThan(50);

    for (let nth = 1; nth <= statements; nth += 4) {
      const fault = new OneFault();
      const { replica, reader, file, poisoned, caughtUp } = await openReplica(fault);
      fault.arm(nth);
      replica.follow(server);
      await eventually(() => expect(poisoned).toHaveLength(1));
      await settle();
      // What was claimed before stays true; nothing is claimed afterwards.
      const claims = caughtUp.length;
      expect(reader.customer(customerId(999))).toBeUndefined();
      replica.resync();
      await settle();
      expect(caughtUp).toHaveLength(claims);
      await replica.close();

      const again = await openReplica({ file });
      if (again.replica.note.caughtUpAt !== null) expectSame(again.reader, server);
      again.replica.follow(server);
      await eventually(() => expect(again.caughtUp).toHaveLength(4));
      expectSame(again.reader, server);
      await again.replica.close();
    }
    expect(unhandled).toEqual([]);
  });

  test('ends the pulling: what comes after it could not be kept', async () => {
    const server = shopServer(2_000);
    server.beforeAnswer = settle;
    const { replica, poisoned } = await openReplica({
      loading: 'gently',
      beforeStatement: (operation) => {
        if (operation === 'insert customers') throw diskError();
      },
    });
    replica.follow(server);
    await eventually(() => expect(poisoned).toHaveLength(1));
    for (let i = 0; i < 20; i += 1) await settle();
    expect(server.asks('customers').length).toBeLessThanOrEqual(2);
  });
});

describe('a keeper whose replica fails', () => {
  test('brings it back by itself, and it becomes what the server is, wherever the error fell', async () => {
    const unhandled = watchUnhandled();
    for (const nth of [1, 2, 3, 5, 8, 13, 21, 34, 55]) {
      const server = shopServer(15);
      const fault = new OneFault();
      const { keeper, log } = await openKeeper({ beforeStatement: fault.beforeStatement });
      fault.arm(nth);
      keeper.follow(server);
      await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
      expectSame(keeper, server);
      await eventually(() => expect(log.count('replica.poisoned')).toBe(1));
      await keeper.close();
    }
    expect(unhandled).toEqual([]);
  });

  test('answers lookups all the while, from what was committed before', async () => {
    const server = shopServer(40);
    const clock = new ManualClock();
    let failing = false;
    const { keeper, log } = await openKeeper({
      clock,
      beforeStatement: (operation) => {
        if (failing && operation.startsWith('update')) throw diskError();
      },
    });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    await settle();
    failing = true;
    server.put('customers', customer(3, { tier: 'gold' }));
    keeper.resync();
    // The first return is at once; it fails again, and the next is waited for.
    await eventually(() => expect(log.count('replica.poisoned')).toBe(2));
    await settle();
    for (let n = 0; n < 3; n += 1) {
      expect(keeper.customer(customerId(3))?.tier).toBe('basic');
      expect(keeper.credential(cardIndex(3))).toEqual(credential(3));
      expect(keeper.count('customers')).toBe(40);
      await settle();
    }
    expect(log.count('replica.poisoned')).toBe(2);
    failing = false;
    await clock.advance(200);
    await eventually(() => expect(keeper.customer(customerId(3))?.tier).toBe('gold'));
    expectSame(keeper, server);
  });

  test('returns ever more slowly while the disk stays broken, and closes in the midst of it', async () => {
    const server = shopServer(5);
    const clock = new ManualClock();
    const { keeper, log } = await openKeeper({
      clock,
      beforeStatement: (operation) => {
        if (operation.startsWith('insert c')) throw diskError();
      },
    });
    keeper.follow(server);
    for (let poisonings = 1; poisonings < 6; poisonings += 1) {
      await eventually(() => expect(log.count('replica.poisoned')).toBe(poisonings));
      await settle();
      expect(log.count('replica.poisoned')).toBe(poisonings);
      await clock.advance(200 * 2 ** (poisonings - 1));
    }
    await eventually(() => expect(log.count('replica.poisoned')).toBe(6));
    expect(keeper.caughtUpAt).toBeNull();
    await keeper.close();
    await clock.advance(60_000);
    expect(log.count('replica.poisoned')).toBe(6);
  });
});
