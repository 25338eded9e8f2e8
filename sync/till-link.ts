import type { KeyObject } from 'node:crypto';
import type { Clock } from '../foundation/clock.ts';
import type { ErrorCode } from '../foundation/error-codes.ts';
import { Opened } from '../foundation/lifecycle.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import type { Bus, BusOpening } from './bus.ts';
import { CommandListener } from './commands.ts';
import type { AppCodeConfirm, CodeVerdict, RotatingCodeVerify } from './contract/code-requests.ts';
import type { BlindIndex } from './contract/blind-index.ts';
import type { FeedPage, FeedPosition } from './contract/feed.ts';
import type { StoreId, TenantId } from './contract/ids.ts';
import type { LookupAnswer } from './contract/lookup.ts';
import type { EntryVerdict, FeedUrgent, Question } from './contract/messages.ts';
import type { BucketAnswer, RangesAnswer } from './contract/ranges.ts';
import type { ReplicaCollection } from './contract/replica-documents.ts';
import { topicsOf } from './contract/topics.ts';
import { JournalUpload } from './journal-upload.ts';
import type { UploadJournal, UploadStatus } from './journal-upload.ts';
import type { ObeyedVersions } from './obeyed-versions.ts';
import { Presence } from './presence.ts';
import type { PresenceTimes, SessionNumbers, TillHealth } from './presence.ts';
import { FeedClient } from './replica-feed.ts';
import type {
  Allowance,
  PointsReleaseAnswer,
  PointsReserveAnswer,
  PointsReserveRequest,
} from './contract/redemption.ts';
import { RequestClient } from './request.ts';
import type { RequestLimits } from './request.ts';
import type { SnapshotQuestions } from './snapshot-client.ts';
import { StatementReader } from './statement-reader.ts';
import type { UploadLimits } from './upload-window.ts';

export interface TillLinkOptions {
  readonly tenant: TenantId;
  /** The server's Ed25519 key. */
  readonly publicKey: KeyObject;
  /** Version of the program, at most 40 characters. */
  readonly version: string;
  /** Names the till and its incarnation, too. */
  readonly journal: UploadJournal;
  readonly versions: ObeyedVersions;
  readonly sessions: SessionNumbers;
  /** How long a till waits at most before it follows a notice that reached all of them. */
  readonly noticeJitterMs: number;
  /** Where the till stands: decides what its replica holds. */
  readonly store?: StoreId;
  /** Opens the bus with the subscriptions and the will it is given; the link closes it. */
  readonly openBus: (opening: BusOpening) => Promise<Bus>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly requestLimits?: RequestLimits;
  readonly uploadLimits?: UploadLimits;
  readonly presenceTimes?: PresenceTimes;
}

/** What the till does about what it hears. All of them only take note. */
export interface TillLinkHandlers {
  health(): TillHealth;
  /** The server has changes that were not pulled yet. */
  onBehind(collection: ReplicaCollection): void;
  /** Must hold when it returns. */
  onUrgent(urgent: FeedUrgent): void;
  /** The replica is to be dropped and loaded anew. */
  onReseed(): void;
  /** The till is to destroy what it holds: its journal is the one that is meant. Must hold when it returns. */
  onWipe?(): void;
  /** The server told its time, ms since the epoch, in an answer to a question just asked. */
  onServerTime?(at: number): void;
  /** {@link TillLink.status} may have changed. */
  onChange(): void;
  /** What the server says of an entry of the journal, again each time it says so. */
  onVerdict?(verdict: EntryVerdict): void;
}

export interface LinkStatus {
  readonly connected: boolean;
  readonly upload: UploadStatus;
  /** Messages that were not believed, by code. */
  readonly rejected: Readonly<Partial<Record<ErrorCode, number>>>;
}

/** The till's end of the wire: one bus, and everything that travels on it. */
export class TillLink implements Closable {
  /** How a SnapshotClient asks for snapshots. */
  readonly snapshots: SnapshotQuestions;
  readonly #opened: Opened;
  readonly #bus: Bus;
  readonly #reader: StatementReader;
  readonly #upload: JournalUpload;
  readonly #feed: FeedClient;
  readonly #requests: RequestClient;
  readonly #presence: Presence;

  private constructor(parts: {
    readonly opened: Opened;
    readonly bus: Bus;
    readonly reader: StatementReader;
    readonly upload: JournalUpload;
    readonly feed: FeedClient;
    readonly requests: RequestClient;
    readonly presence: Presence;
    readonly store: StoreId | undefined;
  }) {
    this.#opened = parts.opened;
    this.#bus = parts.bus;
    this.#reader = parts.reader;
    this.#upload = parts.upload;
    this.#feed = parts.feed;
    this.#requests = parts.requests;
    this.#presence = parts.presence;
    const { requests, store } = parts;
    this.snapshots = { ask: (question) => requests.ask(withStore(question, store)) };
  }

