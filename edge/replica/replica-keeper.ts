import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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
} from '../../sync/contract/replica-documents.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import { Replica } from './replica.ts';
import type { FeedSource } from './replica.ts';
import { UrgentOverlay } from './urgent-overlay.ts';

interface KeeperPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Something a person at the till may want to see has changed: caught up, reopened, replaced. */
  onChange(): void;
}

const REOPEN_RETRY = { firstMs: 200, maxMs: 30_000 } as const;
const GENERATION = /^replica-(\d{6})\.db$/;

/**
 * Keeps a replica serving, whatever happens to its file:
 *
 *   serving ──poisoned──▶ reopening ──▶ serving
 *      │ └──── epoch changed or reseed ordered ──▶ loading the next generation beside it ──▶ swap
 *      └──(at start) file damaged ──▶ set aside, load anew
 *
 * Each generation is a file of its own; the newest complete one serves until a newer is complete.
 */
export class ReplicaKeeper implements Closable {
  readonly #folder: string;
  readonly #key: Uint8Array;
  readonly #ports: KeeperPorts;
  readonly #overlay = new UrgentOverlay();
  readonly #closing = new AbortController();
  #source: FeedSource | undefined;
  #generation: number;
  #serving: Replica | undefined;
  #loading: { readonly generation: number; readonly replica: Replica } | undefined;
  /** The one maintenance step under way: reopening, or starting to load a generation. */
  #maintenance: Promise<void> = Promise.resolve();

  private constructor(folder: string, key: Uint8Array, generation: number, ports: KeeperPorts) {
    this.#folder = folder;
    this.#key = key;
    this.#generation = generation;
    this.#ports = ports;
  }

  /**
   * Opens the replica in `folder`, or an empty one when there is none or the one there is damaged (it is set aside).
   * @throws StammkundeError REP_WRONG_KEY · DATA_IN_USE · DATA_DISK_FULL
   */
  static async open(
    options: { readonly folder: string; readonly key: Uint8Array },
    ports: KeeperPorts,
  ): Promise<ReplicaKeeper> {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const generations = generationsIn(options.folder);
    // An older file is the complete one while a newer is still being loaded: that one is begun again.
    const [oldest = 1, ...unfinished] = generations;
    for (const generation of unfinished) removeGeneration(options.folder, generation);
    const keeper = new ReplicaKeeper(options.folder, options.key, oldest, ports);
    keeper.#serving = await keeper.#openServing();
    return keeper;
  }

  credential(index: string): CredentialDocument | undefined {
    return this.#overlay.credential(index) ?? this.#serving?.credential(index);
  }

  customer(id: string): CustomerDocument | undefined {
    return this.#overlay.customer(id) ?? this.#serving?.customer(id);
  }

  get programme(): ProgrammeDocument | undefined {
    return this.#serving?.programme;
  }

  get offers(): readonly OfferDocument[] {
    return this.#serving?.offers ?? [];
  }

  get caughtUpAt(): Instant | null {
    return this.#serving?.caughtUpAt ?? null;
  }

