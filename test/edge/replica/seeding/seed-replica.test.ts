// Goal: whatever interrupts the loading of a snapshot, it goes on, and in the end the file holds what the server has.
// Method: a real encrypted file; a server in memory that can fail at any question; time that a test owns.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { SeedEvent } from '../../../../edge/replica/seeding/seed-meter.ts';
import { seedReplica } from '../../../../edge/replica/seeding/seed-replica.ts';
import type { SeedOptions, SeedOutcome } from '../../../../edge/replica/seeding/seed-replica.ts';
import type { Mark } from '../../../../edge/replica/storage/marks.ts';
import type { SqliteStore } from '../../../../edge/replica/storage/store.ts';
import { StammkundeError } from '../../../../foundation/errors.ts';
import { silentLog } from '../../../../foundation/log.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import { keyOf } from '../../../../sync/contract/range-hash.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { CANARY, differences, madeBase, openSeedFile, SnapshotServer } from './seed-fixture.ts';
import type { SeedFile } from './seed-fixture.ts';

const base = madeBase(300);

function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'seeding-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'replica-000002.db.part');
}

async function opened(file = temporaryFile(), settings = {}): Promise<SeedFile> {
  const seedFile = await openSeedFile(file, settings);
  onTestFinished(() => seedFile.close());
  return seedFile;
}

function seed(
  { stores }: SeedFile,
  source: SnapshotServer,
  options: Partial<SeedOptions> = {},
): Promise<SeedOutcome> {
  return seedReplica({
    stores,
    source,
    clock: new ManualClock(),
    random: new SeededRandom(1),
    log: silentLog,
    signal: new AbortController().signal,
    sliceMs: 2,
    ...options,
  });
}

/** The stores, with a note of each slice before it is written. */
function onBulkLoad({ stores }: SeedFile, note: (mark: Mark | undefined) => void): SeedFile['stores'] {
  const noting = <T>(store: SqliteStore<T>): SqliteStore<T> => ({
    ...store,
    bulkLoad: (documents, mark) => {
      note(mark);
      return store.bulkLoad(documents, mark);
    },
  });
  return { credentials: noting(stores.credentials), customers: noting(stores.customers) };
}

/** The outcome, with time passing as fast as it can. */
async function whileTimePasses<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let over = false;
  const ended = work.finally(() => (over = true));
  // Handled below, whenever it comes.
  ended.catch(() => {});
  while (!over) await clock.advance(1_000);
  return ended;
}

test('an empty file holds every document afterwards, and is told where the feed goes on', async () => {
  const file = await opened();
  const server = new SnapshotServer(base);
  const events: SeedEvent[] = [];
  const outcome = await seed(file, server, { onProgress: (event) => events.push(event) });
  const { positions, documents } = server.manifest;
  expect(outcome).toEqual({ kind: 'loaded', positions, documents });
  expect(differences(file, base)).toEqual([]);
  expect(server.fetched).toEqual(server.manifest.chunks.map(({ sha256 }) => sha256));
  expect(events.at(0)?.phase).toBe('loading');
  expect(events.at(-1)).toMatchObject({
    phase: 'loaded',
    chunksDone: server.manifest.chunks.length,
    documents: base.credentials.size + base.customers.size,
    bytes: server.manifest.chunks.reduce((sum, { bytes }) => sum + bytes, 0),
  });
  expect(events.at(-1)?.bytesTotal).toBe(events.at(-1)?.bytes);
});

test('a file that is loaded already says so without asking the server', async () => {
  const path = temporaryFile();
  const first = await opened(path);
  const outcome = await seed(first, new SnapshotServer(base));
  await first.close();
  const server = new SnapshotServer(madeBase(2));
  expect(await seed(await opened(path), server)).toEqual(outcome);
  expect(server.asked).toEqual([]);
});

test('stopped after any slice, it goes on there and fetches nothing twice but the chunk it was in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 }), async (stops) => {
      const file = await opened();
      const server = new SnapshotServer(base);
      for (const stop of stops) {
        const closing = new AbortController();
        let left = stop;
        const counting = onBulkLoad(file, () => {
          left -= 1;
          if (left === 0) closing.abort();
        });
        const outcome = await seed({ ...file, stores: counting }, server, { signal: closing.signal });
        expect(outcome.kind).toBe(left <= 0 ? 'stopped' : 'loaded');
      }
      expect((await seed(file, server)).kind).toBe('loaded');
      expect(differences(file, base)).toEqual([]);
      // Each stop costs the chunk it was in, and the next one, which was on its way.
      expect(server.fetched.length).toBeLessThanOrEqual(server.manifest.chunks.length + 2 * stops.length);
    }),
    { numRuns: 15 },
  );
});

