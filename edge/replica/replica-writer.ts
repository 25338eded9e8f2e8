import type { Clock, Instant } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import type { ReplicaSource } from './feed-source.ts';

/** Why a new generation is loaded beside the serving one. */
export type ReseedReason =
  | 'empty'
  | 'ordered'
  | 'epoch'
  | 'expired'
  | 'diverged'
  | 'unproven'
  | 'damaged'
  | 'interrupted'
  | 'failed';

/** What a writer begins with. */
export interface WriterStart {
  readonly folder: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Tenant and till the replica is for. */
  readonly owner: string;
  /** The complete generation lookups are read from; `proven` when it is known to be no older copy put back. */
  readonly serving: { readonly generation: number; readonly proven: boolean } | null;
}

/** A file lookups may be read from. */
export interface ReadTarget {
  readonly generation: number;
  readonly file: string;
}

/** What the last comparison that was not even found. */
export interface ReplicaDifference {
  readonly at: Instant;
  readonly collection: ReplicaCollection;
  /** Numbers of the buckets that differed from the server's. */
  readonly buckets: readonly number[];
  /** Documents that were written or removed to make them the same. */
  readonly repaired: number;
}

/** How far the loading of a new generation is. */
export interface SeedingProgress {
  readonly generation: number;
  /** `preparing`: the server makes a snapshot, or is not there; `catching-up`: what changed meanwhile is pulled. */
  readonly phase: 'preparing' | 'loading' | 'catching-up';
  readonly documents: number;
  /** null when nobody knows, as with a pull page by page. */
  readonly documentsTotal: number | null;
  /** Documents in a second; null when nobody counts. */
  readonly ratePerSecond: number | null;
}

/** How the replica is, as its writer knows. */
export interface WriterStatus {
  /**
   * When the file lookups are read from last held all the server had: null before its first complete pull, and while
   * it is not proved that no older copy of it was put back.
   */
  readonly caughtUpAt: Instant | null;
  /** False while the file may be an older copy that was put back. */
  readonly proven: boolean;
  /** When all of it was last found to be what the server has. */
  readonly verifiedAt: Instant | null;
  readonly lastDifference: ReplicaDifference | null;
  /** null while nothing is being loaded. */
  readonly seeding: SeedingProgress | null;
}

/** What a writer tells the reading side. After `close` was called it tells nothing more. */
export interface WriterListener {
  /**
   * Lookups are read from this file from now on; null: from none, because it is about to be renamed or removed.
   * Resolves when no reader has any other file of the replica open.
   */
  readFrom(target: ReadTarget | null): Promise<void>;
  /**
   * The file lookups are read from holds all of a collection the server had at `position`. `changed`: documents of it may
   * be others than when this was last told, or than before the writer began.
   */
  onCaughtUp(collection: ReplicaCollection, position: FeedPosition, changed: boolean): void;
  onStatus(status: WriterStatus): void;
}

/**
 * Whatever changes a replica's files: RxDB and its replication, the loading of new generations, verification, repair.
 * It works beside the reader, in this thread or in one of its own, and none of its calls waits for a disk.
 */
export interface ReplicaWriter extends Closable {
  /** From now on follows `source`. To be called once. */
  follow(source: ReplicaSource): void;
  /** Asks the feed again now, cutting short any wait; without collections all of them. */
  resync(collections?: readonly ReplicaCollection[]): void;
  /** Loads a new generation beside the serving one, which keeps serving until the new one is complete. */
  reseed(reason: ReseedReason): void;
  /** The reader found a generation's file damaged: it is set aside and loaded anew. */
  reportDamage(generation: number, error: Error): void;
  /** Resolves when no maintenance step is under way. */
  idle(): Promise<void>;
}

/**
 * Opens a writer; resolves when its files are open.
 * @throws StammkundeError REP_WRONG_KEY · DATA_IN_USE · DATA_DISK_FULL · DATA_UNWRITABLE · REP_WRITER_LOST
 */
export type OpenWriter = (
  start: WriterStart,
  ports: {
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly listener: WriterListener;
    /** It stopped without being asked to, and is of no more use. Called once. */
    onLost(error: Error): void;
  },
) => Promise<ReplicaWriter>;
