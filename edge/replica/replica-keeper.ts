import type { Clock, Instant } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import type { FeedUrgent } from '../../sync/contract/messages.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  ReplicaCollection,
} from '../../sync/contract/replica-documents.ts';
import type { FeedSource } from './feed-source.ts';
import { GenerationFiles } from './generation-files.ts';
import { Replica } from './replica.ts';
import type { ReplicaOptions } from './replica.ts';
import { UrgentOverlay } from './urgent-overlay.ts';

interface KeeperOptions extends Pick<ReplicaOptions, 'key' | 'beforeStatement'> {
  readonly folder: string;
}

interface KeeperPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Something a person at the till may want to see has changed: caught up, reopened, replaced. */
  onChange(): void;
}

interface Generation {
  readonly number: number;
  readonly replica: Replica;
}

/** Between attempts to bring back a replica that failed; the first attempt is made at once. */
const REOPEN_RETRY = { firstMs: 200, maxMs: 30_000 } as const;

/**
 * Keeps a replica serving, whatever happens to its file:
 *
 *   serving ──poisoned──▶ serving reads ──▶ reopened
 *      │ └────damaged───▶ set aside ──▶ loaded anew
 *      └──epoch changed, or reseed ordered──▶ next generation loaded beside it ──complete──▶ swap
 *                                               └──poisoned, or epoch changed──▶ begun again
 *
 * Each generation is a file of its own; the oldest there is serves until a newer one is complete. A replica that fails
 * again before it has caught up is brought back ever more slowly.
 *
 * Lookups never throw. While a damaged replica is being replaced every card is unknown and `caughtUpAt` is null, so
 * that sales are kept against the card and the server settles them.
 */
