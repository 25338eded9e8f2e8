// Goal: whatever happens to the file or to the server's history, a till keeps serving and ends up with what the server has.
// Method: real files, damaged or copied as a killed process leaves them, and a server that changes its epoch.
import {
  cpSync,
  existsSync,
  mkdirSync,
  symlinkSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  unlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ReplicaKeeper } from '../../../edge/replica/replica-keeper.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { cardIndex, credential, customer, customerId, shopServer } from './feed-server.ts';
import type { FeedServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper, temporaryFolder, watchUnhandled } from './replica-fixture.ts';
import type { OpenKeeper } from './replica-fixture.ts';

const PAGE_BYTES = 4_096;
const FIRST = 'replica-000001.db';
const SECOND = 'replica-000002.db';
const SECOND_PART = 'replica-000002.db.part';

/** A folder with the complete replica of a server, closed. */
async function filledFolder(server: FeedServer): Promise<string> {
  const { keeper, folder } = await openKeeper();
  keeper.follow(server);
  await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
  await keeper.close();
  return folder;
}

/** Flips some bytes at each of these places. */
function flipBytes(file: string, places: readonly number[]): void {
  const bytes = readFileSync(file);
  for (const at of places) {
    for (let i = at; i < at + 8; i += 1) bytes[i] = (bytes[i] ?? 0) ^ 0xff;
  }
  writeFileSync(file, bytes);
}

function files(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => /^replica-\d+\.db(\.part|\.damaged-\d+)?$/.test(name))
    .toSorted((a, b) => (a < b ? -1 : 1));
}

function asideIn(folder: string): readonly string[] {
  return files(folder).filter((name) => name.includes('.damaged-'));
}

function diskFull(): Error {
  return Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
}

/** Makes a file's removal fail, as that of one does which somebody else has open. */
function blockRemoval(folder: string, name: string): void {
  mkdirSync(join(folder, `${name}-journal`, 'in the way'), { recursive: true });
}

/** Holds back the answers of a loading until told to let go. */
function holdBack(server: FeedServer, collection: string): () => void {
  let letGo = (): void => {};
  const held = new Promise<void>((resolve) => (letGo = resolve));
  server.beforeAnswer = (ask) => (ask.collection === collection ? held : undefined);
  return () => {
    server.beforeAnswer = () => {};
    letGo();
  };
}

