import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../foundation/clock.ts';
import { abortReason, sleep } from '../../../foundation/clock.ts';
import { StammkundeError, asError, isFault } from '../../../foundation/errors.ts';
import type { Log } from '../../../foundation/log.ts';
import type { Random } from '../../../foundation/random.ts';
import { retryDelayMs } from '../../../foundation/retry-schedule.ts';
import type { ReplicaDocuments } from '../../../sync/contract/replica-documents.ts';
import { snapshotCollections } from '../../../sync/contract/snapshot.ts';
import type { SnapshotChunk, SnapshotCollection, SnapshotManifest } from '../../../sync/contract/snapshot.ts';
import type { SqliteStore } from '../storage/store.ts';
import { unlessAborted } from '../unless-aborted.ts';
import { ChunkDocuments } from './chunk-documents.ts';
import { SeedMarks } from './seed-marks.ts';
import { continueWith } from './seed-plan.ts';
import type { SeedPlan } from './seed-plan.ts';
import { SeedMeter } from './seed-meter.ts';
import type { SeedEvent } from './seed-meter.ts';
import { SliceSize } from './slice-size.ts';
import type { SnapshotSource } from './snapshot-source.ts';

export type SeedStores = { readonly [C in SnapshotCollection]: SqliteStore<ReplicaDocuments[C]> };

export interface SeedOptions {
  /** Of a new generation's file, in which nothing writes meanwhile. */
  readonly stores: SeedStores;
  readonly source: SnapshotSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ends the loading; what is loaded stays. */
  readonly signal: AbortSignal;
  /** About as long as one slice of writing may hold up the thread: 2 where lookups are answered on it. */
  readonly sliceMs: number;
  /** Called several times a second at most. */
  readonly onProgress?: (event: SeedEvent) => void;
}

/**
 * What became of it.
 *
 * - `loaded`: all of it is in the file; the feed goes on from `positions`.
 * - `none`: the server offers no snapshot, or the file holds documents that came page by page. Pull.
 * - `outdated`: the file holds part of a snapshot of another history or another scope. Begin with an empty file.
 * - `stopped`: by the signal. Go on later.
 */
export type SeedOutcome =
  | {
      readonly kind: 'loaded';
      readonly positions: SnapshotManifest['positions'];
      readonly documents: SnapshotManifest['documents'];
    }
  | { readonly kind: 'none' }
  | { readonly kind: 'outdated' }
  | { readonly kind: 'stopped' };

/** Between attempts to reach the server. */
const RETRY = { firstMs: 1_000, maxMs: 30_000 } as const;
/** A connected server that leaves so many questions unanswered does not know them: it is an older one. */
const UNANSWERED_MAX = 3;
/** How often the same manifest may name a chunk that is not kept, or that is wrong. */
const USELESS_OFFERS_MAX = 3;

/**
 * Loads a snapshot into a new generation's file. Chunk after chunk, the next one on its way while one is written; a
 * chunk is verified, unpacked and checked in memory, and each slice of its documents is one transaction together with
 * the note how far it came. So the file itself says where to go on, after whatever interrupted it.
 *
 *   offer ──ready──▶ plan ──▶ chunk, chunk, … ──▶ counted ──▶ loaded
 *     ▲ └─making─▶ wait          │ no network ─▶ wait, the same chunk
 *     └──────────────────────────┘ no longer kept, ticket ends ─▶ asked again: the same plan, or the one after
 *
 * @throws StammkundeError REP_POISONED when the file takes nothing more (DATA_DISK_FULL and others as its cause): open it
 *   again and go on · REP_CHUNK_WRONG when the server's own chunks are wrong · REP_SEED_INCOMPLETE when the file does not
 *   hold what was loaded: begin with an empty file
 */
export async function seedReplica(options: SeedOptions): Promise<SeedOutcome> {
  const seeding = new Seeding(options);
  try {
    return await seeding.run();
  } catch (error) {
    // Whatever fails because of the end is the end.
    if (options.signal.aborted && !isFault(error, 'REP_POISONED')) return { kind: 'stopped' };
    throw error;
  }
}

type Offer = { readonly kind: 'plan'; readonly plan: SeedPlan } | Exclude<SeedOutcome, { kind: 'loaded' }>;

class Seeding {
  readonly #options: SeedOptions;
  readonly #marks: SeedMarks;
  readonly #meter: SeedMeter;
  readonly #slice: SliceSize;
  #useless = { manifest: '', times: 0 };

