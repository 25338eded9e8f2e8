// What snapshots promise, held against a real database: whoever loads one and follows the feed from its positions
// holds what the server holds, whatever was written while it was made.
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import type { Database } from '../../../server/database/database.ts';
import { purgeTombstones } from '../../../server/feed/purge.ts';
import { EVERYTHING } from '../../../server/feed/scope.ts';
import type { FeedScope } from '../../../server/feed/scope.ts';
import { BuildLease } from '../../../server/snapshots/build-lease.ts';
import { buildSnapshot } from '../../../server/snapshots/build-snapshot.ts';
import { readEntries } from '../../../server/snapshots/snapshot-store.ts';
import { Snapshots } from '../../../server/snapshots/snapshots.ts';
import { Tickets } from '../../../server/snapshots/ticket.ts';
import type { Answer } from '../../../sync/contract/messages.ts';
import { SnapshotManifest, snapshotCollections } from '../../../sync/contract/snapshot.ts';
import { keyOf } from '../../../sync/contract/range-hash.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ModelTill } from '../feed/model-till.ts';
import { perform, write } from '../feed/random-writes.ts';
import type { Write } from '../feed/random-writes.ts';

const HOUR_MS = 3_600_000;
const cutRule = { documentsMin: 2, documentsMean: 4, documentsMax: 12, textBytesMax: 2_000 };

const held = (): Promise<boolean> => Promise.resolve(true);