describe('a damaged file at the start', () => {
  const damages: Readonly<Record<string, (file: string) => void>> = {
    'cut to nothing': (file) => truncateSync(file, 0),
    'cut in the middle of a page': (file) => truncateSync(file, 3 * PAGE_BYTES + 100),
    'cut between pages': (file) => truncateSync(file, 6 * PAGE_BYTES),
    'one bit flipped in its header': (file) => flipBit(file, 3),
    'random bytes': (file) => writeFileSync(file, new SeededRandom(3).bytes(40 * PAGE_BYTES)),
    'its second page overwritten': (file) => flipBytes(file, [PAGE_BYTES + 500]),
  };
  function flipBit(file: string, at: number): void {
    const bytes = readFileSync(file);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
  }

  for (const [name, damage] of Object.entries(damages)) {
    test(`(${name}) is set aside, and the replica is loaded anew`, async () => {
      const unhandled = watchUnhandled();
      const server = shopServer(500);
      const folder = await filledFolder(server);
      damage(join(folder, FIRST));
      const { keeper } = await openKeeper({ folder });
      for (let n = 0; n < 500; n += 1) keeper.customer(customerId(n));
      await keeper.idle();
      expect(keeper.caughtUpAt).toBeNull();
      keeper.follow(server);
      await eventually(() => expectSame(keeper, server));
      await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
      expect(asideIn(folder)).toHaveLength(1);
      await keeper.close();
      expect(unhandled).toEqual([]);
    });
  }

  test('any page of it: never a crash, never a base that claims to be complete and is not', async () => {
    const server = shopServer(300);
    const folder = await filledFolder(server);
    const pages = readFileSync(join(folder, FIRST)).length / PAGE_BYTES;
    for (let page = 1; page < pages; page += 9) {
      const copy = temporaryFolder();
      cpSync(folder, copy, { recursive: true });
      flipBytes(join(copy, FIRST), [page * PAGE_BYTES + 1_000]);
      const { keeper } = await openKeeper({ folder: copy });
      const found = Array.from({ length: 300 }, (_, n) => keeper.credential(cardIndex(n)));
      await keeper.idle();
      const known = found.flatMap((document, n) => (document === undefined ? [] : [{ document, n }]));
      expect(known.map(({ document }) => document)).toEqual(known.map(({ n }) => credential(n)));
      const claimsToBeComplete = keeper.caughtUpAt !== null;
      expect(claimsToBeComplete && known.length < 300).toBe(false);
      keeper.follow(server);
      await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
      await eventually(() => expectSame(keeper, server));
      await keeper.close();
    }
  });

  test('takes the place of all set aside before but the newest, so that they do not fill the disk', async () => {
    const folder = await filledFolder(shopServer(3));
    for (let i = 0; i < 3; i += 1) {
      writeFileSync(join(folder, FIRST), 'no database at all');
      const clock = new ManualClock(1_000 + i);
      const { keeper } = await openKeeper({ folder, clock });
      await keeper.close();
    }
    expect(files(folder)).toEqual([`${FIRST}.damaged-1001`, `${FIRST}.damaged-1002`, SECOND_PART]);
  });

  test('made by another version of the program is no damage: it is removed, and told as what it is', async () => {
    // Another schema under the same name is what an update leaves: RxDB tells it by its hash.
    const folder = await filledFolder(shopServer(3));
    const { replicaSchemas } = await import('../../../edge/replica/collections.ts');
    const { title: _title, ...properties } = replicaSchemas.offers.properties;
    const original = replicaSchemas.offers;
    replicaSchemas.offers = {
      ...original,
      properties: { ...properties, headline: { type: 'string' } } as never,
    };
    try {
      const { keeper, log } = await openKeeper({ folder });
      expect(keeper.caughtUpAt).toBeNull();
      expect(log.count('replica.outdated')).toBe(1);
      expect(log.count('replica.damaged')).toBe(0);
      await keeper.close();
    } finally {
      replicaSchemas.offers = original;
    }
    expect(files(folder)).toEqual([SECOND_PART]);
  });
});

test('a damaged file that cannot be removed keeps no till from starting', async () => {
  const server = shopServer(20);
  const folder = await filledFolder(server);
  writeFileSync(join(folder, FIRST), 'no database at all');
  blockRemoval(folder, FIRST);
  const { keeper, log } = await openKeeper({ folder });
  expect(log.count('replica.remove.failed')).toBeGreaterThan(0);
  keeper.follow(server);
  await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
  await eventually(() => expectSame(keeper, server));
});

describe('a file that is of no use any more', () => {
  test('is kept for a week when it was damaged, and then goes', async () => {
    const folder = await filledFolder(shopServer(3));
    writeFileSync(join(folder, FIRST), 'no database at all');
    const startMs = new ManualClock().now();
    for (const [days, kept] of [
      [0, 1],
      [6, 1],
      [8, 0],
    ] as const) {
      const clock = new ManualClock(startMs + days * 24 * 3_600_000);
      const { keeper } = await openKeeper({ folder, clock });
      expect(asideIn(folder)).toHaveLength(kept);
      await keeper.close();
    }
  });

  test('is removed later when it cannot be removed at once, and nobody gets its number', async () => {
    const server = shopServer(20);
    const clock = new ManualClock();
    const { keeper, folder, log } = await openKeeper({ clock });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    await keeper.idle();
    blockRemoval(folder, FIRST);
    keeper.reseed();
    await eventually(() => expect(log.count('replica.remove.failed')).toBe(1));
    await keeper.idle();
    rmSync(join(folder, `${FIRST}-journal`, 'in the way'), { recursive: true });
    rmdirSync(join(folder, `${FIRST}-journal`));
    writeFileSync(join(folder, `${FIRST}-journal`), 'left over');
    await clock.advance(3_600_000);
    await keeper.idle();
    expect(existsSync(join(folder, `${FIRST}-journal`))).toBe(false);
    expectSame(keeper, server);
    expect(files(folder)).toEqual([SECOND]);
  });

  test('is read by nobody when it is taken away', async () => {
    const clock = new ManualClock();
    const server = shopServer(20);
    const read: (string | null)[] = [];
    let failing = false;
    const { keeper, folder, log } = await openKeeper({
      clock,
      openWriter: (start, ports) =>
        ReplicaKeeper.open(
          {
            ...start,
            sliceMs: 2,
            beforeStatement: (operation) => {
              if (failing && operation.startsWith('insert c')) throw new Error('disk I/O error');
            },
          },
          {
            ...ports,
            listener: {
              ...ports.listener,
              readFrom: (target) => {
                read.push(target?.file ?? null);
                return ports.listener.readFrom(target);
              },
            },
          },
        ),
    });
    failing = true;
    keeper.follow(server);
    await eventually(() => expect(log.count('replica.poisoned')).toBe(1));
    await keeper.idle();
    failing = false;
    const part = join(folder, `${FIRST}.part`);
    expect(read.at(-1)).toBe(part);
    writeFileSync(part, 'no database at all');
    await clock.advance(1_000);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expect(log.count('replica.damaged')).toBe(1);
    expect(read.slice(0, 3)).toEqual([part, null, join(folder, SECOND_PART)]);
    expectSame(keeper, server);
  });
});

