import { join } from 'node:path';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { StammkundeError, asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import type { FeedUrgent } from '../../sync/contract/messages.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  ReplicaCollection,
} from '../../sync/contract/replica-documents.ts';
import type { ReplicaSource } from './feed-source.ts';
import { findServing } from './find-serving.ts';
import { GenerationFiles } from './generation-files.ts';
import { ReplicaReader } from './replica-reader.ts';
import type {
  OpenWriter,
  ReadTarget,
  ReplicaWriter,
  WriterListener,
  WriterStatus,
} from './replica-writer.ts';
import { ProcessLock } from './storage/process-lock.ts';
import { discard } from './unusable-file.ts';
import { UrgentOverlay } from './urgent-overlay.ts';

interface ReplicaOptions {
  readonly folder: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Tenant and till it is for; a replica loaded for another is not used. */
  readonly owner: string;
  /** Where the writing is done: in this thread or in one of its own. */
  readonly openWriter: OpenWriter;
}

interface ReplicaPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Something a person at the till may want to see has changed: caught up, verified, loading, replaced. */
  onChange(): void;
}

/** How the replica is, for people and for the server. */
export interface ReplicaStatus extends WriterStatus {
  /** `lost`: it stopped unexpectedly and is started again; lookups go on meanwhile. */
  readonly writer: 'starting' | 'running' | 'lost';
}

/** Between attempts to start a writer that was lost; the first attempt is made at once. */
const RESTART_RETRY = { firstMs: 500, maxMs: 60_000 } as const;
/** A writer that ran so long does not end of what ended the one before. */
const STEADY_MS = 5 * 60_000;
/** Until a file that could not be opened for reading is tried again. */
const READ_AGAIN_MS = 1_000;

/**
 * What the till knows of customers: looked up here, on a connection of its own that needs no RxDB and waits for no
 * write; kept up to date by a writer beside it.
 *
 *   lookup ──▶ what is urgent ──▶ file of the serving generation ◀── writer ◀── feed
 *
 * Lookups never throw. While nothing can be read every card is unknown and `caughtUpAt` is null, so that sales are kept
 * against the card and the server settles them.
 */