test('no more than two chunks are in memory', async () => {
  const file = await opened();
  const server = new SnapshotServer(base);
  let written = 0;
  let most = 0;
  server.beforeChunk = (_chunk, nth) => {
    most = Math.max(most, nth + 1 - written);
  };
  const stores = onBulkLoad(file, (mark) => {
    // A chunk is let go with the slice that ends it.
    if (mark?.text?.includes('"documents":0') === true) written += 1;
  });
  await seed({ ...file, stores }, server);
  expect(written).toBe(server.manifest.chunks.length);
  expect(written).toBeGreaterThan(10);
  expect(most).toBe(2);
});

test('a broken network is waited for, and what is loaded stays', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 30, maxLength: 60 }), async (up) => {
      const clock = new ManualClock();
      const file = await opened();
      const server = new SnapshotServer(base);
      let question = 0;
      const perhaps = (): void => {
        question += 1;
        if (up[question] === false) throw new StammkundeError('BUS_UNREACHABLE', 'no network');
      };
      server.beforeChunk = perhaps;
      server.answer = () => {
        perhaps();
        return server.ready();
      };
      const outcome = await whileTimePasses(clock, seed(file, server, { clock }));
      expect(outcome.kind).toBe('loaded');
      expect(server.fetched).toEqual(server.manifest.chunks.map(({ sha256 }) => sha256));
      expect(differences(file, base)).toEqual([]);
    }),
    { numRuns: 10 },
  );
});

test('while the server makes the snapshot it is asked again when it said', async () => {
  const clock = new ManualClock();
  const file = await opened();
  const server = new SnapshotServer(base);
  let making = 3;
  server.answer = () => {
    making -= 1;
    return making >= 0 ? { kind: 'snapshot.offer', offer: 'making', retryInMs: 2_000 } : server.ready();
  };
  const seeding = seed(file, server, { clock });
  await clock.advance(3_999);
  expect(server.asked).toHaveLength(2);
  expect((await whileTimePasses(clock, seeding)).kind).toBe('loaded');
  expect(server.asked).toHaveLength(4);
});

test('with no snapshot offered, nothing is loaded and the till pulls', async () => {
  const file = await opened();
  const server = new SnapshotServer(base);
  server.answer = () => ({ kind: 'snapshot.offer', offer: 'none' });
  expect(await seed(file, server)).toEqual({ kind: 'none' });
  const old = new ManualClock();
  server.answer = () => {
    throw new StammkundeError('BUS_TIMEOUT', 'an older server knows no such question');
  };
  expect(await whileTimePasses(old, seed(file, server, { clock: old }))).toEqual({ kind: 'none' });
  expect(file.stores.credentials.liveCount()).toBe(0);
});

test('a server that does not answer for long makes no till drop the half it has loaded', async () => {
  const file = await opened();
  const server = new SnapshotServer(base);
  const closing = new AbortController();
  let left = 10;
  const counting = onBulkLoad(file, () => {
    left -= 1;
    if (left === 0) closing.abort();
  });
  await seed({ ...file, stores: counting }, server, { signal: closing.signal });
  const half = file.stores.credentials.liveCount();
  expect(half).toBeGreaterThan(0);
  const before = server.fetched.length;
  let unanswered = 0;
  server.answer = () => {
    if (unanswered === 10) return server.ready();
    unanswered += 1;
    throw new StammkundeError('BUS_TIMEOUT', 'no answer');
  };
  const clock = new ManualClock();
  expect((await whileTimePasses(clock, seed(file, server, { clock }))).kind).toBe('loaded');
  expect(unanswered).toBe(10);
  expect(differences(file, base)).toEqual([]);
  // What was loaded was not fetched again but for the chunk it was in, and the one on its way.
  expect(server.fetched.length - before).toBeLessThan(server.manifest.chunks.length);
  expect(server.fetched.length).toBeLessThanOrEqual(server.manifest.chunks.length + 2);
});