describe('a replica that fails after each time it caught up', () => {
  test('returns ever more slowly', async () => {
    const server = shopServer(20);
    const clock = new ManualClock();
    let failing = false;
    const { keeper, log } = await openKeeper({
      clock,
      beforeStatement: (operation) => {
        if (failing && operation.startsWith('update')) throw new Error('disk I/O error');
      },
    });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    await keeper.idle();
    const fail = async (failures: number): Promise<void> => {
      failing = true;
      server.put('customers', customer(3, { points: failures }));
      keeper.resync();
      await eventually(() => expect(log.count('replica.poisoned')).toBe(failures));
      failing = false;
    };
    const returned = async (failures: number): Promise<void> => {
      await eventually(() => expect(keeper.customer(customerId(3))?.points).toBe(failures));
      await keeper.idle();
    };
    await fail(1);
    await returned(1);
    for (const [failures, waitMs] of [
      [2, 200],
      [3, 400],
    ] as const) {
      await fail(failures);
      const asked = server.asks('customers').length;
      await clock.advance(waitMs / 2 - 1);
      await keeper.idle();
      await settle();
      expect(server.asks('customers')).toHaveLength(asked);
      await clock.advance(waitMs / 2 + 1);
      await returned(failures);
    }
  });
});

describe('a file that nothing can be written beside', () => {
  test('is no damaged one: it serves, and is followed on with when there is room again', async () => {
    const server = shopServer(20);
    const folder = await filledFolder(server);
    symlinkSync('nowhere', join(folder, `${FIRST}-shm`));
    const clock = new ManualClock();
    const { keeper, log } = await openKeeper({ folder, clock });
    keeper.follow(server);
    expectSame(keeper, server);
    expect(keeper.caughtUpAt).not.toBeNull();
    await clock.advance(10_000);
    await keeper.idle();
    expectSame(keeper, server);
    expect(keeper.status.writer).toBe('lost');
    expect(log.lines.findLast(({ event }) => event === 'replica.writer.lost')).toMatchObject({
      error: { cause: { code: 'DATA_UNWRITABLE' } },
    });
    unlinkSync(join(folder, `${FIRST}-shm`));
    server.put('customers', customer(3, { tier: 'gold' }));
    await clock.advance(60_000);
    await eventually(() => expect(keeper.customer(customerId(3))?.tier).toBe('gold'));
    expect(keeper.status.writer).toBe('running');
    expect(asideIn(folder)).toEqual([]);
    await keeper.close();
  });
});