  /** Resolves at once, or, for the moment in which a replica is reopened, when that is done or `deadlineMs` are over. */
  async whenServing(deadlineMs: number): Promise<void> {
    if (this.#serving !== undefined) return;
    await Promise.race([
      this.idle(),
      sleep(this.#ports.clock, deadlineMs, this.#closing.signal).catch(() => {}),
    ]);
  }

  count(collection: ReplicaCollection): number {
    return this.#serving?.count(collection) ?? 0;
  }

  /** From now on follows `source`. */
  follow(source: FeedSource): void {
    this.#source = source;
    this.#serving?.follow(source);
  }

  resync(collections?: readonly ReplicaCollection[]): void {
    this.#serving?.resync(collections);
    this.#loading?.replica.resync(collections);
  }

  applyUrgent(urgent: FeedUrgent): void {
    this.#overlay.apply(urgent);
  }

  /** Loads a new generation beside the serving one, which keeps serving until the new one is complete. */
  reseed(reason: 'ordered' | 'epoch'): void {
    if (this.#loading !== undefined) return;
    const generation = this.#generation + 1;
    this.#ports.log.warn({ event: 'replica.reseed', reason, generation });
    this.#enqueue(async () => {
      if (this.#loading !== undefined) return;
      removeGeneration(this.#folder, generation);
      const replica = await this.#openGeneration(generation);
      this.#loading = { generation, replica };
      if (this.#source !== undefined) replica.follow(this.#source);
    });
  }

  /** Resolves when no maintenance step is under way. */
  async idle(): Promise<void> {
    let seen: Promise<void>;
    do {
      seen = this.#maintenance;
      await seen;
    } while (seen !== this.#maintenance);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.idle();
    const open = [this.#loading?.replica, this.#serving];
    this.#loading = undefined;
    this.#serving = undefined;
    for (const replica of open) await replica?.close();
  }

  async #openServing(): Promise<Replica> {
    try {
      return await this.#openGeneration(this.#generation);
    } catch (error) {
      if (!isFault(error, 'REP_CORRUPT')) throw error;
      const file = this.#file(this.#generation);
      const aside = `${file}.damaged-${this.#ports.clock.now()}`;
      this.#ports.log.error({ event: 'replica.damaged', aside, error });
      if (existsSync(file)) renameSync(file, aside);
      removeGeneration(this.#folder, this.#generation);
      return await this.#openGeneration(this.#generation);
    }
  }

  #openGeneration(generation: number): Promise<Replica> {
    const { clock, random, log } = this.#ports;
    return Replica.open(
      { file: this.#file(generation), key: this.#key },
      {
        clock,
        random,
        log,
        onPoisoned: (error) => this.#reopen(generation, error),
        onEpochChanged: () => this.reseed('epoch'),
        onCaughtUp: (collection, position) => {
          if (collection === 'credentials' || collection === 'customers') {
            if (generation === this.#generation) this.#overlay.passed(collection, position);
          }
          this.#swapWhenComplete(generation);
          this.#ports.onChange();
        },
      },
    );
  }

  #swapWhenComplete(generation: number): void {
    if (this.#loading?.generation !== generation || this.#loading.replica.caughtUpAt === null) return;
    const [old, oldGeneration] = [this.#serving, this.#generation];
    this.#serving = this.#loading.replica;
    this.#generation = generation;
    this.#loading = undefined;
    this.#ports.log.info({ event: 'replica.replaced', generation });
    this.#enqueue(async () => {
      await old?.close();
      removeGeneration(this.#folder, oldGeneration);
    });
  }

  #reopen(generation: number, error: Error): void {
    this.#ports.log.error({ event: 'replica.poisoned', generation, error });
    this.#enqueue(async () => {
      if (this.#loading?.generation === generation) {
        const { replica } = this.#loading;
        this.#loading = undefined;
        await replica.close().catch((closing: unknown) => this.#logClosing(closing));
        this.reseed('ordered');
        return;
      }
      if (generation !== this.#generation || this.#serving === undefined) return;
      await this.#serving.close().catch((closing: unknown) => this.#logClosing(closing));
      this.#serving = undefined;
      for (let attempt = 0; this.#serving === undefined && !this.#closing.signal.aborted; attempt += 1) {
        try {
          this.#serving = await this.#openServing();
        } catch (failure) {
          this.#ports.log.error({ event: 'replica.reopen.failed', attempt, error: asError(failure) });
          await sleep(
            this.#ports.clock,
            retryDelayMs(REOPEN_RETRY, attempt, this.#ports.random),
            this.#closing.signal,
          ).catch(() => {});
        }
      }
      if (this.#source !== undefined) this.#serving?.follow(this.#source);
      this.#ports.onChange();
    });
  }

  #logClosing(error: unknown): void {
    this.#ports.log.warn({ event: 'replica.close.failed', error: asError(error) });
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

  #file(generation: number): string {
    return join(this.#folder, fileName(generation));
  }
}

function fileName(generation: number): string {
  return `replica-${String(generation).padStart(6, '0')}.db`;
}

function generationsIn(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => GENERATION.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b);
}

function removeGeneration(folder: string, generation: number): void {
  for (const suffix of ['', '-wal', '-shm', '-journal'])
    rmSync(join(folder, fileName(generation) + suffix), { force: true });
}
