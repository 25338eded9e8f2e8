import type { RxCollection } from 'rxdb';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import type { RxReplicationState } from 'rxdb/plugins/replication';
import { Subject } from 'rxjs';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import { StammkundeError, asError, isFault } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import { FeedPosition, isBehind } from '../../sync/contract/feed.ts';
import type { ReplicaCollection, ReplicaDocuments } from '../../sync/contract/replica-documents.ts';
import type { FeedSource } from './feed-source.ts';
import { pulledDocuments } from './pulled-documents.ts';
import { unlessAborted } from './unless-aborted.ts';

/** Between failed pulls; a notice from the server cuts the wait short. */
const PULL_RETRY = { firstMs: 500, maxMs: 30_000 } as const;

interface FollowerOptions<C extends ReplicaCollection> {
  readonly name: C;
  readonly collection: RxCollection<ReplicaDocuments[C]>;
  readonly source: FeedSource;
  /** Documents to ask for at once. */
  readonly pageSize: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ends the following; RxDB cancels the replication itself when its database closes. */
  readonly closing: AbortSignal;
  /** After a storage error nothing more is pulled: it could not be kept. */
  readonly isPoisoned: () => boolean;
  /** RxDB gave a page up that it was handed; what is stored is as before, and nothing more is pulled. */
  readonly onLost: (error: Error) => void;
  /** The feed cannot be followed any further from where the replica is: another has to be loaded. */
  readonly onCutOff: (why: CutOff) => void;
  /** Everything up to `position` is stored; it was all the server had at `heldAllAt`. */
  readonly onCaughtUp: (caughtUp: CaughtUp) => void;
  /** Everything up to here is stored, as the replica noted. */
  readonly storedUpTo: FeedPosition | undefined;
}

/** `epoch`: the server has another history. `expired`: it no longer knows what was deleted since. */
export type CutOff = 'epoch' | 'expired';

interface CaughtUp {
  /** When it was asked, or as long before as the server says that it holds changes back. */
  readonly heldAllAt: Instant;
  readonly position: FeedPosition;
  /** Documents came since it was last caught up, or it is the first time. */
  readonly changed: boolean;
}

type Batch<C extends ReplicaCollection> = {
  readonly documents: ReturnType<typeof pulledDocuments<C>>;
  readonly checkpoint: FeedPosition | undefined;
};

/**
 * Follows the feed of one collection through RxDB's pull replication.
 *
 *   resync ──▶ page, page, … page without more ──▶ stored ──▶ caught up
 *                 └─ fails ─▶ wait, jittered, cut short by resync ─▶ the same page again
 *
 * To RxDB a batch shorter than its `batchSize` is the end of the feed. With a size of one, every page with documents
 * goes on and only an empty one ends, so each page may have the size that suits the moment.
 *
 * RxDB asks for page after page without waiting for what it has to be stored, and would hold the whole feed in memory.
 * So it is handed a page only when the one before is stored, which is when RxDB has noted its checkpoint; meanwhile one
 * page more is fetched, and no other. A page that RxDB gives up is therefore never followed by a checkpoint past it.
 *
 * It is at rest when all that was pulled is stored and nothing is asked for; then somebody else may have a turn.
 */
export class CollectionFollower<C extends ReplicaCollection> {
  readonly #options: FollowerOptions<C>;
  readonly #notices = new Subject<'RESYNC'>();
  readonly #replication: RxReplicationState<ReplicaDocuments[C], FeedPosition | undefined>;
  #wake = new AbortController();
  /** A notice came since the server was last asked. */
  #noticed = false;
  /** The last page said that there is no more. */
  #atEnd = false;
  /** Batches RxDB waits for. */
  #asking = 0;
  /** Where the last page handed to RxDB ends. */
  #handedOut: FeedPosition | undefined;
  /** Documents may be others than when it was last caught up: at first nobody knows what came before. */
  #changed = true;
  /** The page that was handed out and is not known to be stored. */
  #unstored: { readonly upTo: FeedPosition; readonly stored: PromiseWithResolvers<void> } | undefined;
  #observesCheckpoints = false;
  #isLost = false;
  /**
   * Everything up to here was stored when it was last caught up. RxDB keeps no checkpoint of a page without documents:
   * where nothing changes, its own falls behind what the server remembers deletions of.
   */
  #storedUpTo: FeedPosition | undefined;
  /** Everything up to here is stored and nothing is on its way. */
  #restsAt: FeedPosition | undefined;
  /** Pages wait for the end of a turn. */
  #turn: Promise<void> | undefined;