describe('a page found damaged while the till serves', () => {
  async function damagedWhileServing(options: Parameters<typeof openKeeper>[0] = {}) {
    const server = shopServer(1_500);
    const folder = await filledFolder(server);
    const file = join(folder, FIRST);
    const pages = readFileSync(file).length / PAGE_BYTES;
    // The last third of the file: rows, not the catalogue.
    const damaged = Array.from(
      { length: Math.floor(pages / 3) },
      (_, n) => (pages - 1 - n) * PAGE_BYTES + 1_000,
    );
    flipBytes(file, damaged);
    const opened = await openKeeper({ ...options, folder });
    return { server, ...opened };
  }

  function lookUntilDamaged({ keeper, log }: OpenKeeper): void {
    for (let n = 0; n < 1_500 && log.count('replica.poisoned') === 0; n += 1) {
      keeper.customer(customerId(n));
      keeper.credential(cardIndex(n));
    }
  }

  test('costs that lookup an answer, not an error, and the replica is loaded anew', async () => {
    const unhandled = watchUnhandled();
    const damaged = await damagedWhileServing();
    const { keeper, server, folder } = damaged;
    expect(keeper.caughtUpAt).not.toBeNull();
    lookUntilDamaged(damaged);
    expect(keeper.caughtUpAt).toBeNull();
    expect(keeper.customer(customerId(1))).toBeUndefined();
    expect(keeper.count('customers')).toBe(0);
    await keeper.whenServing(10_000);
    expect(asideIn(folder)).toHaveLength(1);
    expect(keeper.count('customers')).toBe(0);
    expect(keeper.caughtUpAt).toBeNull();
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expectSame(keeper, server);
    await keeper.close();
    expect(unhandled).toEqual([]);
  });

  test('is answered with the one being loaded, when there is one', async () => {
    const damaged = await damagedWhileServing();
    const { keeper, server, folder } = damaged;
    const letGo = holdBack(server, 'offers');
    keeper.follow(server);
    keeper.reseed();
    await keeper.idle();
    lookUntilDamaged(damaged);
    await keeper.idle();
    letGo();
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    await eventually(() => expectSame(keeper, server));
    await keeper.idle();
    expect(files(folder).filter((name) => name.endsWith('.db'))).toHaveLength(1);
  });

  test('holds up a lookup no longer than asked for', async () => {
    const clock = new ManualClock();
    const damaged = await damagedWhileServing({ clock });
    lookUntilDamaged(damaged);
    const waiting = damaged.keeper.whenServing(500);
    await clock.advance(500);
    await waiting;
    await damaged.keeper.idle();
    await damaged.keeper.close();
    expect(clock.pending).toBe(0);
  });
});

describe('what a keeper refuses', () => {
  test('is a wrong key, leaving the file as it is', async () => {
    const server = shopServer(3);
    const folder = await filledFolder(server);
    const before = readFileSync(join(folder, FIRST));
    await expect(openKeeper({ folder, key: new Uint8Array(32).fill(8) })).rejects.toMatchObject({
      code: 'REP_WRONG_KEY',
    });
    expect(files(folder)).toEqual([FIRST]);
    expect(readFileSync(join(folder, FIRST)).equals(before)).toBe(true);
    const { keeper } = await openKeeper({ folder });
    expectSame(keeper, server);
  });

  test('is a folder another keeper has', async () => {
    const { folder } = await openKeeper();
    await expect(openKeeper({ folder })).rejects.toMatchObject({ code: 'DATA_IN_USE' });
    expect(files(folder)).toEqual([`${FIRST}.part`]);
  });
});

