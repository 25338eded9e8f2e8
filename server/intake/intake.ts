import type { Clock } from '../../foundation/clock.ts';
import { sleep } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { retryDelayMs } from '../../foundation/retry-schedule.ts';
import type { RetrySchedule } from '../../foundation/retry-schedule.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import type { Bus } from '../../sync/bus.ts';
import type { JournalEntry } from '../../sync/contract/journal-entry.ts';
import type { JournalBatch } from '../../sync/contract/messages.ts';
import { subjectOf } from '../../sync/contract/transaction.ts';
import type { Topics } from '../../sync/contract/topics.ts';
import type { TakenCard } from '../cards/take-bank-card.ts';
import type { Database } from '../database/database.ts';
import { databaseCodeOf, isRefusedValue, isUnreachable } from '../database/faults.ts';
import type { Statements } from '../statements.ts';
import { commitBatches, distinctOwners } from './commit-batches.ts';
import type { ReceiptKeyOf } from './commit-batches.ts';
import { readJournalMessage } from './journal-message.ts';
import { JournalQueue, Turn } from './journal-queue.ts';
import type { JournalQueueLimits } from './journal-queue.ts';
import { journalKey, readCommitted } from './journal-store.ts';
import type { Judgement } from './judge.ts';
import { verdictOf } from './judge.ts';
import { commitRefusable } from './refusable.ts';

/**
 * Messages and bytes that may wait; more are dropped, for the tills send them again. A till has four batches under way
 * at a time.
 */
const QUEUE_LIMITS: JournalQueueLimits = {
  messages: 2_000,
  bytes: 64 * 1024 * 1024,
  ofTill: { messages: 64, bytes: 16 * 1024 * 1024 },
};
/** Entries committed in one transaction: enough to be cheap, few enough to be short. */
const GROUP_ENTRIES = 1_000;
/** Transactions under way at once: what the next says is read and judged while the database writes the one before. */
const LANES = 2;
/** Having read for so long, everything else in this process has a turn. */
const READING_SLICE_MS = 10;
/** What was read is committed after so long, whatever waits: messages that are none must not hold it up. */
const READING_MAX_MS = 200;

/** While the database is away. */
const DATABASE_RETRY: RetrySchedule = { firstMs: 200, maxMs: 10_000 };

export interface IntakePorts {
  readonly database: Database;
  readonly topics: Topics;
  readonly statements: Statements;
  readonly bus: Pick<Bus, 'publish'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told after every commit that changed something tills replicate. */
  readonly onCommitted: () => void;
  /** Told after a commit that took a bank card from its customer: tills must learn it ahead of the feed. */
  readonly onTaken?: (cards: readonly TakenCard[]) => void;
  /** Who is responsible for what customers agree to, as their consents name it. */
  readonly controller?: string;
  /** Makes newest indexes of older ones; absent while there is but one identifier key. */
  readonly indexer?: IndexForms;
  /** The key of a till's receipts; without it none is credited afterwards. */
  readonly receiptKeyOf?: ReceiptKeyOf;
}

/** How the intake does, for those who watch it. */
export interface IntakeStatus {
  readonly waiting: number;
  /** Since the start. */
  readonly counts: Readonly<Record<IntakeCount, number>>;
  /** True while the database does not answer. */
  readonly stalled: boolean;
}
export type IntakeCount =
  | 'created'
  | 'exists'
  | 'conflict'
  | 'refused'
  | 'dropped'
  | 'malformed'
  | 'failed'
  /** Sales for which the till showed other points than were posted. */
  | 'pointsDiffer';

/**
 * Takes the tills' journals in: what waits is committed in one transaction, then each batch gets a receipt read from
 * the database.
 *
 * ```
 * bus ─▶ queue (bounded) ─▶ decode ─▶ commit together ─▶ read receipt ─▶ sign, publish      (two lanes)
 *              │ full                      │ database away: wait, try again
 *              ▼                           │ one batch breaks it: each alone, then each entry alone
 *           dropped; the till sends it again
 * ```
 * What a till sends is in one lane at a time, in the order in which it came.
 */
