// Goal: a replica's file that is older than it should be, of another till, or half loaded is never taken for what it is not.
// Method: files copied as people, restores and killed processes leave them; a server that forgets what was deleted.
import { cpSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { StammkundeError } from '../../../foundation/errors.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { customer, customerId, shopServer } from './feed-server.ts';
import type { FeedServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper, temporaryFolder } from './replica-fixture.ts';

const FIRST = 'replica-000001.db';
const DAY_MS = 24 * 3_600_000;

async function filledFolder(server: FeedServer, folder?: string): Promise<string> {
  const opened = await openKeeper(folder === undefined ? {} : { folder });
  const before = opened.keeper.caughtUpAt;
  opened.keeper.follow(server);
  // What is stored is sealed once it is noted as complete.
  await eventually(() => expect(opened.keeper.caughtUpAt).not.toBe(before));
  expectSame(opened.keeper, server);
  await opened.keeper.idle();
  await opened.keeper.close();
  return opened.folder;
}

async function emptyFolder(): Promise<string> {
  const { keeper, folder } = await openKeeper();
  await keeper.close();
  return folder;
}

describe('an older copy put back', () => {
  async function rolledBack() {
    const server = shopServer(30);
    const folder = await filledFolder(server);
    const copies = temporaryFolder();
    cpSync(join(folder, FIRST), join(copies, FIRST));
    server.put('customers', customer(3, { purposes: [], tier: 'gold' }));
    await filledFolder(server, folder);
    cpSync(join(copies, FIRST), join(folder, FIRST));
    return { server, folder };
  }

  test('is noticed at once, counts as not caught up, and counts again once it was compared with the server', async () => {
    const { server, folder } = await rolledBack();
    const { keeper, log } = await openKeeper({ folder });
    expect(keeper.caughtUpAt).toBeNull();
    expect(keeper.status.proven).toBe(false);
    expect(log.lines.find(({ event }) => event === 'replica.rolled-back')).toMatchObject({
      error: { code: 'REP_ROLLED_BACK' },
    });
    // Who is known is known still; what rests on consent waits.
    expect(keeper.customer(customerId(4))).toEqual(customer(4));
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expect(log.count('replica.proven')).toBe(1);
    expectSame(keeper, server);
    await keeper.close();
    const again = await openKeeper({ folder });
    expect(again.keeper.caughtUpAt).not.toBeNull();
  });

  test('stays noticed over restarts, until it was compared', async () => {
    const { server, folder } = await rolledBack();
    server.beforeRanges = () => {
      throw new StammkundeError('BUS_TIMEOUT', 'no answer');
    };
    for (let starts = 0; starts < 2; starts += 1) {
      const { keeper } = await openKeeper({ folder });
      keeper.follow(server);
      await eventually(() => expect(keeper.customer(customerId(3))?.tier).toBe('gold'));
      await eventually(() => expect(server.compared.length).toBeGreaterThanOrEqual(4 * (starts + 1)));
      expect(keeper.caughtUpAt).toBeNull();
      // By now it has pulled all that its seal names.
      await keeper.idle();
      await keeper.close();
    }
  });

  test('is loaded anew where the server does not compare', async () => {
    const { server, folder } = await rolledBack();
    const { keeper } = await openKeeper({ folder });
    keeper.follow({ pull: (...asked) => server.pull(...asked) });
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expectSame(keeper, server);
    await eventually(() => expect(readdirSync(folder)).toContain('replica-000002.db'));
  });

  test('is not believed without its seal, nor with the seal of another key', async () => {
    const server = shopServer(3);
    const folder = await filledFolder(server);
    rmSync(join(folder, 'replica.seal'));
    const { keeper } = await openKeeper({ folder });
    expect(keeper.caughtUpAt).toBeNull();
  });
});

describe('a replica of another till', () => {
  test('with the same key is removed and told, and nothing of it is looked up', async () => {
    const server = shopServer(5);
    const folder = await filledFolder(server);
    const { keeper, log } = await openKeeper({ folder, owner: 'other-shop/till-1' });
    expect(log.lines.find(({ event }) => event === 'replica.foreign')).toMatchObject({
      error: { code: 'REP_FOREIGN' },
    });
    expect(keeper.customer(customerId(1))).toBeUndefined();
    expect(keeper.caughtUpAt).toBeNull();
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expectSame(keeper, server);
  });

  test('half loaded, with the same key, is removed too', async () => {
    const { keeper, folder } = await openKeeper();
    await keeper.close();
    const other = await openKeeper({ folder, owner: 'other-shop/till-1' });
    expect(other.log.count('replica.foreign')).toBe(1);
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual(['replica-000002.db.part']);
  });
});

describe('a file under another generation’s name', () => {
  test('is removed, told, and loaded anew, whether it was complete or half loaded', async () => {
    for (const [name, other] of [
      [FIRST, 'replica-000005.db'],
      [`${FIRST}.part`, 'replica-000005.db.part'],
    ] as const) {
      const server = shopServer(10);
      const folder = name === FIRST ? await filledFolder(server) : await emptyFolder();
      renameSync(join(folder, name), join(folder, other));
      const { keeper, log } = await openKeeper({ folder });
      expect(log.lines.find(({ event }) => event === 'replica.foreign')).toMatchObject({
        error: { code: 'REP_FOREIGN' },
      });
      expect(keeper.caughtUpAt).toBeNull();
      expect(readdirSync(folder)).not.toContain(other);
      keeper.follow(server);
      await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
      await eventually(() => expectSame(keeper, server));
    }
  });
});

describe('a till back after 300 days', () => {
  test('resurrects nobody: what it holds serves, grown old, until everything is loaded anew', async () => {
    const clock = new ManualClock();
    const server = shopServer(30);
    const opened = await openKeeper({ clock });
    opened.keeper.follow(server);
    await eventually(() => expect(opened.keeper.caughtUpAt).not.toBeNull());
    await opened.keeper.idle();
    await opened.keeper.close();

    const later = new ManualClock(clock.now() + 300 * DAY_MS);
    server.remove('customers', customerId(7));
    server.remove('credentials', 'gone');
    server.purge();
    server.put('customers', customer(50));
    const { keeper, log, folder } = await openKeeper({ folder: opened.folder, clock: later });
    const held = Promise.withResolvers<void>();
    server.beforeAnswer = ({ collection, after }) =>
      collection === 'offers' && after === null ? held.promise : undefined;
    keeper.follow(server);
    await eventually(() => expect(log.count('replica.reseed')).toBe(1));
    expect(log.lines.find(({ event }) => event === 'replica.reseed')).toMatchObject({ reason: 'expired' });
    expect(keeper.customer(customerId(3))).toEqual(customer(3));
    expect(later.now() - (keeper.caughtUpAt ?? 0)).toBeGreaterThanOrEqual(300 * DAY_MS);
    held.resolve();
    await eventually(() => expectSame(keeper, server));
    expect(keeper.customer(customerId(7))).toBeUndefined();
    await eventually(() => expect(readdirSync(folder)).not.toContain(FIRST));
  });
});

describe('a part', () => {
  test('is never read beside a complete one, whatever its number, and goes on where it was', async () => {
    const server = shopServer(30);
    const folder = await filledFolder(server);
    // As a killed process leaves it: another history half loaded beside.
    const { keeper } = await openKeeper({ folder });
    keeper.follow(server);
    await eventually(() => expect(server.compared.length).toBeGreaterThan(0));
    server.beforeAnswer = ({ collection }) =>
      collection === 'offers' ? new Promise<void>(() => {}) : undefined;
    keeper.reseed();
    await eventually(() => expect(keeper.status.seeding?.documents).toBeGreaterThanOrEqual(0));
    const crashed = temporaryFolder();
    cpSync(folder, crashed, { recursive: true });
    await keeper.close();
    server.beforeAnswer = () => {};
    const next = await openKeeper({ folder: crashed });
    expectSame(next.keeper, server);
    expect(next.keeper.caughtUpAt).not.toBeNull();
    next.keeper.follow(server);
    await eventually(() => expect(readdirSync(crashed)).toContain('replica-000002.db'));
    expectSame(next.keeper, server);
    await eventually(() => expect(readdirSync(crashed)).not.toContain(FIRST));
  });
});
