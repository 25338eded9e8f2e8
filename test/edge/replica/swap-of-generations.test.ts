// Goal: a card that was blocked is blocked while one generation takes the place of another, and afterwards.
// Method: the block comes after the new generation has pulled the cards, at the two moments where it could be lost; the new
// one is kept from pulling it until the swap is over, or was refused.
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Replica } from '../../../edge/replica/replica.ts';
import { ReplicaReader } from '../../../edge/replica/replica-reader.ts';
import { settle } from '../../support/manual-clock.ts';
import { cardIndex, credential, shopServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper } from './replica-fixture.ts';

const KEY = new Uint8Array(32).fill(7);
const FIRST = 'replica-000001.db';
const SECOND_PART = 'replica-000002.db.part';
const blocked = credential(2, { status: 'blocked' });

async function serving(options: Parameters<typeof openKeeper>[0] = {}) {
  const server = shopServer(20);
  const opened = await openKeeper(options);
  opened.keeper.follow(server);
  await eventually(() => expect(opened.keeper.caughtUpAt).not.toBeNull());
  await eventually(() => expect(opened.log.count('replica.replaced')).toBe(1));
  // It was loaded, opened again under its own name, and has asked from there.
  await eventually(() => expect(server.asks('credentials')).toHaveLength(2));
  await opened.keeper.idle();
  const block = (): void => {
    server.put('credentials', blocked);
    opened.keeper.applyUrgent({
      position: server.head('credentials'),
      credentials: [blocked],
      customers: [],
    });
  };
  /** Resolves when the file of a generation is complete up to where the server’s feed of the cards ends. */
  const hasAllCards = async (name: string): Promise<void> => {
    const reader = new ReplicaReader({ file: join(opened.folder, name), key: KEY });
    try {
      await eventually(() =>
        expect(reader.note()?.positions.credentials).toEqual(server.head('credentials')),
      );
      await settle();
    } finally {
      reader.close();
    }
  };
  return { server, block, hasAllCards, ...opened };
}

describe('a card blocked while another generation is loaded', () => {
  test('after that has pulled the cards stays blocked: it is not taken before it has the block', async () => {
    const { server, block, hasAllCards, keeper, log } = await serving();
    const offers = Promise.withResolvers<void>();
    const cards = Promise.withResolvers<void>();
    let afterBlock = 0;
    let hasBlock = false;
    server.beforeAnswer = ({ collection }) => {
      if (collection === 'offers') return offers.promise;
      if (collection !== 'credentials' || !hasBlock) return undefined;
      afterBlock += 1;
      // The serving one asks first.
      return afterBlock === 1 ? undefined : cards.promise;
    };
    keeper.reseed();
    await eventually(() => expect(keeper.status.seeding?.documents).toBe(41));
    await hasAllCards(SECOND_PART);
    hasBlock = true;
    block();
    keeper.resync(['credentials']);
    await hasAllCards(FIRST);
    expect(keeper.credential(cardIndex(2))).toEqual(blocked);
    const resyncs = vi.spyOn(Replica.prototype, 'resync');
    onTestFinished(() => resyncs.mockRestore());
    offers.resolve();
    const lookups = setInterval(() => found.add(keeper.credential(cardIndex(2))?.status), 1);
    const found = new Set<string | undefined>();
    onTestFinished(() => clearInterval(lookups));
    // It is complete but for the block, and is sent for it.
    await eventually(() =>
      expect(resyncs.mock.calls.length + log.count('replica.replaced')).toBeGreaterThan(1),
    );
    await keeper.idle();
    expect(log.count('replica.replaced')).toBe(1);
    cards.resolve();
    await eventually(() => expect(log.count('replica.replaced')).toBe(2));
    await keeper.idle();
    expect([...found]).toEqual(['blocked']);
    expectSame(keeper, server);
  });

  test('in the midst of the swap stays blocked, though the one before has the block and the new one has not', async () => {
    let onSync: (() => void) | undefined;
    const { server, block, hasAllCards, keeper, log } = await serving({
      beforeStatement: (operation) => {
        if (!operation.startsWith('sync')) return;
        onSync?.();
        onSync = undefined;
      },
    });
    const cards = Promise.withResolvers<void>();
    const close = Replica.prototype.close;
    let isSwapping = false;
    const closing = vi.spyOn(Replica.prototype, 'close').mockImplementation(async function (this: Replica) {
      if (isSwapping) {
        isSwapping = false;
        // The new one is being closed, to be renamed: meanwhile the one before catches up.
        await hasAllCards(FIRST);
      }
      return close.call(this);
    });
    onTestFinished(() => closing.mockRestore());
    onSync = () => {
      isSwapping = true;
      let afterBlock = 0;
      server.beforeAnswer = ({ collection }) => {
        if (collection !== 'credentials') return undefined;
        afterBlock += 1;
        // The serving one asks first.
        return afterBlock === 1 ? undefined : cards.promise;
      };
      block();
      keeper.resync(['credentials']);
    };
    keeper.reseed();
    await eventually(() => expect(log.count('replica.replaced')).toBe(2));
    expect(keeper.credential(cardIndex(2))).toEqual(blocked);
    await keeper.idle();
    expect(keeper.credential(cardIndex(2))).toEqual(blocked);
    cards.resolve();
    keeper.resync();
    await eventually(() => expectSame(keeper, server));
  });
});
