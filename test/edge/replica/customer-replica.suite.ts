import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { OpenWriter } from '../../../edge/replica/replica-writer.ts';
import { cardIndex, credential, customer, customerId, offer, programme, shopServer } from './feed-server.ts';
import type { FeedServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper, temporaryFolder } from './replica-fixture.ts';

/** What a till may rely on, wherever the writing is done. */
export function describeCustomerReplica(where: string, openWriter: OpenWriter): void {
  async function serving(customers = 20) {
    const server = shopServer(customers);
    const opened = await openKeeper({ openWriter });
    opened.keeper.follow(server);
    await eventually(() => expect(opened.keeper.caughtUpAt).not.toBeNull());
    return { server, ...opened };
  }

  async function filledFolder(server: FeedServer): Promise<string> {
    const { keeper, folder } = await openKeeper({ openWriter });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    await keeper.close();
    return folder;
  }

  function replicas(folder: string): readonly string[] {
    return readdirSync(folder).filter((name) => name.endsWith('.db') || name.endsWith('.part'));
  }

  describe(`a replica written ${where}`, () => {
    test('becomes what the server is, stays so, and is found to be so', async () => {
      const { server, keeper } = await serving(700);
      expectSame(keeper, server);
      server.put('customers', customer(3, { tier: 'gold' }), customer(9_000));
      server.remove('credentials', cardIndex(4));
      server.put('offers', { ...offer, id: 'winter' });
      server.put('programme', { ...programme, version: 2 });
      keeper.resync();
      await eventually(() => expectSame(keeper, server));
      await eventually(() => expect(keeper.status.verifiedAt).not.toBeNull());
      expect(keeper.status).toMatchObject({ writer: 'running', proven: true, seeding: null });
      expect(keeper.status.lastDifference).toBeNull();
    });

    test('answers from its file at once when it is opened again, before its writer has begun', async () => {
      const server = shopServer(30);
      const folder = await filledFolder(server);
      const held = Promise.withResolvers<void>();
      const late: OpenWriter = async (...start) => {
        await held.promise;
        return openWriter(...start);
      };
      const opening = openKeeper({ folder, openWriter: late });
      await new Promise((resolve) => setImmediate(resolve));
      held.resolve();
      const { keeper } = await opening;
      expectSame(keeper, server);
      expect(keeper.caughtUpAt).not.toBeNull();
      server.put('customers', customer(31));
      keeper.follow(server);
      await eventually(() => expectSame(keeper, server));
    });

    test('refuses a wrong key and a folder in use with their codes', async () => {
      const folder = await filledFolder(shopServer(3));
      const wrong = { folder, openWriter, key: new Uint8Array(32).fill(8) };
      await expect(openKeeper(wrong)).rejects.toMatchObject({ code: 'REP_WRONG_KEY' });
      const { keeper } = await openKeeper({ folder, openWriter });
      await expect(openKeeper({ folder, openWriter })).rejects.toMatchObject({ code: 'DATA_IN_USE' });
      await keeper.close();
      const part = await openKeeper({ openWriter });
      await part.keeper.close();
      const other = { folder: part.folder, openWriter, key: new Uint8Array(32).fill(8) };
      await expect(openKeeper(other)).rejects.toMatchObject({ code: 'REP_WRONG_KEY' });
    });

    test('is loaded beside itself when the server has another history, and serves all the while', async () => {
      const { server, keeper, folder } = await serving();
      const held = Promise.withResolvers<void>();
      server.beforeAnswer = ({ collection }) => (collection === 'offers' ? held.promise : undefined);
      server.startEpoch('second');
      server.remove('customers', customerId(7));
      keeper.resync(['customers']);
      await eventually(() => expect(replicas(folder)).toContain('replica-000002.db.part'));
      await eventually(() => expect(keeper.status.seeding?.generation).toBe(2));
      expect(keeper.customer(customerId(7))).toEqual(customer(7));
      held.resolve();
      await eventually(() => expectSame(keeper, server));
      await keeper.idle();
      expect(replicas(folder)).toEqual(['replica-000002.db']);
    });

    test('lets what is urgent hold until a lookup finds it in the file', async () => {
      const { server, keeper } = await serving(5);
      const blocked = credential(2, { status: 'blocked' });
      server.put('credentials', blocked);
      const urgent = { position: server.head('credentials'), credentials: [blocked], customers: [] };
      keeper.applyUrgent(urgent);
      expect(keeper.credential(cardIndex(2))).toEqual(blocked);
      server.put('credentials', credential(2));
      keeper.resync();
      await eventually(() => expect(keeper.credential(cardIndex(2))?.status).toBe('active'));
      keeper.applyUrgent(urgent);
      expect(keeper.credential(cardIndex(2))?.status).toBe('active');
    });

    test('says in the till’s log what it met, with the code', async () => {
      const { server, keeper, log } = await serving(3);
      server.onTheWay = (change) => ({ ...change, points: 'many' });
      server.put('customers', customer(1, { tier: 'gold' }));
      keeper.resync();
      await eventually(() => expect(log.count('replica.pull.failed')).toBeGreaterThan(0));
      const line = log.lines.find(({ event }) => event === 'replica.pull.failed');
      expect(line).toMatchObject({ collection: 'customers', error: { code: 'WIRE_MALFORMED' } });
    });

    test('closes at whatever moment, as often as it is asked, and answers nothing afterwards', async () => {
      const { server, keeper, folder } = await serving();
      keeper.reseed();
      const closing = keeper.close();
      expect(keeper.close()).toBe(closing);
      await closing;
      expect(keeper.credential(cardIndex(1))).toBeUndefined();
      expect(keeper.caughtUpAt).toBeNull();
      const next = await openKeeper({ folder, openWriter });
      expectSame(next.keeper, server);
    });

    test('that never saw a server may be closed and opened again, and claims nothing', async () => {
      const folder = temporaryFolder();
      const opened = await openKeeper({ folder, openWriter });
      await opened.keeper.close();
      const again = await openKeeper({ folder, openWriter });
      expect(again.keeper.caughtUpAt).toBeNull();
      expect(again.keeper.status.writer).toBe('running');
    });
  });
}