describe('a server with another history', () => {
  async function serving(customers = 20) {
    const server = shopServer(customers);
    const opened = await openKeeper();
    opened.keeper.follow(server);
    await eventually(() => expect(opened.keeper.caughtUpAt).not.toBeNull());
    return { server, ...opened };
  }

  test('is loaded beside the old replica, which serves until the new one is complete', async () => {
    const { server, keeper, folder } = await serving();
    server.startEpoch('second');
    server.put('customers', customer(3, { tier: 'gold' }));
    server.remove('customers', customerId(7));
    const letGo = holdBack(server, 'offers');
    keeper.resync(['customers']);
    await eventually(() => expect(server.asks('offers').length).toBeGreaterThan(1));
    await eventually(() => expect(files(folder)).toEqual([FIRST, SECOND_PART]));
    expect(keeper.customer(customerId(7))).toEqual(customer(7));
    expect(keeper.customer(customerId(3))?.tier).toBe('basic');
    letGo();
    await eventually(() => expectSame(keeper, server));
    await keeper.idle();
    expect(files(folder)).toEqual([SECOND]);
    server.put('customers', customer(50));
    keeper.resync();
    await eventually(() => expectSame(keeper, server));
  });

  test('is loaded once, though the old replica hears of it again while the new one takes its place', async () => {
    const server = shopServer(5);
    const late = Promise.withResolvers<void>();
    let isReplaced = false;
    const { keeper, folder, log } = await openKeeper({
      beforeStatement: (operation) => {
        if (isReplaced && operation.startsWith('sync')) late.resolve();
      },
    });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    await keeper.idle();
    isReplaced = true;
    const { epoch } = server;
    server.beforeAnswer = ({ collection, after }) =>
      collection === 'offers' && after?.epoch === epoch ? late.promise : undefined;
    server.startEpoch('second');
    server.put('customers', customer(9));
    keeper.resync();
    await eventually(() => expect(log.count('replica.replaced')).toBe(2));
    await keeper.idle();
    await eventually(() => expectSame(keeper, server));
    expect(log.count('replica.reseed')).toBe(1);
    expect(files(folder)).toEqual([SECOND]);
  });

  test('is noticed even by a collection that was empty', async () => {
    const { server, keeper, folder } = await serving(0);
    server.startEpoch('second');
    server.put('customers', customer(1));
    // Nothing was ever stored of the customers, so they are asked for from the beginning.
    keeper.resync(['customers']);
    await eventually(() => expectSame(keeper, server));
    await eventually(() => expect(files(folder)).toEqual([SECOND]));
  });

  test('is loaded from the beginning again when that history ends, too', async () => {
    const { server, keeper, log } = await serving();
    server.startEpoch('second');
    const letGo = holdBack(server, 'offers');
    keeper.resync(['customers']);
    await eventually(() => expect(log.count('replica.reseed')).toBe(1));
    await keeper.idle();
    await eventually(() => expect(server.asks('programme').length).toBeGreaterThan(1));
    server.startEpoch('third');
    server.put('customers', customer(60));
    letGo();
    keeper.resync();
    await eventually(() => expectSame(keeper, server));
    expect(keeper.customer(customerId(60))).toEqual(customer(60));
  });

  test('and an order to load anew are the same to the till', async () => {
    const { server, keeper, folder } = await serving();
    keeper.reseed();
    keeper.reseed();
    await eventually(() => expect(files(folder)).toEqual([SECOND]));
    expectSame(keeper, server);
  });
});