export class CustomerReplica implements Closable {
  readonly #options: ReplicaOptions;
  readonly #ports: ReplicaPorts;
  readonly #files: GenerationFiles;
  readonly #lock: ProcessLock;
  readonly #overlay = new UrgentOverlay();
  #reader: ReplicaReader | undefined;
  /** What lookups are read from; the reader is missing while it cannot be opened. */
  #target: ReadTarget | null = null;
  #programme: ProgrammeDocument | undefined;
  #offers: readonly OfferDocument[] = [];
  /** The programme and the offers are those of the file; false while they could not be read from it. */
  #hasReadRules = false;
  #status: ReplicaStatus = {
    writer: 'starting',
    caughtUpAt: null,
    proven: true,
    verifiedAt: null,
    lastDifference: null,
    seeding: null,
  };
  #source: ReplicaSource | undefined;
  #writer: ReplicaWriter | undefined;
  #starting: Promise<void> = Promise.resolve();
  #startFailures = 0;
  #cancelRestart: (() => void) | undefined;
  #cancelSteady: (() => void) | undefined;
  #cancelReadingAgain: (() => void) | undefined;
  /** Found while there was no writer to tell. */
  #damage: { readonly generation: number; readonly error: Error } | undefined;
  #reseedOrdered = false;
  readonly #waiting = new Set<() => void>();
  #closing = false;
  #closed: Promise<void> | undefined;

  private constructor(
    options: ReplicaOptions,
    ports: ReplicaPorts,
    files: GenerationFiles,
    lock: ProcessLock,
  ) {
    this.#options = options;
    this.#ports = ports;
    this.#files = files;
    this.#lock = lock;
  }

  /**
   * Where there is a complete replica, resolves as soon as it can be read, and the writer is started beside; where
   * there is none, once the writer has begun an empty one. Files that cannot be used are taken away.
   * @throws StammkundeError REP_WRONG_KEY · DATA_IN_USE · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  static async open(options: ReplicaOptions, ports: ReplicaPorts): Promise<CustomerReplica> {
    const files = new GenerationFiles(options.folder);
    const lock = ProcessLock.take(join(options.folder, 'replica'));
    const replica = new CustomerReplica(options, ports, files, lock);
    try {
      replica.#readWhatIsThere();
      const serves = replica.#reader !== undefined;
      const started = replica.#start();
      if (!serves) await started;
      else replica.#starting = started.catch((error: unknown) => replica.#lost(asError(error)));
      return replica;
    } catch (error) {
      await replica.close();
      throw error;
    }
  }

  /** What is known of a credential; undefined also while nothing can be read. */
  credential(index: string): CredentialDocument | undefined {
    if (this.#overlay.isGone('credentials', index)) return undefined;
    return this.#overlay.credential(index) ?? this.#ask((reader) => reader.credential(index));
  }

  /** What is known of a customer; undefined also while nothing can be read. */
  customer(id: string): CustomerDocument | undefined {
    if (this.#overlay.isGone('customers', id)) return undefined;
    return this.#overlay.customer(id) ?? this.#ask((reader) => reader.customer(id));
  }

  /** The programme's rules, absent before they were first pulled. */
  get programme(): ProgrammeDocument | undefined {
    return this.#programme;
  }

  get offers(): readonly OfferDocument[] {
    return this.#offers;
  }

  /**
   * When it last held all the server had; null before its first complete pull, while nothing can be read, and while it
   * may be an older copy.
   */
  get caughtUpAt(): Instant | null {
    return this.#reader === undefined ? null : this.#status.caughtUpAt;
  }

  get status(): ReplicaStatus {
    return { ...this.#status, caughtUpAt: this.caughtUpAt };
  }

  /** Documents there are to be looked up, deleted ones not counted. */
  count(collection: ReplicaCollection): number {
    return this.#ask((reader) => reader.count(collection)) ?? 0;
  }

  /** Resolves at once, or, while nothing can be read, when something can or `deadlineMs` are over. */
  whenServing(deadlineMs: number): Promise<void> {
    if (this.#reader !== undefined || this.#closing) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#waiting.delete(end);
        resolve();
      };
      const cancel = this.#ports.clock.schedule(deadlineMs, end);
      this.#waiting.add(end);
    });
  }

  /** From now on follows `source`. To be called once. */
  follow(source: ReplicaSource): void {
    this.#source = source;
    this.#writer?.follow(source);
  }

  resync(collections?: readonly ReplicaCollection[]): void {
    this.#writer?.resync(collections);
  }

  /** Lets what the server says must hold at once hold at once, unless the replica has it or something newer. */
  applyUrgent(urgent: FeedUrgent): void {
    this.#overlay.apply(urgent);
  }

  /** Loads everything anew, beside what serves, which serves until that is complete. */
  reseed(): void {
    if (this.#writer === undefined) this.#reseedOrdered = true;
    else this.#writer.reseed('ordered');
  }

  /** Resolves when the writer has started and no maintenance step is under way. */
  async idle(): Promise<void> {
    await this.#starting;
    await this.#writer?.idle();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = true;
    this.#cancelRestart?.();
    this.#cancelSteady?.();
    this.#cancelReadingAgain?.();
    for (const end of this.#waiting) end();
    // The last who closes the file folds its WAL back: that must be the writer, who seals it.
    this.#stopReading();
    try {
      await this.#starting;
      await this.#writer?.close();
    } catch (error) {
      this.#ports.log.warn({ event: 'replica.close.failed', error: asError(error) });
    } finally {
      this.#lock.release();
    }
  }

  /** @throws as {@link findServing} */
  #readWhatIsThere(): void {
    const { key, owner } = this.#options;
    const { clock, log } = this.#ports;
    const found = findServing({ files: this.#files, key, owner, clock, log });
    if (found === undefined) return;
    const { generation, file, reader, note, proven } = found;
    this.#status = { ...this.#status, proven, caughtUpAt: proven ? note.caughtUpAt : null };
    this.#target = { generation, file };
    this.#readWith(reader);
  }

  /**
   * Opens the file again, when it is not open or nobody else could open it; within one turn, so that no lookup is lost.
   * @throws as {@link ReplicaReader} when there is still no other way to read it: then no writer would find room either
   */
  #letWriterIn(): void {
    const target = this.#target;
    if (target === null || this.#reader?.alone === false) return;
    this.#stopReading();
    try {
      this.#readWith(new ReplicaReader({ file: target.file, key: this.#options.key }));
    } catch (error) {
      if (!isFault(error, 'DATA_DISK_FULL') && !isFault(error, 'DATA_UNWRITABLE')) return;
      try {
        this.#readWith(new ReplicaReader({ file: target.file, key: this.#options.key, alone: true }));
      } catch {
        return;
      }
      throw error;
    }
  }

  /** @throws as the writer does that cannot be opened */
  async #start(): Promise<void> {
    const { folder, key, owner, openWriter } = this.#options;
    const { clock, random, log } = this.#ports;
    this.#letWriterIn();
    const target = this.#target;
    const isComplete = target !== null && target.file === this.#files.path(target.generation);
    const serving = isComplete ? { generation: target.generation, proven: this.#status.proven } : null;
    let lost: Error | undefined;
    // A writer that was replaced has nothing to say any more.
    let writer: ReplicaWriter | undefined;
    const isCurrent = (): boolean => !this.#closing && (writer === undefined || writer === this.#writer);
    const listener: WriterListener = {
      readFrom: async (read) => {
        if (isCurrent()) this.#readFrom(read);
      },
      onCaughtUp: (collection, position, changed) => {
        if (isCurrent()) this.#onCaughtUp(collection, position, changed);
      },
      onStatus: (status) => {
        if (!isCurrent()) return;
        this.#status = { ...status, writer: this.#status.writer };
        this.#ports.onChange();
      },
    };
    const opened = await openWriter(
      { folder, key, owner, serving },
      {
        clock,
        random,
        log,
        listener,
        onLost: (error) => {
          lost = error;
          if (writer !== undefined && isCurrent()) this.#lost(error);
        },
      },
    );
    writer = opened;
    this.#writer = opened;
    if (lost !== undefined) throw lost;
    this.#status = { ...this.#status, writer: 'running' };
    this.#cancelSteady?.();
    this.#cancelSteady = this.#ports.clock.schedule(STEADY_MS, () => (this.#startFailures = 0));
    if (this.#source !== undefined) opened.follow(this.#source);
    if (this.#reseedOrdered) opened.reseed('ordered');
    this.#reseedOrdered = false;
    if (this.#damage !== undefined) opened.reportDamage(this.#damage.generation, this.#damage.error);
    this.#damage = undefined;
    this.#ports.onChange();
  }

  /** Lookups go on; the writer is started again, ever more slowly until one has run for a while. */
  #lost(error: Error): void {
    if (this.#closing) return;
    this.#cancelSteady?.();
    this.#writer = undefined;
    this.#status = { ...this.#status, writer: 'lost', seeding: null };
    const failures = this.#startFailures;
    this.#startFailures += 1;
    this.#ports.log.error({
      event: 'replica.writer.lost',
      failures,
      error: new StammkundeError('REP_WRITER_LOST', 'the writer of the replica stopped', { cause: error }),
    });
    this.#ports.onChange();
    const delayMs = failures === 0 ? 0 : retryDelayMs(RESTART_RETRY, failures - 1, this.#ports.random);
    this.#cancelRestart = this.#ports.clock.schedule(delayMs, () => {
      this.#starting = this.#restart().catch((failure: unknown) => this.#lost(asError(failure)));
    });
  }

  async #restart(): Promise<void> {
    if (this.#closing) return;
    if (this.#damage !== undefined) {
      // Nobody else has the file open.
      const { clock, log } = this.#ports;
      discard(this.#damage.generation, this.#damage.error, { files: this.#files, clock, log });
      this.#damage = undefined;
      this.#target = null;
    }
    await this.#start();
  }

  #readFrom(target: ReadTarget | null): void {
    this.#stopReading();
    this.#target = target;
    if (target === null) return;
    try {
      this.#readWith(new ReplicaReader({ file: target.file, key: this.#options.key }));
    } catch (error) {
      this.#onUnreadable(asError(error));
    }
    this.#ports.onChange();
  }

  #readWith(reader: ReplicaReader): void {
    this.#reader = reader;
    const positions = this.#ask((each) => each.note())?.positions;
    for (const collection of ['credentials', 'customers'] as const) {
      this.#overlay.passed(collection, positions?.[collection]);
    }
    this.#readRules();
    for (const end of this.#waiting) end();
  }

  #stopReading(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }

  #onCaughtUp(collection: ReplicaCollection, position: FeedPosition, changed: boolean): void {
    switch (collection) {
      case 'credentials':
      case 'customers':
        this.#overlay.passed(collection, position);
        break;
      case 'offers':
      case 'programme':
        // All of them are parsed on the thread that serves scans.
        if (changed || !this.#hasReadRules) this.#readRules();
        break;
    }
  }

  #readRules(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#hasReadRules = false;
    try {
      [this.#programme, this.#offers] = [reader.programme(), reader.offers()];
      this.#hasReadRules = true;
    } catch (error) {
      if (isFault(error, 'REP_CORRUPT')) this.#onUnreadable(error);
      // The rules of before stay in force: who customers are does not depend on an offer nobody can read.
      else this.#ports.log.error({ event: 'replica.rules.unreadable', error: asError(error) });
    }
  }

  /** Asks the file; a second time on a new connection, before it counts as damaged. */
  #ask<T>(question: (reader: ReplicaReader) => T): T | undefined {
    const reader = this.#reader;
    if (reader === undefined) return undefined;
    try {
      return question(reader);
    } catch (error) {
      this.#ports.log.warn({ event: 'replica.read.failed', error: asError(error) });
    }
    const target = this.#target;
    if (target === null) return undefined;
    try {
      this.#stopReading();
      this.#reader = new ReplicaReader({ file: target.file, key: this.#options.key });
      return question(this.#reader);
    } catch (error) {
      this.#onUnreadable(asError(error));
      return undefined;
    }
  }

  #onUnreadable(error: Error): void {
    const target = this.#target;
    if (target === null) return;
    if (!isFault(error, 'REP_CORRUPT')) {
      this.#ports.log.error({ event: 'replica.unreadable', generation: target.generation, error });
      this.#stopReading();
      // Somebody else holds it for a moment.
      this.#cancelReadingAgain?.();
      this.#cancelReadingAgain = this.#ports.clock.schedule(READ_AGAIN_MS, () => {
        if (this.#reader === undefined && this.#target === target) this.#readFrom(target);
      });
      return;
    }
    this.#stopReading();
    const { generation } = target;
    this.#status = { ...this.#status, caughtUpAt: null };
    if (this.#writer === undefined) this.#damage = { generation, error };
    else this.#writer.reportDamage(generation, error);
    this.#ports.onChange();
  }
}
