import type { Clock } from '../../../foundation/clock.ts';
import { sleep } from '../../../foundation/clock.ts';
import { asError, isFault } from '../../../foundation/errors.ts';
import type { Log } from '../../../foundation/log.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';
import { replicaCollectionNames } from '../../../sync/contract/replica-documents.ts';
import type { RangeSource } from '../feed-source.ts';
import type { Replica } from '../replica.ts';
import { differingBuckets } from '../storage/digests.ts';
import type { Verification } from './verify-collection.ts';

/** A collection is compared at most this often, however often changes come. */
const AT_MOST_EVERY_MS = 60_000;
/** And at least this often, changes or none. */
const AT_LEAST_EVERY_MS = 3_600_000;
/** How long after its opening the rows of a replica are first read through, and then how often. */
const FIRST_WALK_MS = 60_000;
const WALK_EVERY_MS = 24 * 3_600_000;
/** A slice of a walk, and the pause after it: a million rows take half a minute of one core, spread over minutes. */
const WALK_ROWS = 500;
const WALK_PAUSE_MS = 25;

interface RoundsOptions {
  readonly replica: Replica;
  readonly source: RangeSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly onVerified: (collection: ReplicaCollection, verification: Verification) => void;
  /** The server will not say, for a reason that waiting does not mend. */
  readonly onRefused: (error: Error) => void;
  /** The rows on the disk are not those the replica wrote. */
  readonly onRowsDiffer: (collection: ReplicaCollection, buckets: readonly number[]) => void;
}

/**
 * When which collection of a replica is compared with the server: after it has caught up with changes, and every hour.
 * Beside that its rows are read through from the disk, soon after the opening and once a day.
 */
export class VerificationRounds {
  readonly #options: RoundsOptions;
  readonly #closing = new AbortController();
  /** When each collection was last compared, monotonic. */
  readonly #comparedAtMs = new Map<ReplicaCollection, number>();
  /** Collections to be compared, and what cancels the waiting. */
  readonly #wanted = new Map<ReplicaCollection, () => void>();
  #walking: Promise<void> = Promise.resolve();
  #cancelHourly: () => void = () => {};
  #cancelWalk: () => void = () => {};

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#everyHour();
    this.#walkAfter(FIRST_WALK_MS);
  }

  /** To be told of each time a collection has caught up: only then it is at rest. */
  caughtUp(collection: ReplicaCollection, changed: boolean): void {
    if (this.#closing.signal.aborted) return;
    const lastMs = this.#comparedAtMs.get(collection);
    if (lastMs !== undefined && !changed && !this.#wanted.has(collection)) return;
    const sinceMs = lastMs === undefined ? Infinity : this.#options.clock.monotonicMs() - lastMs;
    this.#compareAfter(collection, Math.max(0, AT_MOST_EVERY_MS - sinceMs));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelHourly();
    this.#cancelWalk();
    for (const cancel of this.#wanted.values()) cancel();
    this.#wanted.clear();
    await this.#walking;
  }

  #compareAfter(collection: ReplicaCollection, delayMs: number): void {
    this.#wanted.get(collection)?.();
    const cancel = this.#options.clock.schedule(delayMs, () => {
      this.#compare(collection).catch((error: unknown) => this.#failed(collection, asError(error)));
    });
    this.#wanted.set(collection, cancel);
  }

  async #compare(collection: ReplicaCollection): Promise<void> {
    const { replica, source, clock, onVerified } = this.#options;
    const verification = await replica.verify(collection, source);
    // Not at rest: it stays wanted, and is compared when it has caught up.
    if (verification === undefined || this.#closing.signal.aborted) return;
    this.#wanted.delete(collection);
    // Too much changed at the server meanwhile; asked again at once it would say the same, and at some cost.
    if (verification.kind === 'behind') this.#wanted.set(collection, () => {});
    this.#comparedAtMs.set(collection, clock.monotonicMs());
    onVerified(collection, verification);
  }

  #failed(collection: ReplicaCollection, error: Error): void {
    if (this.#closing.signal.aborted) return;
    const { log, onRefused } = this.#options;
    // Whoever keeps the replica has been told of these; without a network it stays wanted.
    if (isFault(error, 'REP_POISONED')) return;
    if (isFault(error, 'BUS_UNREACHABLE') || isFault(error, 'BUS_TIMEOUT')) {
      log.debug({ event: 'replica.verify.offline', collection, code: error.code });
      return;
    }
    log.warn({ event: 'replica.verify.failed', collection, error });
    this.#wanted.delete(collection);
    onRefused(error);
  }

  #everyHour(): void {
    const { clock, replica } = this.#options;
    this.#cancelHourly = clock.schedule(AT_LEAST_EVERY_MS, () => {
      this.#everyHour();
      for (const collection of replicaCollectionNames) {
        if (!this.#wanted.has(collection)) this.#wanted.set(collection, () => {});
      }
      // It is at rest once it has caught up.
      replica.resync();
    });
  }

  #walkAfter(delayMs: number): void {
    this.#cancelWalk = this.#options.clock.schedule(delayMs, () => {
      this.#walking = this.#walk().catch((error: unknown) => {
        if (this.#closing.signal.aborted || isFault(error, 'REP_POISONED')) return;
        this.#options.log.error({ event: 'replica.walk.failed', error: asError(error) });
      });
      this.#walkAfter(WALK_EVERY_MS);
    });
  }

  async #walk(): Promise<void> {
    const { replica, clock, log, onRowsDiffer } = this.#options;
    const beganMs = clock.monotonicMs();
    let rows = 0;
    for (const collection of replicaCollectionNames) {
      const store = replica.store(collection);
      const recount = store.recount();
      try {
        for (let step = recount.step(WALK_ROWS); ; step = recount.step(WALK_ROWS)) {
          rows += step.rows;
          if (step.done) break;
          await sleep(clock, WALK_PAUSE_MS, this.#closing.signal);
        }
        const buckets = differingBuckets(recount.found(), store.digests());
        if (buckets.length > 0) onRowsDiffer(collection, buckets);
      } finally {
        recount.close();
      }
    }
    log.info({ event: 'replica.walked', rows, ms: Math.round(clock.monotonicMs() - beganMs) });
  }
}