  /** Usable at once, with or without a network. @throws whatever `openBus` throws, leaving nothing behind */
  static async open(options: TillLinkOptions, handlers: TillLinkHandlers): Promise<TillLink> {
    const { clock, random, log, journal, versions } = options;
    const { owner } = journal;
    const { till } = owner;
    const topics = topicsOf(options.tenant);
    const reader = new StatementReader({ till, publicKey: options.publicKey, clock, log });
    const requests = new RequestClient({
      till,
      topics,
      reader,
      clock,
      random,
      onServerTime: (at) => handlers.onServerTime?.(at),
      ...(options.requestLimits === undefined ? {} : { limits: options.requestLimits }),
    });
    const upload = new JournalUpload({
      journal,
      topics,
      reader,
      clock,
      random,
      log,
      onChange: () => handlers.onChange(),
      onVerdict: (verdict) => handlers.onVerdict?.(verdict),
      ...(options.uploadLimits === undefined ? {} : { limits: options.uploadLimits }),
    });
    const feed = new FeedClient({
      requests,
      topics,
      reader,
      versions,
      clock,
      random,
      log,
      maxJitterMs: options.noticeJitterMs,
      ...(options.store === undefined ? {} : { store: options.store }),
      onBehind: (collection) => handlers.onBehind(collection),
      onUrgent: (urgent) => handlers.onUrgent(urgent),
      onNewHistory: () => upload.ask(),
    });
    const commands = new CommandListener({
      till,
      topics,
      reader,
      versions,
      log,
      onCommand: (command) => {
        switch (command.kind) {
          case 'reseed':
            handlers.onReseed();
            break;
          case 'wipe':
            if (command.incarnation !== null && command.incarnation !== owner.incarnation) {
              log.warn({ event: 'till.wipe.other', incarnation: command.incarnation });
              break;
            }
            handlers.onWipe?.();
            break;
          case 'receipt':
            upload.resendAfter(command.contiguous);
            break;
        }
      },
    });
    const presence = new Presence({
      owner,
      version: options.version,
      topics,
      sessions: options.sessions,
      health: () => handlers.health(),
      clock,
      log,
      ...(options.presenceTimes === undefined ? {} : { times: options.presenceTimes }),
    });
    const opened = new Opened();
    try {
      const bus = opened.add(
        await options.openBus({
          subscriptions: [requests, upload, feed, commands].flatMap((part) => part.subscriptions),
          will: () => presence.will(),
        }),
      );
      opened.defer(bus.onConnection(() => handlers.onChange()));
      for (const part of [requests, upload, presence]) {
        part.start(bus);
        opened.add(part);
      }
      opened.add(feed);
      return new TillLink({ opened, bus, reader, upload, feed, requests, presence, store: options.store });
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  get status(): LinkStatus {
    return {
      connected: this.#bus.connected,
      upload: this.#upload.status,
      rejected: this.#reader.rejected,
    };
  }

  /** A full page of the feed; see {@link FeedClient.pull}. */
  pull(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage> {
    return this.#feed.pull(collection, after, limit);
  }

  /** Hashes of what the server has of a collection; see {@link FeedClient.ranges}. */
  ranges(collection: ReplicaCollection, at: FeedPosition): Promise<RangesAnswer> {
    return this.#feed.ranges(collection, at);
  }

  /** The documents of one bucket; see {@link FeedClient.bucket}. */
  bucket(
    collection: ReplicaCollection,
    bucket: number,
    after: string | null,
    limit: number,
  ): Promise<BucketAnswer> {
    return this.#feed.bucket(collection, bucket, after, limit);
  }

  /**
   * What the server says of an app code or a rotating code.
   * @throws as {@link RequestClient.ask}
   */
  async judgeCode(question: AppCodeConfirm | RotatingCodeVerify): Promise<CodeVerdict> {
    switch (question.kind) {
      case 'app-code.confirm':
        return (await this.#requests.ask(question)).verdict;
      case 'rotating-code.verify':
        return (await this.#requests.ask(question)).verdict;
    }
  }

  /**
   * Whose card it is that the till does not hold; `signal` gives the question up.
   * @throws as {@link RequestClient.ask}
   */
  lookUp(index: BlindIndex, signal: AbortSignal): Promise<LookupAnswer> {
    return this.#requests.ask({ kind: 'credential.lookup', index }, signal);
  }

  /** Has points kept for a sale; `signal` gives the question up. @throws as {@link RequestClient.ask} */
  reserve(question: PointsReserveRequest, signal: AbortSignal): Promise<PointsReserveAnswer> {
    return this.#requests.ask(question, signal);
  }

  /** Lets points go that were kept. @throws as {@link RequestClient.ask} */
  release(redemptionId: string): Promise<PointsReleaseAnswer> {
    return this.#requests.ask({ kind: 'points.release', redemptionId });
  }

  /** What this till may take without the server. @throws as {@link RequestClient.ask} */
  async allowance(): Promise<Allowance | null> {
    return (await this.#requests.ask({ kind: 'points.allowance' })).allowance;
  }

  /** An entry was appended to the journal. */
  journalGrew(): void {
    this.#upload.notify();
    this.#presence.changed();
  }

  /** Something the till's health speaks of has changed. */
  healthChanged(): void {
    this.#presence.changed();
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

/** An offer depends on where the till stands. */
function withStore<K extends 'snapshot.offer' | 'snapshot.chunk'>(
  question: Question<K>,
  store: StoreId | undefined,
): Question<K> {
  // Either kind is one of this union, which TypeScript does not see of a type parameter.
  const { kind } = question as Question<'snapshot.offer' | 'snapshot.chunk'>;
  return kind === 'snapshot.offer' && store !== undefined ? { ...question, store } : question;
}
