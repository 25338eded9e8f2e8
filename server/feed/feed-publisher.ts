import type { Clock } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Bus } from '../../sync/bus.ts';
import type { FeedHead } from '../../sync/contract/feed.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import type { FeedUrgent } from '../../sync/contract/messages.ts';
import { ALL_TILLS } from '../../sync/contract/server-signature.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import type { Database } from '../database/database.ts';
import type { Statements } from '../statements.ts';
import { readFeedStand } from './feed-store.ts';
import { HELD_BACK_TOLD_MS, HeldBack, readHolder, readTransactions } from './held-back.ts';

/** Commits within this time are told of together. */
const DEBOUNCE_MS = 50;
/** What other servers commit, and what a transaction still running held back, is found by looking. */
const POLL_MS = 2_000;

export interface FeedPublisherPorts {
  readonly database: Database;
  readonly topics: Topics;
  readonly statements: Statements;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Tells all tills where the feed stands, whenever it moved, and at once what cannot wait for the feed. Of several servers
 * that see the same, one tells it: each hears what the others told.
 */
export class FeedPublisher implements Closable {
  readonly #ports: FeedPublisherPorts;
  readonly #stopListening: () => void;
  #cancel: () => void = () => {};
  #dueMs = Infinity;
  /** What the broker has retained, as far as is known. */
  #published: string | undefined;
  #heads: FeedHead | undefined;
  readonly #heldBack = new HeldBack();
  /** Changes were held back when last looked. */
  #isHeldBack = false;
  #heldBackTold = false;
  #publishing: Promise<void> | undefined;
  #closed = false;

  constructor(ports: FeedPublisherPorts) {
    this.#ports = ports;
    // A broker that was restarted has forgotten what it retained.
    this.#stopListening = ports.bus.onConnection((connected) => {
      if (!connected) return;
      this.#published = undefined;
      this.#lookIn(0);
    });
    this.#lookIn(0);
  }

  /** Where the feed stood when last looked at; undefined before the first look. */
  get heads(): FeedHead | undefined {
    return this.#heads;
  }

  /**
   * Everything that was committed this long ago is told, ms; 0 while nothing waits for a transaction that still runs.
   */
  get heldBackMs(): number {
    return this.#isHeldBack ? this.#heldBack.ageMs(this.#ports.clock.monotonicMs()) : 0;
  }

  /** What any server told on the topic of the heads, this one too: the broker's order is what tills have heard last. */
  heard(payload: Uint8Array): void {
    const head = this.#ports.statements.readOwn('head', payload);
    if (head !== undefined) this.#published = textOf(head);
  }

  /** To be called after each commit that changed something tills replicate. */
  changed(): void {
    this.#lookIn(DEBOUNCE_MS);
  }

  /** Sends changes to all tills ahead of the feed. Losing one delays it until the till pulls, no longer. */
  urgent(change: FeedUrgent): void {
    const { bus, topics, statements, log } = this.#ports;
    // Not awaited: the change is committed, and whoever made it need not wait for the tills.
    void statements
      .sign('urgent', ALL_TILLS, change)
      .then((statement) => bus.publish(topics.feedUrgent, statement, { qos: 1 }))
      .then(
        (outcome) => {
          if (outcome !== 'sent') log.warn({ event: 'feed.urgent_unsent', outcome });
        },
        (error: unknown) => log.warn({ event: 'feed.urgent_unsent', error: asError(error) }),
      );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    this.#stopListening();
    await this.#publishing;
  }

  #lookIn(delayMs: number): void {
    if (this.#closed) return;
    const dueMs = this.#ports.clock.monotonicMs() + delayMs;
    if (dueMs >= this.#dueMs) return;
    this.#cancel();
    this.#dueMs = dueMs;
    this.#cancel = this.#ports.clock.schedule(delayMs, () => {
      this.#dueMs = Infinity;
      this.#publishing = this.#look().finally(() => this.#lookIn(POLL_MS));
    });
  }

  async #look(): Promise<void> {
    await this.#publishing;
    const { database, bus, topics, statements, clock, log } = this.#ports;
    try {
      const atMs = clock.monotonicMs();
      this.#heldBack.saw(atMs, await readTransactions(database.db));
      const { head: heads, isHeldBack } = await readFeedStand(database.db, database.epoch);
      this.#isHeldBack = isHeldBack;
      await this.#tellHeldBack();
      this.#heads = heads;
      const text = textOf(heads);
      if (text === this.#published || !bus.connected) return;
      const statement = await statements.sign('head', ALL_TILLS, heads);
      const outcome = await bus.publish(topics.feedHead, statement, { qos: 1, retain: true });
      if (outcome === 'sent') this.#published = text;
    } catch (error) {
      log.warn({ event: 'feed.look_failed', error: asError(error) });
    }
  }

  /** Tells once of each time that changes do not reach tills, and when they do again. */
  async #tellHeldBack(): Promise<void> {
    const { database, log } = this.#ports;
    const ms = Math.round(this.heldBackMs);
    if (ms >= HELD_BACK_TOLD_MS && !this.#heldBackTold) {
      this.#heldBackTold = true;
      const code = 'FEED_HELD_BACK' satisfies ErrorCode;
      log.error({ event: 'feed.held_back', code, ms, ...(await readHolder(database.db).catch(() => ({}))) });
    }
    if (ms < HELD_BACK_TOLD_MS && this.#heldBackTold) {
      this.#heldBackTold = false;
      log.info({ event: 'feed.released' });
    }
  }
}

function textOf({ heads }: FeedHead): string {
  return replicaCollectionNames
    .map((name) => `${heads[name].epoch}/${heads[name].xid}/${heads[name].seq}`)
    .join(' ');
}
