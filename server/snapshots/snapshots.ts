import type { Clock, Instant } from '../../foundation/clock.ts';
import { asError, isFault, StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { StoreId, TillId } from '../../sync/contract/ids.ts';
import type { Answer, Question } from '../../sync/contract/messages.ts';
import { snapshotCollections } from '../../sync/contract/snapshot.ts';
import type { SnapshotChunk, SnapshotDownload, SnapshotManifest } from '../../sync/contract/snapshot.ts';
import type { Database } from '../database/database.ts';
import { comparePlaces, positionAt } from '../feed/position.ts';
import { assertNotPurged } from '../feed/purge.ts';
import type { FeedScope } from '../feed/scope.ts';
import { BuildLease } from './build-lease.ts';
import { buildSnapshot } from './build-snapshot.ts';
import type { CutRule } from './chunk-cutter.ts';
import {
  countDocuments,
  noteOffered,
  readChunk,
  readEntries,
  readSnapshots,
  removeOld,
} from './snapshot-store.ts';
import type { Base, StoredSnapshot } from './snapshot-store.ts';
import type { Tickets } from './ticket.ts';

export interface SnapshotSettings {
  /** A snapshot older than this is made anew when a till asks; the old one is offered until the new one is there. */
  readonly maxAgeMs: number;
  /** Below so many documents none is made: pages of the feed bring them as fast. */
  readonly documentsMin: number;
  /** The API's address as tills reach it; undefined where they do not, and chunks come in MQTT messages alone. */
  readonly url: string | undefined;
}

export interface SnapshotPorts {
  readonly database: Database;
  readonly settings: SnapshotSettings;
  readonly tickets: Tickets;
  /** What a till that says it is in this store is to hold. */
  readonly scopeOf: (till: TillId, store: StoreId | undefined) => Promise<FeedScope>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** For tests: where chunks are cut. */
  readonly cutRule?: CutRule;
  /** Snapshots that may wait to be made. */
  readonly wantedMax?: number;
}

/** How long a snapshot outlives the last time it was offered, and how long beyond its age it is offered at all. */
const GRACE_MS = 6 * 3_600_000;
/** How often is looked for what can be removed. */
const UPKEEP_MS = 3_600_000;
/** And for the first time after the start, which may come more often than that. */
const FIRST_UPKEEP_MS = 300_000;
/** When a till asks again whether its snapshot is made. */
const RETRY_MS = 2_000;
/** A scope of more parts than this is pulled page by page: its manifest would be a book. */
const PARTS_MAX = 200;

/** Snapshots that may wait to be made: what tills of a few large regions may need at once. */
const WANTED_MAX = 2 * PARTS_MAX;

/** A snapshot of a base that a till may be given. */
interface Found {
  readonly base: Base;
  readonly part: string | null;
  readonly snapshot: StoredSnapshot | undefined;
}

/**
 * Offers tills a snapshot of what they are to hold, and makes it when there is none, one at a time and in the
 * background, on one of all servers. A till whose scope is made of parts is given the snapshots of those parts as one,
 * so that tills of different scopes share them.
 */
export class Snapshots implements Closable {
  readonly #ports: SnapshotPorts;
  readonly #closing = new AbortController();
  /** What is to be built, the one at work first. */
  readonly #wanted = new Map<Base, string | null>();
  #building: Promise<void> | undefined;
  #upkeep: Promise<void> | undefined;
  #cancelUpkeep: () => void = () => {};

  constructor(ports: SnapshotPorts) {
    this.#ports = ports;
    this.#scheduleUpkeep(FIRST_UPKEEP_MS);
  }

  /** Answers a till that asks for a snapshot. @throws StammkundeError DB_UNREACHABLE */
  async offer(till: TillId, question: Question<'snapshot.offer'>): Promise<Answer<'snapshot.offer'>> {
    const { kind, have, store } = question;
    const { database, settings, scopeOf, clock } = this.#ports;
    // One epoch for all of the answer: what was found in it is offered in it, whatever begins meanwhile.
    const { db, epoch } = database;
    const scope = await scopeOf(till, store);
    if ((scope.parts?.length ?? 0) > PARTS_MAX || !(await this.#isWorthwhile(scope))) {
      return { kind, offer: 'none' };
    }
    const wanted = new Set(have?.split('+').map(Number));
    const found = await Promise.all(basesOf(scope).map((base) => this.#find(base, epoch, wanted)));
    const due: Found[] = [];
    for (const each of found) {
      const isYoung = (each.snapshot?.madeAt ?? -Infinity) >= clock.now() - settings.maxAgeMs;
      // Counted after the others were found: who comes into an empty part after that comes with the feed.
      if (!isYoung && (await countDocuments(db, each.part)) > 0) due.push(each);
    }
    for (const { base, part } of due) this.#want(base, part);
    const isMissing = due.some(({ snapshot }) => snapshot === undefined);
    const snapshots = found.flatMap(({ snapshot }) => snapshot ?? []);
    if (isMissing || snapshots.length === 0) return { kind, offer: 'making', retryInMs: RETRY_MS };
    // Noted before the chunks are named: they stay from here on.
    await noteOffered(
      db,
      snapshots.map(({ id }) => id),
      clock.now(),
    );
    const chunks = await Promise.all(snapshots.map(({ id }) => readEntries(db, id)));
    const manifest = manifestOf({ epoch, scope, snapshots, chunks: chunks.flat() });
    return { kind, offer: 'ready', manifest, http: this.#download(till) };
  }

  /** Some bytes of a chunk. @throws StammkundeError REP_CHUNK_GONE · DB_UNREACHABLE */
  async chunk({ kind, sha256, ...range }: Question<'snapshot.chunk'>): Promise<Answer<'snapshot.chunk'>> {
    const found = await readChunk(this.#ports.database.db, sha256, range);
    if (found === undefined) throw new StammkundeError('REP_CHUNK_GONE', 'no chunk of this name is kept');
    return { kind, bytes: found.bytes.toString('base64'), total: found.total };
  }

  /** Removes what no till needs any more. @throws StammkundeError DB_UNREACHABLE */
  async removeOld(): Promise<void> {
    const { database, settings, clock, log } = this.#ports;
    const now = clock.now();
    const removed = await removeOld(database, {
      unusedSince: now - GRACE_MS,
      outdatedSince: now - settings.maxAgeMs,
    });
    if (removed.snapshots > 0 || removed.chunks > 0) log.info({ event: 'snapshot.removed', ...removed });
  }

  /** Resolves when nothing is being built. */
  async idle(): Promise<void> {
    while (this.#building !== undefined) await this.#building;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#wanted.clear();
    this.#cancelUpkeep();
    await this.#upkeep;
    await this.idle();
  }

  async #isWorthwhile({ parts }: FeedScope): Promise<boolean> {
    const { database, settings } = this.#ports;
    let documents = 0;
    for (const part of parts ?? [null]) documents += await countDocuments(database.db, part);
    return documents > 0 && documents >= settings.documentsMin;
  }

  /** The one the till has already, else the newest; none from before tombstones that are forgotten. */
  async #find(
    { base, part }: { base: Base; part: string | null },
    epoch: string,
    wanted: ReadonlySet<number>,
  ): Promise<Found> {
    const { database, settings, clock, log } = this.#ports;
    const since = clock.now() - settings.maxAgeMs - GRACE_MS;
    const made = await readSnapshots({ db: database.db, epoch }, base, since);
    const preferred = made.toSorted((a, b) => Number(wanted.has(b.id)) - Number(wanted.has(a.id)));
    for (const snapshot of preferred) {
      if (await this.#isFollowable(snapshot, epoch)) return { base, part, snapshot };
      log.info({ event: 'snapshot.expired', id: snapshot.id, base });
    }
    return { base, part, snapshot: undefined };
  }

  /** Whether the feed goes on from a snapshot, as a till that loaded it will ask. */
  async #isFollowable({ places }: StoredSnapshot, epoch: string): Promise<boolean> {
    const { db } = this.#ports.database;
    try {
      for (const collection of snapshotCollections) {
        await assertNotPurged(db, collection, { epoch, ...places[collection] });
      }
      return true;
    } catch (error) {
      if (isFault(error, 'REP_SNAPSHOT_REQUIRED')) return false;
      throw error;
    }
  }

  #download(till: TillId): SnapshotDownload | null {
    const { settings, tickets, clock } = this.#ports;
    return settings.url === undefined ? null : { url: settings.url, ...tickets.issue(till, clock.now()) };
  }

  #want(base: Base, part: string | null): void {
    // A till that is told to wait asks again.
    if (this.#closing.signal.aborted || this.#wanted.size >= (this.#ports.wantedMax ?? WANTED_MAX)) return;
    this.#wanted.set(base, part);
    // It settles every failure itself.
    this.#building ??= this.#buildWanted().finally(() => (this.#building = undefined));
  }

  async #buildWanted(): Promise<void> {
    const { log } = this.#ports;
    for (let next = first(this.#wanted); next !== undefined; next = first(this.#wanted)) {
      const [base, part] = next;
      try {
        await this.#build(base, part);
      } catch (error) {
        // The next till that asks has it tried again.
        log.error({ event: 'snapshot.failed', base, error: asError(error) });
      }
      this.#wanted.delete(base);
    }
  }

  async #build(base: Base, part: string | null): Promise<void> {
    const { database, settings, clock, random, log, cutRule } = this.#ports;
    const lease = await BuildLease.take(database.db, base, uuidV7(clock.now(), random));
    if (lease === undefined) return;
    try {
      // Another server may have made it between the till's question and this turn.
      const [newest] = await readSnapshots(database, base, clock.now() - settings.maxAgeMs);
      if (newest !== undefined && (await this.#isFollowable(newest, database.epoch))) return;
      const begun = clock.monotonicMs();
      const outcome = await buildSnapshot(database, {
        base,
        part,
        lease,
        clock,
        signal: this.#closing.signal,
        ...(cutRule === undefined ? {} : { cutRule }),
      });
      const ms = Math.round(clock.monotonicMs() - begun);
      log.info({ event: 'snapshot.built', base, ms, ...outcome });
    } finally {
      await lease.release();
    }
  }

  #scheduleUpkeep(delayMs: number): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelUpkeep = this.#ports.clock.schedule(delayMs, () => {
      this.#upkeep = this.removeOld()
        .catch((error: unknown) => {
          this.#ports.log.warn({ event: 'snapshot.upkeep_failed', error: asError(error) });
        })
        .finally(() => this.#scheduleUpkeep(UPKEEP_MS));
    });
  }
}

function basesOf({ parts }: FeedScope): readonly { readonly base: Base; readonly part: string | null }[] {
  if (parts === null) return [{ base: 'all', part: null }];
  return parts.map((part) => ({ base: `part:${part}`, part }));
}

function first<K, V>(map: ReadonlyMap<K, V>): [K, V] | undefined {
  const { value } = map.entries().next();
  return value;
}

/** Several parts' snapshots as one: it is as old as the oldest of them. */
function manifestOf({
  epoch,
  scope,
  snapshots,
  chunks,
}: {
  readonly epoch: string;
  readonly scope: FeedScope;
  readonly snapshots: readonly StoredSnapshot[];
  readonly chunks: readonly SnapshotChunk[];
}): SnapshotManifest {
  const oldest = (collection: 'credentials' | 'customers') => {
    const [place] = snapshots.map(({ places }) => places[collection]).toSorted(comparePlaces);
    return positionAt(epoch, scope, place ?? { xid: '0', seq: 0 });
  };
  const ordered = chunks.toSorted((a, b) => compare(a.collection, b.collection) || compare(a.first, b.first));
  const documents = { credentials: 0, customers: 0 };
  for (const chunk of chunks) documents[chunk.collection] += chunk.documents;
  return {
    id: snapshots.map(({ id }) => id).join('+'),
    madeAt: Math.min(...snapshots.map(({ madeAt }): Instant => madeAt)),
    positions: { credentials: oldest('credentials'), customers: oldest('customers') },
    documents,
    chunks: ordered,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
