import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError, asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import type { Generation } from './generation.ts';
import { writeSeal } from './replica-seal.ts';
import type { ReplicaDifference } from './replica-writer.ts';

/** At most this often the seal is renewed while the replica serves: it waits for the medium. */
const SEAL_EVERY_MS = 15 * 60_000;
/** At most this often everything is loaded anew because repairing did not help. */
const DIVERGED_EVERY_MS = 3_600_000;

interface TrustParts {
  readonly sealPath: string;
  readonly key: Uint8Array;
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is known of how far the serving file can be believed: whether it is proven, compared, sealed. */
export class ReplicaTrust {
  readonly #parts: TrustParts;
  #proven: boolean;
  /** What was verified since the keeper was opened or another generation serves. */
  readonly #verified = new Set<ReplicaCollection>();
  #lastDifference: ReplicaDifference | null = null;
  #sealedAtMs = -Infinity;
  #divergedAtMs = -Infinity;

  constructor(parts: TrustParts, proven: boolean) {
    this.#parts = parts;
    this.#proven = proven;
  }

  /** Whether it is known that no older copy of the serving file was put back. */
  get proven(): boolean {
    return this.#proven;
  }

  get lastDifference(): ReplicaDifference | null {
    return this.#lastDifference;
  }

  /** Another generation serves, which this program has loaded itself. */
  isAnother(): void {
    this.#proven = true;
    this.#verified.clear();
  }

  /** A collection of the serving generation was found to be what the server has. */
  prove(serving: Generation, collection: ReplicaCollection): void {
    this.#verified.add(collection);
    if (this.#proven || this.#verified.size < replicaCollectionNames.length) return;
    this.#proven = true;
    this.#parts.log.warn({ event: 'replica.proven', generation: serving.number });
    this.seal(serving);
  }

  noteDifference(collection: ReplicaCollection, buckets: readonly number[], repaired: number): void {
    this.#lastDifference = { at: this.#parts.clock.now(), collection, buckets, repaired };
  }

  /** Tells of what mending did not help. True when it is time to load everything anew. */
  diverged(
    collection: ReplicaCollection,
    buckets: readonly number[],
    { documents, what }: { readonly documents: number; readonly what: string },
  ): boolean {
    const { clock, log } = this.#parts;
    const error = new StammkundeError('REP_DIVERGED', `${collection}: ${what}`);
    log.error({ event: 'replica.diverged', collection, buckets, error });
    this.noteDifference(collection, buckets, documents);
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#divergedAtMs < DIVERGED_EVERY_MS) return false;
    this.#divergedAtMs = nowMs;
    return true;
  }

  /** As {@link seal}, when the last one is a while ago. */
  sealNowAndThen(serving: Generation): void {
    if (this.#parts.clock.monotonicMs() - this.#sealedAtMs > SEAL_EVERY_MS) this.seal(serving);
  }

  /** Writes down outside the file of the serving generation what it holds, once that is on the medium. */
  seal({ number, replica }: Generation): void {
    const { caughtUpAt, positions } = replica.note;
    if (!this.#proven || caughtUpAt === null) return;
    const { sealPath, key, owner, clock, log } = this.#parts;
    try {
      replica.sync();
      writeSeal(sealPath, key, { owner, generation: number, positions });
      this.#sealedAtMs = clock.monotonicMs();
    } catch (error) {
      log.warn({ event: 'replica.seal.failed', error: asError(error) });
    }
  }
}