export class Intake implements Closable {
  readonly #ports: IntakePorts;
  readonly #queue = new JournalQueue(QUEUE_LIMITS);
  readonly #closing = new AbortController();
  readonly #counts: Record<IntakeCount, number> = {
    created: 0,
    exists: 0,
    conflict: 0,
    refused: 0,
    dropped: 0,
    malformed: 0,
    failed: 0,
    pointsDiffer: 0,
  };
  #stalled = false;
  readonly #lanes = new Set<Promise<void>>();

  constructor(ports: IntakePorts) {
    this.#ports = ports;
  }

  get status(): IntakeStatus {
    return { waiting: this.#queue.size, counts: { ...this.#counts }, stalled: this.#stalled };
  }

  /** Takes note of a message; the work is done later. */
  offer(topic: string, payload: Uint8Array): void {
    if (this.#closing.signal.aborted || !this.#queue.push({ topic, payload })) {
      this.#counts.dropped += 1;
      return;
    }
    this.#openLane();
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all(this.#lanes);
  }

  /** Takes nothing more, finishes what it has begun, and leaves the rest to be sent again. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#queue.clear();
    await this.idle();
  }

  #openLane(): void {
    if (this.#lanes.size >= LANES) return;
    const lane = this.#work().finally(() => {
      this.#lanes.delete(lane);
      // What came in while the last step failed must not wait for the next message.
      if (this.#queue.hasNext && !this.#closing.signal.aborted) this.#openLane();
    });
    this.#lanes.add(lane);
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    // Whatever arrives in the same tick is taken together.
    await Promise.resolve();
    while (this.#queue.hasNext) {
      const turn = new Turn();
      try {
        await this.#takeIn(await this.#nextGroup(turn));
      } catch (error) {
        if (!this.#closing.signal.aborted) {
          this.#ports.log.error({ event: 'intake.failed', error: asError(error) });
        }
        return;
      } finally {
        this.#queue.release(turn);
      }
    }
  }

  /** Reads what is taken together: each message when it is its turn, and not for long at a stretch. */
  async #nextGroup(turn: Turn): Promise<readonly JournalBatch[]> {
    const { clock } = this.#ports;
    const group: JournalBatch[] = [];
    const beganMs = clock.monotonicMs();
    let sinceMs = beganMs;
    for (let entries = 0; entries < GROUP_ENTRIES;) {
      const message = this.#queue.take(turn);
      if (message === undefined) break;
      const batch = this.#read(message.topic, message.payload);
      if (batch !== undefined) {
        group.push(batch);
        entries += batch.entries.length;
      }
      if (clock.monotonicMs() - sinceMs < READING_SLICE_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sinceMs = clock.monotonicMs();
      if (group.length > 0 && sinceMs - beganMs > READING_MAX_MS) break;
    }
    return group;
  }

  #read(topic: string, payload: Uint8Array): JournalBatch | undefined {
    try {
      return readJournalMessage(this.#ports.topics, topic, payload);
    } catch (error) {
      this.#counts.malformed += 1;
      const code = isFault(error) ? error.code : undefined;
      const till = this.#ports.topics.tillOf(topic);
      this.#ports.log.warn({ event: 'intake.message_dropped', till, code, error: asError(error) });
      return undefined;
    }
  }

  async #takeIn(group: readonly JournalBatch[]): Promise<void> {
    if (group.length === 0) return;
    let outcome: readonly (readonly Judgement[])[] | undefined;
    try {
      outcome = await this.#commit(group);
    } catch (error) {
      if (this.#closing.signal.aborted) throw error;
      if (group.length > 1) {
        for (const batch of group) await this.#takeIn([batch]);
        return;
      }
      const [batch] = group;
      if (batch !== undefined && isRefusedValue(error)) {
        await this.#takeInSingly(batch);
        return;
      }
      this.#fail(batch, error);
      return;
    }
    await this.#settle(group, outcome);
  }

  /** Takes in a batch whose content the database refuses: the entry it is about must not hold up those behind it. */
  async #takeInSingly(batch: JournalBatch): Promise<void> {
    const judged: Judgement[] = [];
    try {
      for (const entry of batch.entries) {
        const [judgements = []] = await this.#commitEntry({ ...batch, entries: [entry] }, entry);
        judged.push(...judgements);
      }
    } catch (error) {
      if (this.#closing.signal.aborted) throw error;
      this.#fail(batch, error);
    }
    await this.#settle([batch], [judged]);
  }

  #commitEntry(batch: JournalBatch, { id, seq }: JournalEntry): Promise<readonly (readonly Judgement[])[]> {
    const commit = (unpostable: ReadonlySet<string>): Promise<readonly (readonly Judgement[])[]> =>
      this.#commit([batch], unpostable);
    return commitRefusable(id, commit, (why) => {
      const { till, incarnation } = batch;
      this.#ports.log.error({
        event: 'intake.entry_refused',
        till,
        incarnation,
        seq,
        code: 'LEDGER_REFUSED' satisfies ErrorCode,
        // Its message and detail may hold what the entry says.
        sqlState: databaseCodeOf(why),
      });
    });
  }

  #fail(batch: JournalBatch | undefined, error: unknown): void {
    // Not acknowledged, so the till sends it again; what broke it may be gone by then.
    this.#counts.failed += 1;
    const { till, incarnation } = batch ?? {};
    this.#ports.log.error({ event: 'intake.batch_failed', till, incarnation, error: asError(error) });
  }

  async #settle(group: readonly JournalBatch[], outcome: readonly (readonly Judgement[])[]): Promise<void> {
    for (const judged of outcome) this.#count(judged);
    const taken = outcome.flat().flatMap((each) => (each.kind === 'accepted' ? (each.taken ?? []) : []));
    if (taken.length > 0) this.#ports.onTaken?.(taken);
    this.#ports.onCommitted();
    await this.#acknowledge(group, outcome);
  }

  /** Commits, waiting for the database as long as it takes. */
  async #commit(
    group: readonly JournalBatch[],
    unpostable?: ReadonlySet<string>,
  ): Promise<readonly (readonly Judgement[])[]> {
    const { database, clock, controller, indexer, receiptKeyOf } = this.#ports;
    return this.#withDatabase(() =>
      commitBatches(database, group, clock, unpostable, controller, indexer, receiptKeyOf),
    );
  }

  async #withDatabase<T>(work: () => Promise<T>): Promise<T> {
    const { clock, random, log } = this.#ports;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const result = await work();
        this.#stalled = false;
        return result;
      } catch (error) {
        if (!isUnreachable(error) || this.#closing.signal.aborted) throw error;
        if (!this.#stalled) log.error({ event: 'intake.database_lost', error: asError(error) });
        this.#stalled = true;
        await sleep(clock, Math.round(retryDelayMs(DATABASE_RETRY, attempt, random)), this.#closing.signal);
      }
    }
  }

  #count(judged: readonly Judgement[]): void {
    for (const judgement of judged) {
      this.#counts[verdictOf(judgement).verdict] += 1;
      if (judgement.kind !== 'accepted' || judgement.differs === undefined) continue;
      this.#counts.pointsDiffer += 1;
      const saleId = subjectOf(judgement.transaction);
      this.#ports.log.warn({ event: 'ledger.points-differ', saleId, ...judgement.differs });
    }
    const contradicting = judged.filter((judgement) => judgement.kind === 'contradicting');
    const [first] = contradicting;
    if (first === undefined) return;
    this.#ports.log.error({
      event: 'intake.quarantined',
      till: first.owner.till,
      incarnation: first.owner.incarnation,
      seq: first.entry.seq,
      entries: contradicting.length,
      code: first.code,
      hash: first.entry.hash.slice(0, 16),
    });
  }

  /** Only what the database says it has committed is acknowledged. */
  async #acknowledge(
    group: readonly JournalBatch[],
    outcome: readonly (readonly Judgement[])[],
  ): Promise<void> {
    const { database, topics, statements, bus, clock, log } = this.#ports;
    // Taken before it is read: of two servers that answer the same till, the one that read later must look later.
    const serverTime = clock.now();
    const committed = await this.#withDatabase(() => readCommitted(database.db, distinctOwners(group)));
    for (const [i, batch] of group.entries()) {
      const standing = committed.get(journalKey(batch));
      if (standing === undefined) continue;
      const receipt = await this.#withDatabase(() =>
        statements.sign('receipt', batch.till, {
          incarnation: batch.incarnation,
          ...standing,
          verdicts: (outcome[i] ?? []).map(verdictOf),
          serverTime,
        }),
      );
      // Not awaited: a till that cannot be reached sends again and is answered again. It never rejects.
      void bus.publish(topics.receipt(batch.till), receipt, { qos: 1 }).then((result) => {
        if (result !== 'sent') log.debug({ event: 'intake.receipt_unsent', till: batch.till, result });
      });
    }
  }
}