test('closing does not wait for the answer to an offer', async () => {
  const file = await opened();
  const server = new SnapshotServer(base);
  const asked = Promise.withResolvers<void>();
  server.answer = () => {
    asked.resolve();
    return new Promise(() => {});
  };
  const closing = new AbortController();
  const seeding = seed(file, server, { signal: closing.signal });
  await asked.promise;
  closing.abort();
  expect(await seeding).toEqual({ kind: 'stopped' });
});

test('a file that was filled page by page is not touched', async () => {
  const file = await opened();
  file.stores.credentials.bulkLoad([...base.credentials.values()].slice(0, 10));
  const server = new SnapshotServer(base);
  expect(await seed(file, server)).toEqual({ kind: 'none' });
  expect(server.asked).toEqual([]);
});

test('a full disk ends the loading, and after it there is room it goes on', async () => {
  for (const at of [1, 2, 3, 30, 77, 150, 290]) {
    const path = temporaryFile();
    let loads = 0;
    const file = await opened(path, {
      beforeStatement: (operation: string) => {
        if (!operation.startsWith('load')) return;
        loads += 1;
        if (loads === at) throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
      },
    });
    const server = new SnapshotServer(base);
    await expect(seed(file, server)).rejects.toMatchObject({
      code: 'REP_POISONED',
      cause: { code: 'DATA_DISK_FULL' },
    });
    await file.close();
    const again = await opened(path);
    expect((await seed(again, server)).kind).toBe('loaded');
    expect(differences(again, base)).toEqual([]);
    await again.close();
  }
});

test('when the server replaced the snapshot meanwhile, chunks of both are kept and the feed is followed from the earlier', async () => {
  const later = {
    credentials: new Map([...base.credentials].slice(5)),
    customers: new Map(
      [...base.customers].map(([id, each], n) => [id, n === 7 ? { ...each, points: 1 } : each]),
    ),
  };
  const file = await opened();
  const server = new SnapshotServer(base);
  const before = server.manifest;
  const halfway = 6;
  server.beforeChunk = (_chunk, nth) => {
    if (nth !== halfway || server.manifest !== before) return;
    server.make(later, { id: '2', seq: 200 });
    const kept = new Set(server.manifest.chunks.map(({ sha256 }) => sha256));
    for (const { sha256 } of before.chunks) if (!kept.has(sha256)) server.forget(sha256);
    throw new StammkundeError('REP_CHUNK_GONE', 'the first to be missed');
  };
  const outcome = await seed(file, server);
  expect(server.asked).toEqual([null, '1']);
  expect(outcome).toMatchObject({ kind: 'loaded', positions: before.positions });
  const again = server.fetched.filter((sha256, n) => server.fetched.indexOf(sha256) !== n);
  expect(again).toEqual([]);
  // The feed from there on: what differs between the two days, and nothing else.
  for (const collection of ['credentials', 'customers'] as const) {
    const put = [...later[collection].values()].filter(
      (each) => !isDeepStrictEqual(each, base[collection].get(keyOf(collection, { ...each }))),
    );
    const gone = [...base[collection].keys()].filter((id) => !later[collection].has(id));
    const store = file.stores[collection] as SqliteStore<object>;
    store.repair({ put, delete: gone });
  }
  expect(differences(file, later)).toEqual([]);
});

test('half a snapshot of another history is told apart, and nothing is added to it', async () => {
  const file = await opened();
  const server = new SnapshotServer(base);
  server.beforeChunk = (_chunk, nth) => {
    if (nth === 4) {
      server.make(base, { id: '2', epoch: 'e2' });
      throw new StammkundeError('REP_CHUNK_GONE', 'the server was restored');
    }
  };
  expect(await seed(file, server)).toEqual({ kind: 'outdated' });
  const held = file.stores.credentials.liveCount();
  expect(await seed(file, server)).toEqual({ kind: 'outdated' });
  expect(file.stores.credentials.liveCount()).toBe(held);
});

test('an offer that grows old is asked for again before the next chunk', async () => {
  const file = await opened();
  const server = new SnapshotServer(base);
  server.beforeChunk = (_chunk, nth) => {
    if (nth === 3 || nth === 8) server.isOfferOld = true;
  };
  expect((await seed(file, server)).kind).toBe('loaded');
  expect(server.asked).toEqual([null, '1', '1']);
  expect(differences(file, base)).toEqual([]);
});