export class ReplicaKeeper implements Closable {
  readonly #options: KeeperOptions;
  readonly #ports: KeeperPorts;
  readonly #files: GenerationFiles;
  readonly #overlay = new UrgentOverlay();
  readonly #closing = new AbortController();
  #source: FeedSource | undefined;
  #serving: Generation | undefined;
  #loading: Generation | undefined;
  /** Failures since the serving replica last caught up, and since a loading was last asked for. */
  #servingFailures = 0;
  #loadingFailures = 0;
  #cancelLoadingRetry: (() => void) | undefined;
  /** Maintenance is one step at a time: reopening, beginning to load, clearing up. */
  #maintenance: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(options: KeeperOptions, files: GenerationFiles, ports: KeeperPorts) {
    this.#options = options;
    this.#files = files;
    this.#ports = ports;
  }

  /**
   * Opens the replica in `folder`, or an empty one when there is none or the one there is damaged (it is set aside).
   * @throws StammkundeError REP_WRONG_KEY · DATA_IN_USE · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  static async open(options: KeeperOptions, ports: KeeperPorts): Promise<ReplicaKeeper> {
    const files = new GenerationFiles(options.folder);
    const [oldest = 1, ...unfinished] = files.present();
    const keeper = new ReplicaKeeper(options, files, ports);
    keeper.#serve(await keeper.#openOrReplace(oldest));
    if (unfinished.length > 0) {
      for (const number of unfinished) files.remove(number);
      keeper.#beginLoading('interrupted');
    }
    return keeper;
  }

  /** What is known of a credential; undefined also for the moment in which a damaged replica is replaced. */
  credential(index: string): CredentialDocument | undefined {
    return this.#overlay.credential(index) ?? this.#ask((replica) => replica.credential(index));
  }

  /** What is known of a customer; undefined also for the moment in which a damaged replica is replaced. */
  customer(id: string): CustomerDocument | undefined {
    return this.#overlay.customer(id) ?? this.#ask((replica) => replica.customer(id));
  }

  get programme(): ProgrammeDocument | undefined {
    return this.#serving?.replica.programme;
  }

  get offers(): readonly OfferDocument[] {
    return this.#serving?.replica.offers ?? [];
  }

  /** When the serving replica last held all the server had; null before its first complete pull. */
  get caughtUpAt(): Instant | null {
    return this.#serving?.replica.caughtUpAt ?? null;
  }

  /** Resolves at once, or, for the moment in which no replica serves, when one does or `deadlineMs` are over. */
  async whenServing(deadlineMs: number): Promise<void> {
    if (this.#serving !== undefined) return;
    const enough = new AbortController();
    const deadline = sleep(
      this.#ports.clock,
      deadlineMs,
      AbortSignal.any([enough.signal, this.#closing.signal]),
    );
    try {
      await Promise.race([this.idle(), deadline.catch(() => {})]);
    } finally {
      enough.abort();
    }
  }

  /** Documents the serving replica holds, deleted ones not counted. */
  count(collection: ReplicaCollection): number {
    return this.#ask((replica) => replica.count(collection)) ?? 0;
  }

  /** From now on follows `source`. To be called once. */
  follow(source: FeedSource): void {
    this.#source = source;
    this.#serving?.replica.follow(source);
    this.#loading?.replica.follow(source);
  }

  resync(collections?: readonly ReplicaCollection[]): void {
    this.#serving?.replica.resync(collections);
    this.#loading?.replica.resync(collections);
  }

  /** Lets what the server says must hold at once hold at once, unless the replica has it or something newer. */
  applyUrgent(urgent: FeedUrgent): void {
    this.#overlay.apply(urgent);
  }

  /** Loads a new generation beside the serving one, which keeps serving until the new one is complete. */
  reseed(reason: 'ordered' | 'epoch'): void {
    if (this.#loading !== undefined || this.#cancelLoadingRetry !== undefined) return;
    this.#loadingFailures = 0;
    this.#beginLoading(reason);
  }

  /** Resolves when no maintenance step is under way. */
  async idle(): Promise<void> {
    let seen: Promise<void>;
    do {
      seen = this.#maintenance;
      await seen;
    } while (seen !== this.#maintenance);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    this.#cancelLoadingRetry?.();
    await this.idle();
    const open = [this.#loading, this.#serving];
    this.#loading = undefined;
    this.#serving = undefined;
    for (const generation of open) await this.#end(generation);
  }

  /** Asks the serving replica. A failure has been reported to `#failed` by the time it is thrown. */
  #ask<T>(question: (replica: Replica) => T): T | undefined {
    if (this.#serving === undefined) return undefined;
    try {
      return question(this.#serving.replica);
    } catch (error) {
      if (isFault(error, 'REP_POISONED')) return undefined;
      throw error;
    }
  }

  #serve(generation: Generation): void {
    this.#serving = generation;
    for (const collection of ['credentials', 'customers'] as const) {
      this.#overlay.passed(collection, generation.replica.caughtUpTo(collection));
    }
  }

  async #open(number: number, loading: ReplicaOptions['loading']): Promise<Generation> {
    const { clock, random, log } = this.#ports;
    const { key, beforeStatement } = this.#options;
    const replica: Replica = await Replica.open(
      {
        file: this.#files.path(number),
        key,
        loading,
        ...(beforeStatement === undefined ? {} : { beforeStatement }),
      },
      {
        clock,
        random,
        log,
        onPoisoned: (error) => this.#onPoisoned(generation, error),
        onEpochChanged: () => this.#onEpochChanged(generation),
        onCaughtUp: (collection, position) => {
          if (generation === this.#serving) {
            this.#servingFailures = 0;
            if (collection === 'credentials' || collection === 'customers') {
              this.#overlay.passed(collection, position);
            }
          }
          this.#swapWhenComplete(generation);
          this.#ports.onChange();
        },
      },
    );
    const generation: Generation = { number, replica };
    return generation;
  }

  /** Opens a generation to serve; a damaged file is set aside and an empty one put in its place. */
  async #openOrReplace(number: number): Promise<Generation> {
    try {
      return await this.#open(number, 'fast');
    } catch (error) {
      if (!isFault(error, 'REP_CORRUPT')) throw error;
      this.#setAside(number, error);
      return this.#open(number, 'fast');
    }
  }

  #setAside(number: number, error: Error): void {
    const aside = this.#files.setAside(number, this.#ports.clock.now());
    this.#ports.log.error({ event: 'replica.damaged', aside, error });
  }

  #onPoisoned(generation: Generation, error: Error): void {
    this.#ports.log.error({ event: 'replica.poisoned', generation: generation.number, error });
    if (generation === this.#loading) this.#beginAgain(generation);
    if (generation !== this.#serving) return;
    const damaged = isFault(error, 'REP_CORRUPT');
    // A damaged base answers nothing more; any other goes on answering reads until it is reopened.
    if (damaged) this.#serving = undefined;
    this.#enqueue(() => this.#bringBack(generation, damaged ? error : undefined));
  }

  #onEpochChanged(generation: Generation): void {
    if (generation === this.#serving) this.reseed('epoch');
    if (generation === this.#loading) this.#beginAgain(generation);
  }

  async #bringBack(failed: Generation, damage: Error | undefined): Promise<void> {
    await this.#waitAfter(this.#servingFailures);
    this.#servingFailures += 1;
    const replaced = this.#serving !== failed && this.#serving !== undefined;
    if (replaced || this.#closing.signal.aborted) {
      await this.#end(failed);
      return;
    }
    this.#serving = undefined;
    await this.#end(failed);
    const generation = await this.#openUntilItDoes(failed.number, damage);
    if (generation === undefined) return;
    if (this.#serving !== undefined) {
      // What was being loaded beside it was complete first.
      await this.#end(generation);
      return;
    }
    this.#serve(generation);
    if (this.#source !== undefined) generation.replica.follow(this.#source);
    this.#ports.onChange();
  }

  /** Undefined when the keeper is closed before it succeeds. */
  async #openUntilItDoes(number: number, damage: Error | undefined): Promise<Generation | undefined> {
    let damaged = damage;
    while (!this.#closing.signal.aborted) {
      try {
        if (damaged !== undefined) this.#setAside(number, damaged);
        damaged = undefined;
        return await this.#openOrReplace(number);
      } catch (error) {
        const failures = this.#servingFailures;
        this.#ports.log.error({ event: 'replica.reopen.failed', failures, error: asError(error) });
        await this.#waitAfter(failures);
        this.#servingFailures += 1;
      }
    }
    return undefined;
  }

  #beginLoading(reason: 'ordered' | 'epoch' | 'interrupted' | 'failed'): void {
    this.#enqueue(async () => {
      const serving = this.#serving;
      if (this.#loading !== undefined || serving === undefined) return;
      const number = serving.number + 1;
      this.#ports.log.warn({ event: 'replica.reseed', reason, generation: number });
      this.#files.remove(number);
      try {
        this.#loading = await this.#open(number, serving.replica.caughtUpAt === null ? 'fast' : 'gently');
      } catch (error) {
        this.#ports.log.error({ event: 'replica.reseed.failed', generation: number, error: asError(error) });
        this.#beginLoadingLater();
        return;
      }
      if (this.#source !== undefined) this.#loading.replica.follow(this.#source);
    });
  }

  #beginAgain(failed: Generation): void {
    this.#loading = undefined;
    this.#enqueue(() => this.#end(failed));
    this.#beginLoadingLater();
  }

  #beginLoadingLater(): void {
    if (this.#closing.signal.aborted) return;
    const delayMs = retryDelayMs(REOPEN_RETRY, this.#loadingFailures, this.#ports.random);
    this.#loadingFailures += 1;
    this.#cancelLoadingRetry = this.#ports.clock.schedule(delayMs, () => {
      this.#cancelLoadingRetry = undefined;
      this.#beginLoading('failed');
    });
  }

  #swapWhenComplete(loaded: Generation): void {
    if (loaded !== this.#loading || loaded.replica.caughtUpAt === null) return;
    const old = this.#serving;
    this.#loading = undefined;
    this.#serve(loaded);
    this.#servingFailures = 0;
    this.#ports.log.info({ event: 'replica.replaced', generation: loaded.number });
    this.#enqueue(async () => {
      await this.#end(old);
      for (const number of this.#files.present()) {
        if (number < loaded.number) this.#files.remove(number);
      }
    });
  }

  async #end(generation: Generation | undefined): Promise<void> {
    try {
      await generation?.replica.close();
    } catch (error) {
      this.#ports.log.warn({ event: 'replica.close.failed', error: asError(error) });
    }
  }

  /** Waits the longer the more often it failed; not at all the first time. */
  async #waitAfter(failures: number): Promise<void> {
    if (failures === 0) return;
    const delayMs = retryDelayMs(REOPEN_RETRY, failures - 1, this.#ports.random);
    await sleep(this.#ports.clock, delayMs, this.#closing.signal).catch(() => {});
  }

  #enqueue(step: () => Promise<void>): void {
    this.#maintenance = this.#maintenance.then(async () => {
      if (this.#closing.signal.aborted) return;
      try {
        await step();
      } catch (error) {
        this.#ports.log.error({ event: 'replica.maintenance.failed', error: asError(error) });
      }
    });
  }
}