describe('a loading beside the serving replica', () => {
  test('that is cut off by a crash leaves the old one serving, and is begun again', async () => {
    const server = shopServer(20);
    const { keeper, folder } = await openKeeper();
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    holdBack(server, 'offers');
    keeper.reseed();
    await keeper.idle();
    await settle();
    // The files of this moment are what a killed process leaves: nothing is closed, the WAL is not folded back.
    const crashed = temporaryFolder();
    cpSync(folder, crashed, { recursive: true });
    expect(existsSync(join(crashed, SECOND_PART))).toBe(true);
    await keeper.close();
    const next = await openKeeper({ folder: crashed });
    expectSame(next.keeper, server);
    expect(next.keeper.caughtUpAt).not.toBeNull();
    server.beforeAnswer = () => {};
    next.keeper.follow(server);
    await eventually(() => expect(files(crashed)).toEqual([SECOND]));
    expectSame(next.keeper, server);
  });

  test('that meets a storage error is begun again, ever more slowly, while the old one serves', async () => {
    const unhandled = watchUnhandled();
    const server = shopServer(20);
    const clock = new ManualClock();
    let failing = false;
    const { keeper, folder, log } = await openKeeper({
      clock,
      beforeStatement: (operation) => {
        if (failing && operation.startsWith('insert c')) throw new Error('disk I/O error');
      },
    });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    failing = true;
    keeper.reseed();
    for (let failures = 1; failures < 4; failures += 1) {
      await eventually(() => expect(log.count('replica.poisoned')).toBe(failures));
      await keeper.idle();
      keeper.reseed();
      await settle();
      expect(log.count('replica.reseed')).toBe(failures);
      expectSame(keeper, server);
      await clock.advance(200 * 2 ** (failures - 1));
    }
    await eventually(() => expect(log.count('replica.poisoned')).toBe(4));
    failing = false;
    await clock.advance(2_000);
    await eventually(() => expect(files(folder)).toEqual([SECOND]));
    expectSame(keeper, server);
    await keeper.close();
    expect(unhandled).toEqual([]);
  });

  test('for which there is no room gives back what it took, and is begun again much later', async () => {
    const server = shopServer(20);
    const clock = new ManualClock();
    let isFull = false;
    const { keeper, folder, log } = await openKeeper({
      clock,
      beforeStatement: (operation) => {
        if (isFull && operation.startsWith('insert c')) throw diskFull();
      },
    });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    isFull = true;
    keeper.reseed();
    await eventually(() => expect(log.count('replica.poisoned')).toBe(1));
    await keeper.idle();
    expect(log.lines.find(({ event }) => event === 'replica.poisoned')).toMatchObject({
      error: { code: 'DATA_DISK_FULL' },
    });
    expect(files(folder)).toEqual([FIRST]);
    await clock.advance(2 * 60_000);
    expect(log.count('replica.reseed')).toBe(1);
    expectSame(keeper, server);
    isFull = false;
    await clock.advance(3 * 60_000);
    await eventually(() => expect(files(folder)).toEqual([SECOND]));
    expectSame(keeper, server);
  });

  test('makes room when the serving replica finds none', async () => {
    const server = shopServer(20);
    let isFull = false;
    const { keeper, folder, log } = await openKeeper({
      beforeStatement: (operation) => {
        if (isFull && operation.startsWith('update customers')) throw diskFull();
      },
    });
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    const letGo = holdBack(server, 'offers');
    keeper.reseed();
    await eventually(() => expect(files(folder)).toEqual([FIRST, SECOND_PART]));
    isFull = true;
    server.put('customers', customer(3, { tier: 'gold' }));
    keeper.resync(['customers']);
    await eventually(() => expect(log.count('replica.poisoned')).toBeGreaterThan(0));
    isFull = false;
    await eventually(() => expect(keeper.customer(customerId(3))?.tier).toBe('gold'));
    expect(files(folder)).toEqual([FIRST]);
    letGo();
  });

  test('takes over though nothing of the one before can be removed', async () => {
    const server = shopServer(20);
    const { keeper, folder, log } = await openKeeper();
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    blockRemoval(folder, FIRST);
    keeper.reseed();
    await eventually(() => expect(log.count('replica.remove.failed')).toBe(1));
    expect(files(folder)).toEqual([SECOND]);
    server.put('customers', customer(3, { tier: 'gold' }));
    keeper.resync();
    await eventually(() => expect(keeper.customer(customerId(3))?.tier).toBe('gold'));
  });

  test('is closed while it waits for an answer that never comes', async () => {
    const server = shopServer(20);
    const { keeper } = await openKeeper();
    const asked = Promise.withResolvers<void>();
    keeper.follow({
      pull: (...ask) => server.pull(...ask),
      snapshots: {
        ask: () => {
          asked.resolve();
          return new Promise(() => {});
        },
      },
    });
    await asked.promise;
    await keeper.close();
    expect(keeper.caughtUpAt).toBeNull();
  });

  test('is closed with the keeper, at whatever moment, as often as it is asked', async () => {
    for (const turns of [0, 1, 3, 10]) {
      const server = shopServer(20);
      const { keeper, folder } = await openKeeper();
      keeper.follow(server);
      await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
      keeper.reseed();
      for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve));
      const closing = keeper.close();
      expect(keeper.close()).toBe(closing);
      await closing;
      expect(keeper.credential(cardIndex(1))).toBeUndefined();
      const next = await openKeeper({ folder });
      expectSame(next.keeper, server);
      await next.keeper.close();
    }
  });
});

describe('what is urgent', () => {
  test('holds before the feed brings it, and no longer than until then', async () => {
    const server = shopServer(5);
    const { keeper } = await openKeeper();
    keeper.follow(server);
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    const blocked = credential(2, { status: 'blocked' });
    server.put('credentials', blocked);
    const urgent = { position: server.head('credentials'), credentials: [blocked], customers: [] };
    keeper.applyUrgent(urgent);
    expect(keeper.credential(cardIndex(2))).toEqual(blocked);
    server.put('credentials', credential(2));
    keeper.resync();
    await eventually(() => expect(keeper.credential(cardIndex(2))?.status).toBe('active'));
    // The same message again, late: the replica has it and something newer.
    keeper.applyUrgent(urgent);
    expect(keeper.credential(cardIndex(2))?.status).toBe('active');
  });

  test('and older than a replica found at the start changes nothing', async () => {
    const server = shopServer(5);
    const before = server.head('credentials');
    server.put('credentials', credential(1));
    const folder = await filledFolder(server);
    const { keeper } = await openKeeper({ folder });
    keeper.applyUrgent({
      position: before,
      credentials: [credential(1, { status: 'blocked' })],
      customers: [],
    });
    expect(keeper.credential(cardIndex(1))?.status).toBe('active');
  });
});
