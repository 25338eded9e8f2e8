import type { Clock } from '../../foundation/clock.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import type { RetrySchedule } from '../../foundation/retry-schedule.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import { isBehind } from '../../sync/contract/feed.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import type { SnapshotQuestions } from '../../sync/snapshot-client.ts';
import type { CutOff } from './collection-follower.ts';
import type { RangeSource, ReplicaSource } from './feed-source.ts';
import { compareServing } from './compare-serving.ts';
import { endGeneration, progressOf, requireFoldedBack } from './generation.ts';
import type { Generation } from './generation.ts';
import { GenerationFiles } from './generation-files.ts';
import { LeftOverFiles } from './left-over-files.ts';
import { OneAtATime } from './one-at-a-time.ts';
import { Replica } from './replica.ts';
import type { ReplicaOptions } from './replica.ts';
import type { ReplicaNote } from './replica-note.ts';
import { readSeal } from './replica-seal.ts';
import { ReplicaTrust } from './replica-trust.ts';
import type {
  ReadTarget,
  ReplicaWriter,
  ReseedReason,
  WriterListener,
  WriterStart,
} from './replica-writer.ts';
import { isDiskFull, requireRoom } from './room-for-another.ts';
import { seedGeneration } from './seed-generation.ts';
import { discard, isUnusable } from './unusable-file.ts';
import type { VerificationRounds } from './verification/verification-rounds.ts';

export interface KeeperPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly listener: WriterListener;
}

export interface KeeperOptions extends WriterStart, Pick<ReplicaOptions, 'beforeStatement'> {
  /** About as long as one slice of loading a snapshot may hold up this thread, ms. */
  readonly sliceMs: number;
}

/** Between attempts to bring back a replica that failed; the first attempt is made at once. */
const REOPEN_RETRY = { firstMs: 200, maxMs: 30_000 } as const;
/** Between attempts to load beside a serving replica where there is no room for two. */
const FULL_DISK_RETRY = { firstMs: 5 * 60_000, maxMs: 3_600_000 } as const;
/** A serving replica that ran so long does not fail of what it failed of before. */
const STEADY_MS = 5 * 60_000;
/** How often files are looked for that are of no use any more. */
const TIDY_EVERY_MS = 3_600_000;
/** How often the progress of a loading is told. */
const PROGRESS_EVERY_MS = 1_000;

/**
 * Keeps the files of a replica written, whatever happens to them; lookups are read beside it, see CustomerReplica.
 *
 *   part loaded ──complete──▶ closed, on the medium, renamed ──▶ serving ──poisoned──▶ reopened
 *      ├─poisoned──▶ reopened, goes on                              ├─damaged──▶ set aside ──▶ next part
 *      └─cut off, damaged──▶ next part                              └─cut off, diverged, ordered──▶ next part beside it
 *
 * Each generation is a file of its own. Lookups are read from the serving one; where there is none, from the part, which
 * claims nothing. A replica that fails again before it has caught up is brought back ever more slowly.
 */
export class ReplicaKeeper implements ReplicaWriter {
  readonly #options: KeeperOptions;
  readonly #ports: KeeperPorts;
  readonly #files: GenerationFiles;
  readonly #closing = new AbortController();
  #source: ReplicaSource | undefined;
  /** The serving generation, and one that is being loaded, while they are open. */
  #serving: Generation | undefined;
  #loading: Generation | undefined;
  /** The generation whose file serves, open or not, and what its note said last. */
  #servingNumber: number | undefined;
  #servingNote: ReplicaNote | undefined;
  readonly #trust: ReplicaTrust;
  #readTarget: ReadTarget | null = null;
  /** Failures since the serving replica last ran for a while, and since a loading was last asked for. */
  #servingFailures = 0;
  #servingSinceMs = Infinity;
  #loadingFailures = 0;
  #cancelReopening: (() => void) | undefined;
  #cancelLoading: (() => void) | undefined;
  #cancelProgress: (() => void) | undefined;
  #cancelTidying: (() => void) | undefined;
  readonly #leftOver: LeftOverFiles;
  /** Maintenance is one step at a time: reopening, beginning to load, completing, clearing up. */
  readonly #maintenance: OneAtATime = new OneAtATime(this.#closing.signal, (error) => this.#goOnAfter(error));
  #closed: Promise<void> | undefined;
  /** A loaded generation is taking the place of the serving one. */
  #completing = false;
  /** A snapshot led nowhere: the present loading is done page by page. */
  #withoutSnapshot = false;

