import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import { snapshotCollections } from '../../sync/contract/snapshot.ts';
import type { SnapshotChunk, SnapshotCollection } from '../../sync/contract/snapshot.ts';
import type { Database } from '../database/database.ts';
import { readStored } from '../database/epoch.ts';
import { readEnd } from '../feed/feed-store.ts';
import { rowAccess, tableOf } from '../feed/row-collections.ts';
import type { BuildLease } from './build-lease.ts';
import { ChunkCutter, CUT_RULE } from './chunk-cutter.ts';
import type { CutChunk, CutRule } from './chunk-cutter.ts';
import { storeChunk, storeSnapshot, touchChunk } from './snapshot-store.ts';
import type { Base } from './snapshot-store.ts';

/** Rows read at once: some milliseconds of making text of them. */
const PAGE_ROWS = 1_000;

const compress = promisify(zstdCompress);

export interface SnapshotBuild {
  readonly base: Base;
  /** The part of the customer base; null: all of it. */
  readonly part: string | null;
  readonly lease: Pick<BuildLease, 'renew' | 'hold'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly cutRule?: CutRule;
  readonly pageRows?: number;
}

/**
 * What a build came to. `lost`: another has taken it over, somebody was erased meanwhile, another history began, or it was
 * stopped.
 */
export type BuildOutcome =
  | {
      readonly kind: 'made';
      readonly id: number;
      readonly documents: number;
      readonly chunks: number;
      /** Chunks that were not kept already. */
      readonly newChunks: number;
    }
  | { readonly kind: 'lost' };

/**
 * Makes a snapshot: positions first, then page by page in the order of keys, each page in a snapshot of its own, so that
 * no transaction stays open and holds back the feed. A row that changed after the positions were taken, before or after
 * its page was read, has a later place in the feed; one that was deleted has left a tombstone there.
 * @throws StammkundeError DB_UNREACHABLE, and what the database says
 */
export async function buildSnapshot(database: Database, build: SnapshotBuild): Promise<BuildOutcome> {
  const { db } = database;
  const { base, clock } = build;
  // Before the places, and looked at again at the end: places of one history must not be told as another's.
  const { epoch } = await readStored(db);
  if (epoch === null) return { kind: 'lost' };
  const places = {
    credentials: await readEnd(db, 'credentials'),
    customers: await readEnd(db, 'customers'),
  };
  const chunks: SnapshotChunk[] = [];
  let newChunks = 0;
  for (const collection of snapshotCollections) {
    for await (const cut of readCut(database, collection, build)) {
      // The compression is done by another thread; level 3, libzstd's own default.
      const bytes = await compress(cut.text);
      const sha256 = hash('sha256', bytes);
      const kept = await keepChunk(database, build, { sha256, bytes });
      if (kept === 'lost' || !(await build.lease.renew()) || build.signal.aborted) return { kind: 'lost' };
      if (kept === 'new') newChunks += 1;
      const { documents, first, last } = cut;
      chunks.push({
        collection,
        sha256,
        bytes: bytes.length,
        unpackedBytes: Buffer.byteLength(cut.text),
        documents,
        first,
        last,
      });
    }
    if (build.signal.aborted) return { kind: 'lost' };
  }
  const id = await database.transaction(async (tx) =>
    (await build.lease.hold(tx)) && (await readStored(tx)).epoch === epoch
      ? storeSnapshot(tx, { base, epoch, places, chunks, now: clock.now() })
      : undefined,
  );
  if (id === undefined) return { kind: 'lost' };
  const documents = chunks.reduce((sum, chunk) => sum + chunk.documents, 0);
  return { kind: 'made', id, documents, chunks: chunks.length, newChunks };
}

/** With the lease in hand: what was read before an erasure is not stored after it. */
async function keepChunk(
  database: Database,
  { lease, clock }: SnapshotBuild,
  { sha256, bytes }: { readonly sha256: string; readonly bytes: Buffer },
): Promise<'kept' | 'new' | 'lost'> {
  return database.transaction(async (tx) => {
    if (!(await lease.hold(tx))) return 'lost';
    if (await touchChunk(tx, sha256, clock.now())) return 'kept';
    await storeChunk(tx, { sha256, bytes, now: clock.now() });
    return 'new';
  });
}

async function* readCut(
  { db }: Database,
  collection: SnapshotCollection,
  { part, signal, cutRule = CUT_RULE, pageRows = PAGE_ROWS }: SnapshotBuild,
): AsyncGenerator<CutChunk, void, undefined> {
  const { columns, key, sortKey, keyValue, document } = rowAccess[collection];
  const cutter = new ChunkCutter(cutRule);
  const inPart = part === null ? sql`true` : sql`f.feed_part = ${part}`;
  let after: string | undefined;
  for (let more = true; more && !signal.aborted;) {
    const behind = after === undefined ? sql`true` : sql`${sortKey} > ${keyValue(after)}`;
    const { rows } = await sql<{ snapshot_key: string }>`
      select ${columns}, ${key} as snapshot_key from ${tableOf[collection]} f
      where ${inPart} and ${behind} order by ${sortKey} limit ${pageRows}::bigint`.execute(db);
    for (const row of rows) {
      const cut = cutter.add(row.snapshot_key, document(row, false));
      if (cut !== undefined) yield cut;
      after = row.snapshot_key;
    }
    more = rows.length === pageRows;
    // Whoever waits for this thread has a turn after each page.
    await setImmediate();
  }
  const rest = signal.aborted ? undefined : cutter.end();
  if (rest !== undefined) yield rest;
}