test('a chunk that is not kept however often it is offered ends the loading', async () => {
  const file = await opened();
  const server = new SnapshotServer(base);
  server.forget(server.manifest.chunks[2]?.sha256 ?? '');
  await expect(seed(file, server)).rejects.toMatchObject({ code: 'REP_CHUNK_GONE' });
  expect(server.asked.length).toBeGreaterThan(1);
});

test('a document that does not fit is not written, nor one out of order, nor a chunk of another length', async () => {
  const documents = [...base.credentials.values()].toSorted((a, b) => (a.index < b.index ? -1 : 1));
  const [a, b, c] = documents;
  if (a === undefined || b === undefined || c === undefined) throw new Error('too few');
  const faults: readonly (readonly [readonly object[], object])[] = [
    [[a, { ...b, status: 'lost' }, c], { documents: 3 }],
    [[a, { ...b, number: '4242' }, c], { documents: 3 }],
    [[a, c, b], { documents: 3 }],
    [[a, b, b, c], { documents: 4 }],
    [[b, c], { documents: 2, first: a.index }],
    [[a, b, c], { documents: 4 }],
    [[a, b, c], { documents: 3, last: b.index }],
    [[a, b, c], { documents: 3, unpackedBytes: 100 }],
  ];
  for (const [lines, claims] of faults) {
    const file = await opened();
    const server = new SnapshotServer(base);
    server.replace(0, lines, { first: a.index, last: c.index, ...claims });
    await expect(seed(file, server)).rejects.toMatchObject({ code: 'REP_CHUNK_WRONG' });
    expect(file.stores.credentials.liveCount()).toBe(0);
    await file.close();
  }
});

test('a file that does not hold as many documents as the manifest names is not taken for loaded', async () => {
  const path = temporaryFile();
  const file = await opened(path);
  const server = new SnapshotServer(base);
  server.manifest = {
    ...server.manifest,
    documents: { ...server.manifest.documents, customers: base.customers.size + 1 },
  };
  await expect(seed(file, server)).rejects.toMatchObject({ code: 'REP_SEED_INCOMPLETE' });
  await expect(seed(file, server)).rejects.toMatchObject({ code: 'REP_SEED_INCOMPLETE' });
});

test('nothing of a snapshot is on the disk in the clear, at any moment of the loading', async () => {
  const path = temporaryFile();
  const file = await opened(path);
  const server = new SnapshotServer(base);
  const folder = join(path, '..');
  const [someone] = [...base.credentials.keys()];
  const seen = new Set<string>();
  const look = (): void => {
    for (const name of readdirSync(folder)) {
      seen.add(name);
      const bytes = readFileSync(join(folder, name));
      for (const clear of [CANARY, someone ?? '', 'customerId', '"tier"', 'seeding.plan']) {
        if (bytes.includes(clear)) throw new Error(`${clear} is to be read in ${name}`);
      }
      // Compressed is not encrypted: no chunk lies there either.
      if (bytes.includes(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))) throw new Error(`zstd in ${name}`);
    }
  };
  server.beforeChunk = look;
  await seed(file, server);
  look();
  expect([...seen].toSorted()).toContain('replica-000002.db.part-wal');
});

// The same with a disk that is really full; it needs the right to mount a small file system.
test('a file system without space ends the loading, and with space it goes on where it was', async (context) => {
  const folder = join(temporaryFile(), '..', 'small');
  mkdirSync(folder);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', folder]);
  if (mounted.status !== 0) context.skip('mounting a small file system is not permitted here');
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  const path = join(folder, 'replica.db');
  const ballast = join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(600 * 1024));
  const server = new SnapshotServer(madeBase(600));
  const first = await opened(path);
  await expect(seed(first, server)).rejects.toMatchObject({
    code: 'REP_POISONED',
    cause: { code: 'DATA_DISK_FULL' },
  });
  await first.close();
  rmSync(ballast);
  spawnSync('mount', ['-o', 'remount,size=8m', folder]);
  const fetchedBefore = server.fetched.length;
  const second = await opened(path);
  expect((await seed(second, server)).kind).toBe('loaded');
  expect(fetchedBefore).toBeGreaterThan(1);
  expect(server.fetched.length).toBeLessThan(server.manifest.chunks.length + fetchedBefore);
  expect(differences(second, madeBase(600))).toEqual([]);
});