export function snapshotsSuite(database: () => Database, runs: number): void {
  let clock: ManualClock;
  beforeEach(async () => {
    clock = new ManualClock(Date.now());
    for (const table of ['snapshot', 'snapshot_chunk', 'snapshot_build', 'credential', 'customer']) {
      await sql`delete from ${sql.table(table)}`.execute(database().db);
    }
    await sql`delete from feed_tombstone`.execute(database().db);
    await sql`delete from feed_purged`.execute(database().db);
  });

  const offers = (
    options: { scope?: FeedScope; documentsMin?: number; url?: string; wantedMax?: number } = {},
  ): Snapshots =>
    new Snapshots({
      database: database(),
      settings: { maxAgeMs: 2 * HOUR_MS, documentsMin: options.documentsMin ?? 1, url: options.url },
      tickets: new Tickets(new Uint8Array(32), 'shop'),
      scopeOf: () => Promise.resolve(options.scope ?? EVERYTHING),
      clock,
      random: new SeededRandom(1),
      log: silentLog,
      cutRule,
      ...(options.wantedMax === undefined ? {} : { wantedMax: options.wantedMax }),
    });
  const ask = (snapshots: Snapshots, have: string | null = null) =>
    snapshots.offer('till-1', { kind: 'snapshot.offer', have });
  const ready = async (snapshots: Snapshots, have: string | null = null) => {
    let answer: Answer<'snapshot.offer'> = await ask(snapshots, have);
    if (answer.offer === 'making') {
      await snapshots.idle();
      answer = await ask(snapshots, have);
    }
    if (answer.offer !== 'ready') throw new Error(`the offer is ${answer.offer}`);
    return answer;
  };
  const register = async (count: number): Promise<void> => {
    await sql`
      with joined as (
        insert into customer (id, status, tier, points_at, created_at)
        select gen_random_uuid(), 'active', 'basic', 0, 0 from generate_series(1, ${count}::integer) returning id)
      insert into credential (id, index, kind, scheme, customer_id, status, issued_at)
      select gen_random_uuid(), translate(encode(sha256(id::text::bytea), 'base64'), '+/=', '-_'), 'card', 'house', id,
        'active', 0 from joined`.execute(database().db);
  };
  const documentsOf = async (
    snapshots: Snapshots,
    sha256: string,
  ): Promise<readonly Record<string, unknown>[]> => {
    const { bytes } = await snapshots.chunk({ kind: 'snapshot.chunk', sha256, offset: 0, length: 262_144 });
    const text = zstdDecompressSync(Buffer.from(bytes, 'base64')).toString();
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  /** Loads every chunk as tills do, follows the feed, and tells in which buckets it differs then. */
  const loadAndFollow = async (snapshots: Snapshots, manifest: SnapshotManifest, scope: FeedScope) => {
    const differing: unknown[] = [];
    for (const collection of snapshotCollections) {
      const till = new ModelTill(database(), collection, scope);
      for (const chunk of manifest.chunks) {
        if (chunk.collection !== collection) continue;
        const documents = await documentsOf(snapshots, chunk.sha256);
        expect(documents).toHaveLength(chunk.documents);
        for (const document of documents) {
          const key = keyOf(collection, document);
          if (!till.documents.has(key)) till.documents.set(key, document);
        }
      }
      till.position = manifest.positions[collection];
      await till.pullAll();
      differing.push(await till.differing());
    }
    return differing;
  };

  test('a till that loads a snapshot and follows the feed holds what the server holds, whatever was written meanwhile', async () => {
    const parts = fc.constantFrom<readonly string[] | null>(null, ['', 'north'], ['north', 'south', '~']);
    await fc.assert(
      fc.asyncProperty(
        fc.array(write, { minLength: 10, maxLength: 40 }),
        fc.array(write, { maxLength: 30 }),
        fc.array(write, { maxLength: 5 }),
        parts,
        async (before, meanwhile, after, scopeParts) => {
          const { db } = database();
          await register(15);
          for (const each of before) await perform(db, each);
          const queue: Write[] = [...meanwhile];
          // Between any two chunks somebody writes.
          const lease = {
            renew: async (): Promise<boolean> => {
              for (const each of queue.splice(0, 3)) await perform(db, each);
              return true;
            },
            hold: held,
          };
          const common = { lease, clock, signal: new AbortController().signal, cutRule, pageRows: 3 };
          for (const part of scopeParts ?? [null]) {
            const base = part === null ? 'all' : `part:${part}`;
            expect(await buildSnapshot(database(), { ...common, base, part })).toMatchObject({
              kind: 'made',
            });
          }
          for (const each of after) await perform(db, each);
          const scope = { parts: scopeParts, name: scopeParts === null ? undefined : '0123456789abcdef' };
          const snapshots = offers({ scope, documentsMin: 0 });
          const answer = await ask(snapshots);
          // Where everything was erased there is nothing to offer.
          const differing =
            answer.offer === 'ready'
              ? await loadAndFollow(snapshots, SnapshotManifest.parse(answer.manifest), scope)
              : [[], []];
          expect(differing).toEqual([[], []]);
          await snapshots.close();
          await sql`delete from snapshot`.execute(db);
        },
      ),
      { numRuns: runs },
    );
  });

  test('snapshots of parts made one after the other are as old as the first of them', async () => {
    await register(20);
    for (let who = 0; who < 5; who += 1) await perform(database().db, { kind: 'move', who, part: 'north' });
    const lease = { renew: held, hold: held };
    const common = { lease, clock, signal: new AbortController().signal, cutRule };
    await buildSnapshot(database(), { ...common, base: 'part:', part: '' });
    for (let who = 0; who < 20; who += 1) await perform(database().db, { kind: 'sell', who });
    await perform(database().db, { kind: 'erase', who: 12 });
    await buildSnapshot(database(), { ...common, base: 'part:north', part: 'north' });
    const scope = { parts: ['', 'north'], name: '0123456789abcdef' };
    const snapshots = offers({ scope });
    const { manifest } = await ready(snapshots);
    expect(await loadAndFollow(snapshots, manifest, scope)).toEqual([[], []]);
    await snapshots.close();
  });

  test('a snapshot is made when a till asks for the first, and offered from then on', async () => {
    await register(30);
    const snapshots = offers();
    expect(await ask(snapshots)).toEqual({ kind: 'snapshot.offer', offer: 'making', retryInMs: 2_000 });
    await snapshots.idle();
    const answer = await ready(snapshots);
    expect(answer.manifest).toMatchObject({
      documents: { credentials: 30, customers: 30 },
      madeAt: clock.now(),
    });
    expect(answer.http).toBeNull();
    expect(await loadAndFollow(snapshots, answer.manifest, EVERYTHING)).toEqual([[], []]);
    expect((await ready(snapshots)).manifest).toEqual(answer.manifest);
    await snapshots.close();
  });

  test('chunks are sorted by key, whole, and cut where the manifest says', async () => {
    await register(60);
    const snapshots = offers();
    const { manifest } = await ready(snapshots);
    expect(manifest.chunks.length).toBeGreaterThan(8);
    let before = { collection: '', last: '' };
    for (const chunk of manifest.chunks) {
      const keys = (await documentsOf(snapshots, chunk.sha256)).map((each) => keyOf(chunk.collection, each));
      expect(keys).toEqual(keys.toSorted());
      expect([keys[0], keys.at(-1)]).toEqual([chunk.first, chunk.last]);
      expect(chunk.collection !== before.collection || chunk.first > before.last).toBe(true);
      before = chunk;
    }
    await snapshots.close();
  });

  test('the snapshots of two days share all chunks but those where something changed', async () => {
    await register(200);
    const snapshots = offers();
    const first = (await ready(snapshots)).manifest;
    await clock.advance(3 * HOUR_MS);
    await register(1);
    // The old one is offered while the new one is being made.
    expect((await ask(snapshots)).offer).toBe('ready');
    await snapshots.idle();
    const second = (await ready(snapshots)).manifest;
    expect(second.id).not.toBe(first.id);
    const known = new Set(first.chunks.map(({ sha256 }) => sha256));
    const fresh = second.chunks.filter(({ sha256 }) => !known.has(sha256));
    expect(fresh.length).toBeGreaterThan(0);
    // One customer and one card: each in one chunk, which may be cut in two or push its end to the next cut.
    expect(fresh.length).toBeLessThanOrEqual(6);
    expect(second.chunks.length).toBeGreaterThan(40);
    await snapshots.close();
  });

  test('of several servers one makes the snapshot, and another goes on when that one is gone', async () => {
    const { db } = database();
    const lease = await BuildLease.take(db, 'all', 'first');
    expect(await BuildLease.take(db, 'all', 'second')).toBeUndefined();
    expect(await BuildLease.take(db, 'part:north', 'second')).toBeDefined();
    expect(await lease?.renew()).toBe(true);
    await sql`update snapshot_build set until = clock_timestamp() - interval '1 second'`.execute(db);
    const second = await BuildLease.take(db, 'all', 'second');
    expect(await lease?.renew()).toBe(false);
    await lease?.release();
    expect(await second?.renew()).toBe(true);
    await second?.release();
    expect(await BuildLease.take(db, 'all', 'third')).toBeDefined();
  });

  test('two servers asked at the same time make one snapshot', async () => {
    await register(40);
    const [one, two] = [offers(), offers()];
    await Promise.all([ask(one), ask(two)]);
    await Promise.all([one.idle(), two.idle()]);
    const { rows } = await sql`select id from snapshot`.execute(database().db);
    expect(rows).toHaveLength(1);
    await one.close();
    await two.close();
  });

  test('a builder that lost its lease leaves no snapshot', async () => {
    await register(40);
    const common = { base: 'all', part: null, clock, signal: new AbortController().signal, cutRule };
    let chunks = 0;
    const lease = { renew: () => Promise.resolve((chunks += 1) < 3), hold: held };
    expect(await buildSnapshot(database(), { ...common, lease })).toEqual({ kind: 'lost' });
    const { rows } = await sql`select id from snapshot`.execute(database().db);
    expect(rows).toHaveLength(0);
  });

  test('a snapshot in the midst of which another history begins is not kept', async () => {
    await register(40);
    const stored = (epoch: string): Promise<unknown> =>
      database().db.updateTable('server_meta').set({ value: epoch }).where('name', '=', 'epoch').execute();
    const lease = {
      renew: async (): Promise<boolean> => {
        await stored('another history');
        return true;
      },
      hold: held,
    };
    const common = { base: 'all', part: null, clock, signal: new AbortController().signal, cutRule };
    expect(await buildSnapshot(database(), { ...common, lease })).toEqual({ kind: 'lost' });
    const { rows } = await sql`select id from snapshot`.execute(database().db);
    expect(rows).toHaveLength(0);
    // A server that has not learned it yet makes one of the history the database names.
    await buildSnapshot(database(), { ...common, lease });
    expect(await database().db.selectFrom('snapshot').select('epoch').execute()).toEqual([
      { epoch: 'another history' },
    ]);
    await stored(database().epoch);
  });

  test('a snapshot from before forgotten tombstones is not offered', async () => {
    await register(30);
    const snapshots = offers();
    const { manifest } = await ready(snapshots);
    await perform(database().db, { kind: 'erase', who: 3 });
    expect((await ready(snapshots)).manifest.id).toBe(manifest.id);
    await purgeTombstones(database(), Date.now() + HOUR_MS);
    expect((await ask(snapshots, manifest.id)).offer).toBe('making');
    await snapshots.idle();
    const next = await ready(snapshots, manifest.id);
    expect(next.manifest.id).not.toBe(manifest.id);
    expect(await loadAndFollow(snapshots, next.manifest, EVERYTHING)).toEqual([[], []]);
    await snapshots.close();
  });

  test('a till is offered the snapshot it is loading until that is too old, whatever was made since', async () => {
    await register(30);
    const snapshots = offers();
    const { manifest } = await ready(snapshots);
    await clock.advance(3 * HOUR_MS);
    await register(1);
    await ask(snapshots, manifest.id);
    await snapshots.idle();
    expect((await ready(snapshots, manifest.id)).manifest.id).toBe(manifest.id);
    expect((await ready(snapshots)).manifest.id).not.toBe(manifest.id);
    await clock.advance(6 * HOUR_MS);
    expect((await ready(snapshots, manifest.id)).manifest.id).not.toBe(manifest.id);
    await snapshots.close();
  });

  test('what tills may be loading stays; the rest goes, with the chunks that belong to nothing else', async () => {
    await register(30);
    const snapshots = offers();
    const first = (await ready(snapshots)).manifest;
    await clock.advance(3 * HOUR_MS);
    for (let who = 0; who < 30; who += 1) await perform(database().db, { kind: 'sell', who });
    await ask(snapshots);
    await snapshots.idle();
    const second = (await ready(snapshots)).manifest;
    const keptOf = async (manifest: SnapshotManifest): Promise<number> => {
      const { rows } = await sql<{ n: number }>`
        select count(*) as n from snapshot_chunk
        where sha256 = any(${manifest.chunks.map(({ sha256 }) => sha256)}::text[])`.execute(database().db);
      return rows[0]?.n ?? 0;
    };
    await snapshots.removeOld();
    expect(await keptOf(first)).toBe(first.chunks.length);
    await clock.advance(5 * HOUR_MS);
    await ready(snapshots, second.id);
    await snapshots.idle();
    await clock.advance(2 * HOUR_MS);
    await snapshots.removeOld();
    // Points changed: the credentials are the same chunks, the customers are others.
    expect(await keptOf(first)).toBe(first.chunks.filter((each) => each.collection === 'credentials').length);
    expect(await keptOf(second)).toBe(second.chunks.length);
    await clock.advance(25 * HOUR_MS);
    await snapshots.removeOld();
    expect(await keptOf(second)).toBe(0);
    await snapshots.close();
  });

  test('a snapshot of another history of the data is neither offered nor kept', async () => {
    await register(30);
    const snapshots = offers();
    const { manifest } = await ready(snapshots);
    await sql`update snapshot set epoch = 'before the restore'`.execute(database().db);
    expect((await ask(snapshots, manifest.id)).offer).toBe('making');
    await snapshots.idle();
    await snapshots.removeOld();
    const { rows } = await sql<{ epoch: string }>`select epoch from snapshot`.execute(database().db);
    expect(rows.map(({ epoch }) => epoch)).toEqual([database().epoch]);
    await snapshots.close();
  });

  test('of a part nobody is in none is made, and who comes into it later comes with the feed', async () => {
    await register(30);
    const scope = { parts: ['', 'nowhere', 'nowhere~'], name: '0123456789abcdef' };
    const snapshots = offers({ scope });
    const { manifest } = await ready(snapshots);
    const { rows } = await sql<{ base: string }>`select base from snapshot`.execute(database().db);
    expect(rows).toEqual([{ base: 'part:' }]);
    await perform(database().db, { kind: 'move', who: 3, part: 'nowhere' });
    expect(await loadAndFollow(snapshots, manifest, scope)).toEqual([[], []]);
    await snapshots.close();
  });

  test('no more are waiting to be made than a till may need, whatever is asked for', async () => {
    await register(2);
    const { db } = database();
    await sql`insert into customer (id, status, tier, points_at, created_at, feed_part)
              select gen_random_uuid(), 'active', 'basic', 0, 0, 'p' || n from generate_series(1, 10) n`.execute(
      db,
    );
    const parts = Array.from({ length: 10 }, (_, n) => `p${n + 1}`);
    const snapshots = offers({ scope: { parts, name: '0123456789abcdef' }, wantedMax: 3 });
    expect((await ask(snapshots)).offer).toBe('making');
    await snapshots.idle();
    expect(await db.selectFrom('snapshot').select('base').execute()).toHaveLength(3);
    // Who is told to wait asks again, and has them all in the end.
    for (let again = 0; again < 3; again += 1) {
      await ask(snapshots);
      await snapshots.idle();
    }
    expect((await ask(snapshots)).offer).toBe('ready');
    await snapshots.close();
  });

  test('a small shop is told to pull page by page', async () => {
    await register(9);
    const snapshots = offers({ documentsMin: 19 });
    expect(await ask(snapshots)).toEqual({ kind: 'snapshot.offer', offer: 'none' });
    await perform(database().db, { kind: 'register', cards: 0 });
    expect((await ask(snapshots)).offer).toBe('making');
    await snapshots.close();
  });

  test('a chunk comes in slices, and an unknown one is told as gone', async () => {
    await register(30);
    const snapshots = offers({ url: 'https://shop.example' });
    const { manifest, http } = await ready(snapshots);
    expect(http).toMatchObject({ url: 'https://shop.example', expiresAt: clock.now() + HOUR_MS });
    const [chunk] = manifest.chunks;
    if (chunk === undefined) throw new Error('no chunk');
    const kind = 'snapshot.chunk';
    const slices: Buffer[] = [];
    for (let offset = 0; offset < chunk.bytes; offset += 100) {
      const slice = await snapshots.chunk({ kind, sha256: chunk.sha256, offset, length: 100 });
      expect(slice.total).toBe(chunk.bytes);
      slices.push(Buffer.from(slice.bytes, 'base64'));
    }
    const whole = await snapshots.chunk({ kind, sha256: chunk.sha256, offset: 0, length: 262_144 });
    expect(Buffer.concat(slices).toString('base64')).toBe(whole.bytes);
    await expect(
      snapshots.chunk({ kind, sha256: '0'.repeat(64), offset: 0, length: 10 }),
    ).rejects.toMatchObject({ code: 'REP_CHUNK_GONE' });
    await snapshots.close();
  });

  test('the end stops a build without leaving half a snapshot', async () => {
    await register(60);
    const snapshots = offers();
    await ask(snapshots);
    await snapshots.close();
    const { rows } = await sql<{ id: number }>`select id from snapshot`.execute(database().db);
    for (const { id } of rows) {
      const entries = await readEntries(database().db, id);
      expect(entries.reduce((sum, { documents }) => sum + documents, 0)).toBe(120);
    }
    expect((await sql`select base from snapshot_build`.execute(database().db)).rows).toEqual([]);
  });
}