  constructor(options: SeedOptions) {
    this.#options = options;
    this.#marks = new SeedMarks(options.stores.credentials);
    this.#meter = new SeedMeter(options.clock, options.onProgress ?? (() => {}));
    this.#slice = new SliceSize(options.sliceMs);
  }

  async run(): Promise<SeedOutcome> {
    const { stores, log } = this.#options;
    const before = this.#marks.progress();
    if (before?.state === 'loaded') {
      return { kind: 'loaded', positions: before.positions, documents: before.documents };
    }
    if (before === undefined && this.#liveCounts().some((count) => count > 0)) return { kind: 'none' };
    for (;;) {
      const offer = await this.#offer();
      // What a snapshot brought by halves has no position: a pull from nothing would not say what was deleted since.
      if (offer.kind === 'none' && this.#marks.progress() !== undefined) return { kind: 'outdated' };
      if (offer.kind !== 'plan') return offer;
      if (!(await this.#loadAll(offer.plan))) continue;
      this.#meter.phase('checking');
      const { positions, documents } = offer.plan.manifest;
      this.#assertWhole(offer.plan);
      stores.credentials.writeMark(this.#marks.finished(positions, documents));
      stores.credentials.writeMark(this.#marks.noPlan());
      this.#meter.phase('loaded');
      log.info({ event: 'replica.seeded', ...this.#meter.totals });
      return { kind: 'loaded', positions, documents };
    }
  }

  /** Asks for a snapshot until there is one, or none. */
  async #offer(): Promise<Offer> {
    const { source, clock, random, log, signal } = this.#options;
    this.#meter.phase('asking');
    let unanswered = 0;
    for (let failures = 0; !signal.aborted;) {
      let delayMs = retryDelayMs(RETRY, failures, random);
      try {
        const answer = await unlessAborted(source.offer(this.#marks.plan()?.manifest.id ?? null), signal);
        if (answer === undefined) break;
        if (answer.offer === 'ready') return this.#adopt(answer.manifest);
        if (answer.offer === 'none') return { kind: 'none' };
        this.#meter.phase('waiting');
        delayMs = answer.retryInMs;
        failures = 0;
      } catch (error) {
        failures += 1;
        unanswered = isFault(error, 'BUS_TIMEOUT') ? unanswered + 1 : 0;
        if (!isOffline(error))
          log.warn({ event: 'replica.seed.offer_failed', failures, error: asError(error) });
        // Who offered what is half loaded knows the question: it is slow, and what is loaded is worth the wait.
        const isUnknown = unanswered >= UNANSWERED_MAX && this.#marks.progress() === undefined;
        if (isUnknown || isFault(error, 'REQ_REFUSED')) return { kind: 'none' };
      }
      await sleep(clock, delayMs, signal);
    }
    return { kind: 'stopped' };
  }

  /** Makes the manifest the plan, or goes on with the plan there is. */
  #adopt(manifest: SnapshotManifest): Offer {
    const { stores, log } = this.#options;
    const before = this.#marks.plan();
    const progress = this.#marks.progress();
    if (before !== undefined && progress?.state === 'loading') {
      if (before.manifest.id === manifest.id && before.manifest.madeAt === manifest.madeAt) {
        return { kind: 'plan', plan: before };
      }
      const plan = continueWith(manifest, before, progress);
      if (plan === undefined) return { kind: 'outdated' };
      log.info({ event: 'replica.seed.replanned', before: before.manifest.id, manifest: manifest.id });
      this.#begin(plan);
      return { kind: 'plan', plan };
    }
    const plan: SeedPlan = { manifest, loaded: [], overlapping: false };
    this.#begin(plan);
    log.info({
      event: 'replica.seed.begun',
      manifest: manifest.id,
      chunks: manifest.chunks.length,
      ...manifest.documents,
    });
    stores.credentials.sync();
    return { kind: 'plan', plan };
  }

  #begin(plan: SeedPlan): void {
    const { credentials } = this.#options.stores;
    // The progress first: without its plan it is worth nothing, the plan without its progress would skip chunks.
    credentials.writeMark(this.#marks.loading(0, 0));
    credentials.writeMark(this.#marks.planned(plan));
  }

  /** False when the server is to be asked again. */
  async #loadAll(plan: SeedPlan): Promise<boolean> {
    const { signal } = this.#options;
    const { chunks } = plan.manifest;
    const had = new Set(plan.loaded);
    const progress = this.#marks.progress();
    const start = progress?.state === 'loading' ? progress : { chunk: 0, documents: 0 };
    this.#meter.begin(chunks, (chunk, n) => n < start.chunk || had.has(chunk.sha256), start.documents);
    const todo = chunks.flatMap((chunk, number) =>
      number < start.chunk || had.has(chunk.sha256) ? [] : [{ chunk, number }],
    );
    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal]);
    try {
      let next = this.#fetch(todo[0]?.chunk, stop);
      for (const [n, { chunk, number }] of todo.entries()) {
        const fetched = await next;
        if (fetched === 'ask-again') return false;
        if (fetched === undefined) break;
        next = this.#fetch(todo[n + 1]?.chunk, stop);
        await this.#write(chunk, number, fetched, number === start.chunk ? start.documents : 0);
      }
    } finally {
      ended.abort();
    }
    if (signal.aborted) throw abortReason(signal);
    return true;
  }

  /** A chunk's documents, however long it takes; `ask-again` when an offer is needed first. Never rejects unasked. */
  #fetch(
    chunk: SnapshotChunk | undefined,
    signal: AbortSignal,
  ): Promise<ChunkDocuments | 'ask-again' | undefined> {
    if (chunk === undefined) return Promise.resolve(undefined);
    const fetched = this.#fetchLastingly(chunk, signal);
    // Awaited when its turn comes; until then a failure waits as well.
    fetched.catch(() => {});
    return fetched;
  }

  async #fetchLastingly(chunk: SnapshotChunk, signal: AbortSignal): Promise<ChunkDocuments | 'ask-again'> {
    const { source, clock, random, log } = this.#options;
    for (let failures = 0; ; failures += 1) {
      if (source.isOfferOld) return 'ask-again';
      try {
        const bytes = await source.chunk(chunk, signal);
        const documents = await ChunkDocuments.unpack(chunk, bytes);
        this.#useless.times = 0;
        return documents;
      } catch (error) {
        if (signal.aborted) throw error;
        if (isFault(error, 'REP_CHUNK_GONE') || isFault(error, 'REP_CHUNK_WRONG')) {
          this.#countUseless(error);
          return 'ask-again';
        }
        if (!isOffline(error))
          log.warn({ event: 'replica.seed.chunk_failed', failures, error: asError(error) });
        this.#meter.phase('waiting');
        await sleep(clock, retryDelayMs(RETRY, failures, random), signal);
        this.#meter.phase('loading');
      }
    }
  }

  /** @throws StammkundeError the error, when offering the same again did not help */
  #countUseless(error: StammkundeError): void {
    const manifest = this.#marks.plan()?.manifest.id ?? '';
    if (manifest !== this.#useless.manifest) this.#useless = { manifest, times: 0 };
    this.#useless.times += 1;
    if (this.#useless.times >= USELESS_OFFERS_MAX) throw error;
  }

  async #write(
    chunk: SnapshotChunk,
    number: number,
    documents: ChunkDocuments,
    loadedBefore: number,
  ): Promise<void> {
    const { clock, signal } = this.#options;
    documents.skip(loadedBefore);
    while (documents.taken < chunk.documents) {
      const begun = clock.monotonicMs();
      const slice = documents.take(this.#slice.documents);
      const isLast = documents.taken === chunk.documents;
      const mark = isLast ? this.#marks.loading(number + 1, 0) : this.#marks.loading(number, documents.taken);
      // The documents are of the chunk's collection, which is the store's.
      const store = this.#options.stores[chunk.collection] as SqliteStore<unknown>;
      store.bulkLoad(slice, mark);
      this.#slice.took(slice.length, clock.monotonicMs() - begun);
      this.#meter.loaded(slice.length, isLast ? chunk : undefined);
      await setImmediate();
      if (signal.aborted) throw abortReason(signal);
    }
  }

  #liveCounts(): number[] {
    return snapshotCollections.map((collection) => this.#options.stores[collection].liveCount());
  }

  /**
   * The file must hold as many documents as the manifest names. Where documents could be there twice (snapshots of
   * several parts, or of two days) it may be other ones as well: then the comparison with the server's hashes, which
   * follows every loading, is what tells.
   */
  #assertWhole({ manifest, overlapping }: SeedPlan): void {
    const isPure = !overlapping && !manifest.id.includes('+');
    for (const collection of snapshotCollections) {
      const live = this.#options.stores[collection].liveCount();
      const named = manifest.documents[collection];
      if (isPure ? live !== named : live === 0 && named > 0) {
        throw new StammkundeError(
          'REP_SEED_INCOMPLETE',
          `${live} of ${named} ${collection} are there after the snapshot was loaded`,
        );
      }
    }
  }
}

function isOffline(error: unknown): boolean {
  return isFault(error, 'BUS_UNREACHABLE') || isFault(error, 'BUS_TIMEOUT');
}