  constructor(options: FollowerOptions<C>) {
    this.#options = options;
    this.#storedUpTo = options.storedUpTo;
    this.#replication = replicateRxCollection<ReplicaDocuments[C], FeedPosition | undefined>({
      replicationIdentifier: `feed-${options.name}`,
      collection: options.collection,
      live: true,
      waitForLeadership: false,
      toggleOnDocumentVisible: false,
      pull: {
        batchSize: 1,
        stream$: this.#notices,
        // RxDB writes into neither, but says so for none.
        handler: async (checkpoint) => {
          this.#asking += 1;
          try {
            const { documents, checkpoint: next } = await this.#nextBatch(checkpoint);
            return { documents: [...documents], checkpoint: next };
          } finally {
            this.#asking -= 1;
          }
        },
      },
    });
    this.#replication.error$.subscribe((error) => {
      options.log.debug({ event: 'replica.replication.error', collection: options.name, code: error.code });
      if (this.#unstored !== undefined) this.#lose(error);
    });
    options.closing.addEventListener('abort', () => this.#wake.abort(), { once: true });
  }

  /** Asks again now, cutting short any wait. However often it is called meanwhile, one notice is kept. */
  resync(): void {
    this.#wake.abort();
    if (this.#options.closing.aborted) return;
    this.#wake = new AbortController();
    if (this.#noticed) return;
    this.#noticed = true;
    this.#notices.next('RESYNC');
  }

  /**
   * Runs `work` while nothing of the collection is pulled or written by the replication; all that is stored of it is
   * what the server had at the position, changed by nobody but `work`. Undefined, and not run, when it is not at rest.
   */
  async whileAtRest<T>(work: (position: FeedPosition) => Promise<T>): Promise<T | undefined> {
    const position = this.#restsAt;
    if (position === undefined || this.#turn !== undefined || this.#asking > 0) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      return await work(position);
    } finally {
      this.#turn = undefined;
      resolve();
    }
  }

  async #nextBatch(after: FeedPosition | undefined): Promise<Batch<C>> {
    const { closing, isPoisoned, name, clock, random, log } = this.#options;
    this.#observeCheckpoints();
    while (this.#turn !== undefined && !closing.aborted) await unlessAborted(this.#turn, closing);
    const noticed = this.#noticed;
    this.#noticed = false;
    const nothing: Batch<C> = { documents: [], checkpoint: after };
    if (this.#atEnd && !noticed) {
      this.#atEnd = false;
      return nothing;
    }
    for (let failures = 0; !closing.aborted; failures += 1) {
      if (isPoisoned() || this.#isLost) await unlessAborted(new Promise<never>(() => {}), closing);
      else {
        try {
          return await this.#pull(after);
        } catch (error) {
          if (closing.aborted) break;
          if (isFault(error, 'REP_EPOCH_CHANGED')) this.#options.onCutOff('epoch');
          if (isFault(error, 'REP_SNAPSHOT_REQUIRED')) this.#options.onCutOff('expired');
          // A till without a network is no fault; its display says so already.
          const isOffline = isFault(error, 'BUS_UNREACHABLE') || isFault(error, 'BUS_TIMEOUT');
          if (isOffline)
            log.debug({ event: 'replica.pull.offline', collection: name, failures, code: error.code });
          else log.warn({ event: 'replica.pull.failed', collection: name, failures, error: asError(error) });
          await sleep(clock, retryDelayMs(PULL_RETRY, failures, random), this.#wake.signal).catch(() => {
            // Woken by a notice or by closing.
          });
        }
      }
    }
    return nothing;
  }

  async #pull(after: FeedPosition | undefined): Promise<Batch<C>> {
    const { name, source, pageSize, clock, closing } = this.#options;
    const askedAt = clock.now();
    const from = laterOf(after, this.#storedUpTo) ?? null;
    const page = await unlessAborted(source.pull(name, from, pageSize()), closing);
    if (page === undefined) return { documents: [], checkpoint: after };
    const documents = pulledDocuments(name, page);
    if (page.more && documents.length === 0) {
      throw new StammkundeError('WIRE_MALFORMED', `an empty page of ${name} promises more`);
    }
    await unlessAborted(this.#unstored?.stored.promise ?? Promise.resolve(), closing);
    if (closing.aborted) return { documents: [], checkpoint: after };
    this.#atEnd = !page.more && documents.length > 0;
    this.#handedOut = page.position;
    this.#restsAt = undefined;
    // Of a page that ends where it began RxDB notes no checkpoint.
    if (documents.length > 0 && isBehind(after, page.position)) {
      this.#unstored = { upTo: page.position, stored: Promise.withResolvers() };
    }
    if (documents.length > 0) this.#changed = true;
    if (!page.more) this.#reportWhenStored(askedAt - (page.behindMs ?? 0), page.position);
    return { documents, checkpoint: page.position };
  }

  /** RxDB notes where a page ends once its documents are stored, or were refused as conflicts. */
  #observeCheckpoints(): void {
    if (this.#observesCheckpoints) return;
    this.#observesCheckpoints = true;
    // There is one by the time RxDB asks for the first page.
    this.#replication.metaInstance?.changeStream().subscribe(({ events }) => {
      for (const { documentData } of events) {
        const noted = FeedPosition.safeParse(documentData.checkpointData).data;
        if (noted !== undefined) this.#stored(noted);
      }
    });
  }

  #stored(upTo: FeedPosition): void {
    if (this.#unstored === undefined || isBehind(upTo, this.#unstored.upTo)) return;
    this.#unstored.stored.resolve();
    this.#unstored = undefined;
  }

  /** The next page's checkpoint would lie past the hole. */
  #lose(error: Error): void {
    const { closing, isPoisoned, onLost } = this.#options;
    if (this.#isLost || closing.aborted || isPoisoned()) return;
    this.#isLost = true;
    onLost(error);
  }

  /** The pages are on their way into the storage; RxDB is in sync once they are there, or were refused. */
  #reportWhenStored(heldAllAt: Instant, position: FeedPosition): void {
    const { closing, isPoisoned, onCaughtUp, log, name } = this.#options;
    this.#replication.awaitInSync().then(
      () => {
        if (closing.aborted || isPoisoned() || this.#isLost) return;
        const changed = this.#changed;
        if (this.#handedOut === position) {
          this.#changed = false;
          this.#storedUpTo = position;
          if (this.#asking === 0) this.#restsAt = position;
        }
        onCaughtUp({ heldAllAt, position, changed });
      },
      (error: unknown) => {
        if (!closing.aborted)
          log.error({ event: 'replica.sync.failed', collection: name, error: asError(error) });
      },
    );
  }
}

/** Positions of two histories do not compare: then it is RxDB's own that tells the server where the till stands. */
function laterOf(
  checkpoint: FeedPosition | undefined,
  stored: FeedPosition | undefined,
): FeedPosition | undefined {
  if (checkpoint === undefined || stored === undefined) return checkpoint ?? stored;
  return checkpoint.epoch === stored.epoch && isBehind(checkpoint, stored) ? stored : checkpoint;
}
