// Goal: whatever happens to the writer's thread, lookups go on, the till goes on, and the replica becomes what the server is.
// Method: real threads on real files, ended, crashed and starved in the midst of their work.
import type { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { StammkundeError, isFault } from '../../../../foundation/errors.ts';
import { writerInThread } from '../../../../edge/replica/thread/thread-writer.ts';
import { fromThrown, toThrown } from '../../../../edge/replica/thread/thrown.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { cardIndex, credential, customer, customerId, shopServer } from '../feed-server.ts';
import { eventually, expectSame, openKeeper } from '../replica-fixture.ts';

async function serving(customers = 50) {
  const threads: Worker[] = [];
  const openWriter = writerInThread({ onThread: (thread) => threads.push(thread) });
  const server = shopServer(customers);
  const opened = await openKeeper({ openWriter });
  opened.keeper.follow(server);
  await eventually(() => expect(opened.keeper.caughtUpAt).not.toBeNull());
  return { server, threads, ...opened };
}

describe('a writer’s thread', () => {
  test('that is ended costs no lookup: it is told, started again, and follows on', async () => {
    const { server, threads, keeper, log } = await serving();
    await threads[0]?.terminate();
    expect(keeper.status.writer).toBe('lost');
    expect(log.lines.find(({ event }) => event === 'replica.writer.lost')).toMatchObject({
      error: { code: 'REP_WRITER_LOST' },
    });
    expectSame(keeper, server);
    expect(keeper.caughtUpAt).not.toBeNull();
    server.put('customers', customer(60));
    await eventually(() => expect(keeper.customer(customerId(60))).toBeDefined());
    expectSame(keeper, server);
    expect(keeper.status.writer).toBe('running');
    expect(threads).toHaveLength(2);
  });

  test('that is ended while it loads goes on where it was', async () => {
    const threads: Worker[] = [];
    const openWriter = writerInThread({ onThread: (thread) => threads.push(thread) });
    const server = shopServer(2_500);
    const { keeper } = await openKeeper({ openWriter });
    const held = Promise.withResolvers<void>();
    server.beforeAnswer = ({ after, collection }) =>
      collection === 'customers' && Number(after?.xid ?? 0) > 3_500 ? held.promise : undefined;
    keeper.follow(server);
    await eventually(() => expect(keeper.count('customers')).toBeGreaterThanOrEqual(1_500));
    await eventually(() => expect(server.asks('customers').length).toBeGreaterThan(2));
    await threads[0]?.terminate();
    expect(keeper.caughtUpAt).toBeNull();
    expect(keeper.customer(customerId(1))).toEqual(customer(1));
    const asked = server.asks('customers').length;
    held.resolve();
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expectSame(keeper, server);
    expect(server.asks('customers')[asked]?.after).not.toBeNull();
  });

  test('that is ended before it told of a finished replica leaves that to be served, not loaded again', async () => {
    const threads: Worker[] = [];
    const inThread = writerInThread({ onThread: (thread) => threads.push(thread) });
    const server = shopServer(30);
    const { keeper } = await openKeeper({
      openWriter: (start, ports) =>
        inThread(start, {
          ...ports,
          listener: {
            ...ports.listener,
            readFrom: async (target) => {
              if (threads.length === 1 && target?.file.endsWith('.db') === true)
                await threads[0]?.terminate();
              else await ports.listener.readFrom(target);
            },
          },
        }),
    });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expectSame(keeper, server);
    expect(threads).toHaveLength(2);
    expect(server.asks('customers').filter(({ after }) => after === null)).toHaveLength(1);
  });

  test('that meets a bug ends without the till, and is started again', async () => {
    const { server, threads, keeper, log } = await serving(5);
    threads[0]?.postMessage({ kind: 'nothing that is known' });
    await eventually(() => expect(log.count('replica.writer.lost')).toBe(1));
    expect(keeper.credential(cardIndex(1))).toEqual(credential(1));
    await eventually(() => expect(keeper.status.writer).toBe('running'));
    server.put('customers', customer(60));
    keeper.resync();
    await eventually(() => expectSame(keeper, server));
  });

  test('without enough memory is started ever more slowly, while lookups go on from the file', async () => {
    const { server, keeper, folder } = await serving(5);
    await keeper.close();
    const clock = new ManualClock();
    const starved = await openKeeper({ folder, clock, openWriter: writerInThread({ memoryMib: 4 }) });
    for (let losses = 1; losses < 3; losses += 1) {
      await eventually(() => expect(starved.log.count('replica.writer.lost')).toBe(losses));
      expectSame(starved.keeper, server);
      expect(starved.keeper.status).toMatchObject({ writer: 'lost' });
      expect(starved.keeper.caughtUpAt).not.toBeNull();
      await clock.advance(1_000);
    }
    await starved.keeper.close();
    await clock.advance(600_000);
    expect(starved.log.count('replica.writer.lost')).toBeLessThanOrEqual(3);
  });

  test('waiting for an answer that never comes closes all the same', async () => {
    const { threads, folder, keeper, server } = await serving(5);
    await keeper.idle();
    server.beforeAnswer = () => new Promise(() => {});
    const asked = server.asked.length;
    keeper.resync();
    await eventually(() => expect(server.asked.length).toBeGreaterThan(asked));
    await keeper.close();
    expect(threads[0]?.threadId).toBe(-1);
    const next = await openKeeper({ folder });
    expectSame(next.keeper, server);
  });

  test('that does not hear that it shall close is ended after a while', async () => {
    const { folder, keeper } = await serving(5);
    await keeper.close();
    const threads: Worker[] = [];
    const clock = new ManualClock();
    const deaf = await openKeeper({
      folder,
      clock,
      openWriter: writerInThread({ onThread: (thread) => threads.push(thread) }),
    });
    const [thread] = threads;
    if (thread === undefined) throw new Error('no thread was started');
    thread.postMessage = () => {};
    const closing = deaf.keeper.close();
    await clock.advance(4_999);
    expect(thread.threadId).not.toBe(-1);
    await clock.advance(1);
    await closing;
    expect(thread.threadId).toBe(-1);
  });
});

describe('an error between threads', () => {
  test('is the same error again, with its code and its causes', () => {
    const sqlite = Object.assign(new Error('disk full'), { code: 'SQLITE_FULL' });
    const fault = new StammkundeError('DATA_DISK_FULL', 'no room', { cause: sqlite });
    const outer = new StammkundeError('REP_POISONED', 'stopped', { cause: fault });
    const again = fromThrown(structuredClone(toThrown(outer)));
    expect(isFault(again, 'REP_POISONED')).toBe(true);
    expect(again.message).toBe(outer.message);
    expect(again.stack).toBe(outer.stack);
    expect(isFault(again.cause, 'DATA_DISK_FULL')).toBe(true);
    expect(again.cause).toMatchObject({ cause: { code: 'SQLITE_FULL', message: 'disk full' } });
  });

  test('that leads back to itself has an end', () => {
    const error = new Error('round');
    error.cause = error;
    expect(fromThrown(structuredClone(toThrown(error))).message).toBe('round');
    expect(fromThrown(toThrown('a mere text')).message).toBe('a mere text');
  });
});