  private constructor(options: KeeperOptions, files: GenerationFiles, ports: KeeperPorts) {
    this.#options = options;
    this.#files = files;
    this.#ports = ports;
    const { key, owner } = options;
    const { clock, log } = ports;
    const { sealPath } = files;
    this.#leftOver = new LeftOverFiles(files, log);
    this.#trust = new ReplicaTrust({ sealPath, key, owner, clock, log }, options.serving?.proven ?? true);
    if (options.serving !== null) {
      const { generation } = options.serving;
      this.#servingNumber = generation;
      this.#readTarget = { generation, file: files.path(generation) };
    }
  }

  /**
   * Opens the generation that serves, and goes on with one that was being loaded; where nothing serves, a new one is
   * begun. A file that cannot be used is taken away.
   * @throws StammkundeError REP_WRONG_KEY · DATA_IN_USE · DATA_DISK_FULL · DATA_UNWRITABLE
   */
  static async open(options: KeeperOptions, ports: KeeperPorts): Promise<ReplicaKeeper> {
    const keeper = new ReplicaKeeper(options, new GenerationFiles(options.folder), ports);
    try {
      await keeper.#start();
      return keeper;
    } catch (error) {
      await keeper.close();
      throw error;
    }
  }

  follow(source: ReplicaSource): void {
    this.#source = source;
    if (this.#loading !== undefined) this.#followWith(this.#loading);
    if (this.#serving !== undefined) this.#followWith(this.#serving);
  }

  resync(collections?: readonly ReplicaCollection[]): void {
    this.#serving?.replica.resync(collections);
    this.#loading?.replica.resync(collections);
  }

  reseed(reason: ReseedReason): void {
    if (this.#loading !== undefined || this.#cancelLoading !== undefined) return;
    this.#loadingFailures = 0;
    const about = this.#servingNumber;
    this.#maintenance.add(async () => {
      // One that has been replaced since is no reason to load the one in its place anew.
      if (this.#servingNumber === about) await this.#loadOrLater(reason);
    });
  }

  reportDamage(generation: number, error: Error): void {
    if (this.#readTarget?.generation === generation) this.#lose(generation, error);
  }

  idle(): Promise<void> {
    return this.#maintenance.idle();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    for (const cancel of [
      this.#cancelReopening,
      this.#cancelLoading,
      this.#cancelProgress,
      this.#cancelTidying,
    ]) {
      cancel?.();
    }
    this.#loading?.ending.abort();
    await this.idle();
    const [loading, serving] = [this.#loading, this.#serving];
    this.#loading = undefined;
    this.#serving = undefined;
    if (serving !== undefined) this.#trust.seal(serving);
    for (const generation of [serving, loading]) await this.#end(generation);
  }

  async #start(): Promise<void> {
    const [newestPart] = this.#files.parts();
    const [newest = 0] = this.#files.complete();
    if (newest > (this.#servingNumber ?? 0)) {
      // Put in place by a writer that ended before it could tell.
      this.#servingNumber = newest;
      this.#trust.isAnother();
      await this.#read({ generation: newest, file: this.#files.path(newest) });
    }
    if (this.#servingNumber !== undefined) await this.#openServing(this.#servingNumber);
    const serving = this.#servingNumber ?? 0;
    for (const number of this.#files.complete()) if (number !== serving) await this.#remove(number);
    for (const number of this.#files.parts()) {
      if (number !== newestPart || number < serving) await this.#remove(number);
    }
    await this.#tidyUp();
    if (this.#loading !== undefined) return;
    if (this.#servingNumber === undefined) {
      await this.#load(newestPart === undefined ? 'empty' : 'interrupted');
    } else if (newestPart !== undefined && newestPart > serving) {
      this.#beginLoading('interrupted');
    }
    this.#tell();
  }

  /** Opens the serving generation; one that cannot be used is taken away. @throws whatever else keeps it from opening */
  async #openServing(number: number): Promise<void> {
    try {
      const serving = await this.#open(number, this.#files.path(number), null);
      this.#serving = serving;
      this.#servingSinceMs = this.#ports.clock.monotonicMs();
      this.#servingNote = serving.replica.note;
      this.#followWith(serving);
    } catch (error) {
      if (!isUnusable(error)) throw error;
      await this.#replaceLost(number, undefined, error);
    }
  }

  async #open(number: number, file: string, loading: ReplicaOptions['loading']): Promise<Generation> {
    const { clock, random, log } = this.#ports;
    const { key, owner, beforeStatement } = this.#options;
    const replica: Replica = await Replica.open(
      {
        file,
        key,
        owner,
        generation: number,
        loading,
        ...(beforeStatement === undefined ? {} : { beforeStatement }),
      },
      {
        clock,
        random,
        log,
        onPoisoned: (error) => this.#onPoisoned(generation, error),
        onCutOff: (why) => this.#onCutOff(generation, why),
        onCaughtUp: (...caughtUp) => this.#onCaughtUp(generation, ...caughtUp),
      },
    );
    const generation: Generation = { number, replica, ending: new AbortController() };
    return generation;
  }

  #followWith(generation: Generation): void {
    const source = this.#source;
    if (source === undefined) return;
    if (generation === this.#loading && source.snapshots !== undefined && !this.#withoutSnapshot) {
      void this.#seed(generation, source, source.snapshots);
      return;
    }
    generation.replica.follow(source);
    if (generation !== this.#serving) return;
    if (canBeCompared(source)) generation.rounds = this.#roundsOf(generation, source);
    else if (!this.#trust.proven) this.reseed('unproven');
  }

  /** Loads a snapshot, where the server has one, and then follows the feed from there. Never rejects. */
  async #seed(generation: Generation, source: ReplicaSource, questions: SnapshotQuestions): Promise<void> {
    const { clock, random, log } = this.#ports;
    const { sliceMs } = this.#options;
    const onProgress = (): void => this.#tell();
    switch (await seedGeneration(generation, { questions, clock, random, log, sliceMs, onProgress })) {
      case 'follow':
        generation.replica.follow(source);
        break;
      case 'without-snapshot':
        // The feed has it all.
        this.#withoutSnapshot = true;
        this.#loadFromTheBeginning(generation);
        break;
      case 'begin-again':
        this.#loadFromTheBeginning(generation);
        break;
      case 'ended':
        break;
    }
  }

  #onCaughtUp(
    generation: Generation,
    collection: ReplicaCollection,
    position: FeedPosition,
    changed: boolean,
  ): void {
    const { note } = generation.replica;
    // While another generation takes its place, what lies over this one must stay: the other may not have it yet.
    if (generation.number === this.#readTarget?.generation && !this.#completing) {
      this.#ports.listener.onCaughtUp(collection, position, changed);
    }
    if (generation === this.#serving) {
      this.#servingNote = note;
      generation.rounds?.caughtUp(collection, changed);
      this.#trust.sealNowAndThen(generation);
    }
    if (generation === this.#loading && note.caughtUpAt !== null) {
      this.#maintenance.add(() => this.#complete(generation));
    }
    this.#tell();
  }

  /** Collections of which a loaded generation lacks what the serving one has: a block or an erasure may be among it. */
  #lacking(loaded: Generation): readonly ReplicaCollection[] {
    const serving = this.#serving?.replica.note.positions ?? this.#servingNote?.positions ?? {};
    const positions = loaded.replica.note.positions;
    return replicaCollectionNames.filter((name) => {
      const [there, here] = [serving[name], positions[name]];
      return there !== undefined && here?.epoch === there.epoch && isBehind(here, there);
    });
  }

  #onPoisoned(generation: Generation, error: Error): void {
    const { number } = generation;
    this.#ports.log.error({ event: 'replica.poisoned', generation: number, error });
    if (isFault(error, 'REP_CORRUPT')) {
      this.#lose(number, error);
      return;
    }
    this.#maintenance.add(() => this.#end(generation));
    const beside = this.#loading;
    if (isFault(error, 'DATA_DISK_FULL') && this.#servingNumber !== undefined && beside !== undefined) {
      // The journal lies on the same disk: sales need the room more than a copy beside one that serves.
      this.#loading = undefined;
      this.#maintenance.add(async () => {
        await this.#end(beside);
        await this.#remove(beside.number);
      });
      this.#beginLoadingLater(FULL_DISK_RETRY);
    } else if (generation === beside) {
      this.#loading = undefined;
      this.#beginLoadingLater();
    }
    if (generation === this.#serving) {
      this.#serving = undefined;
      if (this.#ports.clock.monotonicMs() - this.#servingSinceMs > STEADY_MS) this.#servingFailures = 0;
      this.#reopenSoon();
    }
  }

  #onCutOff(generation: Generation, why: CutOff): void {
    if (generation === this.#serving) this.reseed(why);
    this.#loadFromTheBeginning(generation);
  }

  /** What was loaded so far is of no use: it is removed, and another part begun. */
  #loadFromTheBeginning(generation: Generation): void {
    if (generation !== this.#loading) return;
    this.#loading = undefined;
    this.#maintenance.add(async () => {
      if (this.#readTarget?.generation === generation.number) await this.#read(null);
      await this.#end(generation);
      await this.#remove(generation.number);
    });
    this.#beginLoadingLater();
  }

  /** No file goes while it is read: systems differ in what becomes of one that is open. */
  async #remove(number: number): Promise<void> {
    if (this.#readTarget?.generation === number) await this.#read(null);
    this.#leftOver.remove(number);
  }

  /** Now and every hour: removes what could not be removed before, and what was put aside long ago. */
  async #tidyUp(): Promise<void> {
    const { clock } = this.#ports;
    this.#cancelTidying?.();
    this.#cancelTidying = clock.schedule(TIDY_EVERY_MS, () => this.#maintenance.add(() => this.#tidyUp()));
    for (const number of this.#leftOver.numbers) await this.#remove(number);
    this.#leftOver.removeOldAside(clock.now());
  }

  /** A generation's file cannot be used: what is loaded in its place is read from meanwhile, and claims nothing. */
  #lose(number: number, error: Error): void {
    const open = [this.#serving, this.#loading].find((each) => each?.number === number);
    if (open !== undefined && open === this.#loading) this.#loading = undefined;
    if (number === this.#servingNumber) this.#forgetServing();
    this.#maintenance.add(() => this.#replaceLost(number, open, error));
    this.#tell();
  }

  async #replaceLost(number: number, open: Generation | undefined, error: Error): Promise<void> {
    if (number === this.#servingNumber) this.#forgetServing();
    if (this.#readTarget?.generation === number) await this.#read(null);
    await this.#end(open);
    discard(number, error, { files: this.#files, ...this.#ports });
    if (this.#loading === undefined) {
      if (this.#cancelLoading === undefined) await this.#loadOrLater('damaged');
    } else if (this.#servingNumber === undefined) {
      await this.#read(this.#partOf(this.#loading));
    }
    this.#tell();
  }

  #forgetServing(): void {
    this.#serving = undefined;
    this.#servingNumber = undefined;
    this.#servingNote = undefined;
  }

  /** At once the first time, then ever more slowly. */
  #reopenSoon(): void {
    const failures = this.#servingFailures;
    this.#servingFailures += 1;
    const reopen = (): void => {
      this.#cancelReopening = undefined;
      this.#maintenance.add(() => this.#reopen());
    };
    if (failures === 0) reopen();
    else {
      const delayMs = retryDelayMs(REOPEN_RETRY, failures - 1, this.#ports.random);
      this.#cancelReopening?.();
      this.#cancelReopening = this.#ports.clock.schedule(delayMs, reopen);
    }
  }

  async #reopen(): Promise<void> {
    const number = this.#servingNumber;
    if (this.#serving !== undefined || number === undefined) return;
    try {
      await this.#openServing(number);
    } catch (error) {
      const failures = this.#servingFailures;
      this.#ports.log.error({ event: 'replica.reopen.failed', failures, error: asError(error) });
      this.#reopenSoon();
    }
    this.#tell();
  }

  #beginLoading(reason: 'interrupted' | 'failed'): void {
    this.#maintenance.add(() => this.#loadOrLater(reason));
  }

  #beginLoadingLater(retry: RetrySchedule = REOPEN_RETRY): void {
    if (this.#closing.signal.aborted) return;
    const delayMs = retryDelayMs(retry, this.#loadingFailures, this.#ports.random);
    this.#loadingFailures += 1;
    this.#cancelLoading?.();
    this.#cancelLoading = this.#ports.clock.schedule(delayMs, () => {
      this.#cancelLoading = undefined;
      this.#beginLoading('failed');
    });
  }

  async #loadOrLater(reason: ReseedReason): Promise<void> {
    try {
      await this.#load(reason);
    } catch (error) {
      this.#ports.log.error({ event: 'replica.reseed.failed', reason, error: asError(error) });
      const isFull = isDiskFull(error) && this.#servingNumber !== undefined;
      // What was loaded of it holds room that sales need.
      if (isFull) for (const part of this.#files.parts()) await this.#remove(part);
      this.#beginLoadingLater(isFull ? FULL_DISK_RETRY : REOPEN_RETRY);
    }
  }

  /** Goes on with the part there is, or begins one. @throws as {@link Replica.open} */
  async #load(reason: ReseedReason): Promise<void> {
    if (this.#loading !== undefined || this.#closing.signal.aborted) return;
    const goesOn = reason === 'interrupted' || reason === 'failed' || reason === 'empty';
    const [part] = this.#files.parts();
    if (part !== undefined && !goesOn) await this.#remove(part);
    if (this.#servingNumber !== undefined) {
      requireRoom(this.#options.folder, {
        serving: this.#files.path(this.#servingNumber),
        part: part === undefined ? undefined : this.#files.partPath(part),
      });
    }
    const number = goesOn && part !== undefined ? part : this.#nextNumber();
    if (reason === 'empty') this.#ports.log.info({ event: 'replica.load', generation: number });
    else this.#ports.log.warn({ event: 'replica.reseed', reason, generation: number });
    const loading = (this.#servingNote?.caughtUpAt ?? null) === null ? 'fast' : 'gently';
    const opened = await this.#openPart(number, loading);
    this.#loading = opened;
    if (this.#servingNumber === undefined) await this.#read(this.#partOf(opened));
    this.#followWith(opened);
    this.#tellProgress();
  }

  /** A part that cannot be used is taken away, and another one begun. @throws as {@link Replica.open} */
  async #openPart(number: number, loading: ReplicaOptions['loading']): Promise<Generation> {
    try {
      return await this.#open(number, this.#files.partPath(number), loading);
    } catch (error) {
      if (!isUnusable(error)) throw error;
      if (this.#readTarget?.generation === number) await this.#read(null);
      discard(number, error, { files: this.#files, ...this.#ports });
      const next = Math.max(number + 1, this.#nextNumber());
      return this.#open(next, this.#files.partPath(next), loading);
    }
  }

  #nextNumber(): number {
    const sealed = readSeal(this.#files.sealPath, this.#options.key)?.generation ?? 0;
    const taken = [...this.#files.complete(), ...this.#files.parts(), ...this.#leftOver.numbers];
    return Math.max(0, sealed, this.#servingNumber ?? 0, ...taken) + 1;
  }

  #partOf({ number }: Generation): ReadTarget {
    return { generation: number, file: this.#files.partPath(number) };
  }

  /**
   * Makes a loaded generation the serving one. Killed anywhere in here, the next start finds the old one and a part, or
   * the new one.
   */
  async #complete(loaded: Generation): Promise<void> {
    if (loaded !== this.#loading) return;
    const lacking = this.#lacking(loaded);
    if (lacking.length > 0) {
      loaded.replica.resync(lacking);
      return;
    }
    this.#completing = true;
    try {
      await this.#putInPlace(loaded);
    } finally {
      this.#completing = false;
    }
  }

  async #putInPlace(loaded: Generation): Promise<void> {
    const { number } = loaded;
    const { note } = loaded.replica;
    loaded.replica.sync();
    this.#loading = undefined;
    this.#cancelProgress?.();
    // The WAL goes by the old name: it must be folded back, by the last who closes the file.
    if (this.#readTarget?.generation === number) await this.#read(null);
    await this.#end(loaded);
    const old = this.#serving;
    try {
      requireFoldedBack(this.#files.partPath(number));
      this.#files.finish(number);
    } catch (error) {
      this.#ports.log.error({ event: 'replica.complete.failed', generation: number, error: asError(error) });
      this.#beginLoadingLater();
      return;
    }
    this.#serving = undefined;
    this.#cancelReopening?.();
    this.#servingNumber = number;
    this.#servingNote = note;
    this.#servingFailures = 0;
    this.#withoutSnapshot = false;
    this.#trust.isAnother();
    await this.#read({ generation: number, file: this.#files.path(number) });
    this.#ports.log.info({ event: 'replica.replaced', generation: number });
    await this.#end(old);
    await this.#reopen();
    for (const each of this.#files.complete()) if (each < number) await this.#remove(each);
    // An opened replica has taken nothing yet: the note is the one of before.
    const serving = this.#generationServing();
    if (serving !== undefined) this.#trust.seal(serving);
  }

  /** For the flow analysis of TypeScript, which does not see that an awaited step sets it. */
  #generationServing(): Generation | undefined {
    return this.#serving;
  }

  #end(generation: Generation | undefined): Promise<void> {
    return endGeneration(generation, this.#ports.log);
  }

  async #read(target: ReadTarget | null): Promise<void> {
    this.#readTarget = target;
    await this.#ports.listener.readFrom(target);
  }

  #roundsOf(generation: Generation, source: RangeSource): VerificationRounds {
    const { clock, log, listener } = this.#ports;
    return compareServing(generation, source, {
      trust: this.#trust,
      clock,
      log,
      isServing: () => generation === this.#serving,
      onCompared: () => {
        if (generation === this.#serving) this.#servingNote = generation.replica.note;
        this.#tell();
      },
      onRepaired: (...repaired) => listener.onCaughtUp(...repaired, true),
      reseed: (reason) => this.reseed(reason),
    });
  }

  #tellProgress(): void {
    this.#cancelProgress?.();
    this.#cancelProgress = undefined;
    if (this.#loading === undefined || this.#closing.signal.aborted) return;
    this.#cancelProgress = this.#ports.clock.schedule(PROGRESS_EVERY_MS, () => this.#tellProgress());
    this.#tell();
  }

  #tell(): void {
    if (this.#closing.signal.aborted) return;
    const note = this.#servingNote;
    const verified = replicaCollectionNames.flatMap((name) => note?.verifiedAt[name] ?? []);
    const loading = this.#loading;
    this.#ports.listener.onStatus({
      caughtUpAt: this.#trust.proven ? (note?.caughtUpAt ?? null) : null,
      proven: this.#trust.proven,
      verifiedAt: verified.length === replicaCollectionNames.length ? Math.min(...verified) : null,
      lastDifference: this.#trust.lastDifference,
      seeding: loading === undefined ? null : progressOf(loading),
    });
  }

  /** Wherever a step of the maintenance stood, one of these goes on from there. */
  #goOnAfter(error: unknown): void {
    this.#ports.log.error({ event: 'replica.maintenance.failed', error: asError(error) });
    if (this.#servingNumber !== undefined && this.#serving === undefined) this.#reopenSoon();
    else if (this.#servingNumber === undefined && this.#loading === undefined) this.#beginLoadingLater();
  }
}

function canBeCompared(source: ReplicaSource): source is ReplicaSource & RangeSource {
  return source.ranges !== undefined && source.bucket !== undefined;
}
