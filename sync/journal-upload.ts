import { sleep } from '../foundation/clock.ts';
import type { Clock, Instant } from '../foundation/clock.ts';
import type { ErrorCode } from '../foundation/error-codes.ts';
import { asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import { retryDelayMs } from '../foundation/retry-schedule.ts';
import type { Bus, Subscription } from './bus.ts';
import type { JournalEntry, JournalOwner } from './contract/journal-entry.ts';
import { BATCH_ENTRIES_MAX } from './contract/messages.ts';
import type { EntryVerdict, JournalBatch, Receipt } from './contract/messages.ts';
import type { Topics } from './contract/topics.ts';
import { encode } from './contract/wire.ts';
import { Doorbell } from './doorbell.ts';
import type { StatementReader } from './statement-reader.ts';
import { UploadWindow, defaultUploadLimits } from './upload-window.ts';
import type { UploadLimits } from './upload-window.ts';

/** The journal as the upload needs it. Its calls are quick and synchronous; what they throw stops nothing but delays. */
export interface UploadJournal {
  readonly owner: JournalOwner;
  readonly lastSeq: number;
  /** Never falls, even when a restored server has less: the entries are kept for a while and sent again. */
  readonly confirmedSeq: number;
  /** At most `limit` entries after `afterSeq`, in order; those long confirmed may be gone. */
  read(afterSeq: number, limit: number): readonly JournalEntry[];
  /** Undefined for an entry that does not exist, or no longer. */
  hashAt(seq: number): string | undefined;
  /** Marks everything up to `upToSeq` as committed at the server, which said so at `serverTime` of its own clock. */
  confirm(upToSeq: number, serverTime: Instant): void;
}

export type Divergence =
  /** The server holds another entry under one of our sequence numbers. */
  | 'hash'
  /** The server holds more than this journal ever had: the disk was restored or copied. */
  | 'ahead'
  /** The server lacks entries this journal no longer keeps. */
  | 'pruned'
  /** The server put one of our entries into quarantine: what stands beside it there is not ours. */
  | 'quarantined';

export interface UploadStatus {
  readonly state: 'uploading' | 'diverged';
  readonly divergence: Divergence | null;
  readonly confirmedSeq: number;
  readonly unconfirmed: number;
  /** Entries the server put into quarantine since the start. */
  readonly conflicts: number;
  readonly refused: number;
  readonly lastReceiptAt: Instant | null;
  /** Entries were sent again and again over a connection that stands, and no receipt came back. */
  readonly unanswered: boolean;
}

/** Receipts wait here for the loop; when it is full the oldest goes, for the newest says more. */
const INBOX_MAX = 64;
/** Sendings without a receipt, each after a longer wait, before somebody is told: a minute, with the usual waits. */
const UNANSWERED_AFTER = 3;
/** Quarantined entries remembered, so that each is reported once. */
const REPORTED_MAX = 1_000;

/**
 * Carries the journal to the server. An entry counts as delivered only when the server's signed receipt names a hash
 * equal to the journal's own: neither a broker's acknowledgement nor a number alone is believed.
 *
 * ```
 *   journal ──notify──▶ ┌──────────┐ ──batches──▶ bus ──▶ server
 *                       │ one loop │                        │
 *   journal ◀─confirm── └──────────┘ ◀──receipts── bus ◀────┘
 * ```
 */
export class JournalUpload implements Closable {
  readonly subscriptions: readonly Subscription[];
  readonly #journal: UploadJournal;
  readonly #topics: Topics;
  readonly #reader: StatementReader;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #limits: UploadLimits;
  readonly #onChange: () => void;
  readonly #onVerdict: (verdict: EntryVerdict) => void;
  readonly #window: UploadWindow;
  readonly #bell: Doorbell;
  readonly #inbox: Uint8Array[] = [];
  readonly #reported = new Set<number>();
  #stopListening: () => void = () => {};
  #loop: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();
  #restart = false;
  #failures = 0;
  #divergence: Divergence | null = null;
  /** When the server is asked again whether it still differs, in monotonic ms; and how often it was. */
  #probe = { dueAtMs: -Infinity, attempts: 0 };
  /** What the disk did not take of what the server confirmed, and when it is tried again, in monotonic ms. */
  #unmarked: { readonly upToSeq: number; readonly serverTime: Instant; readonly dueAtMs: number } | null =
    null;
  #markFailures = 0;
  #conflicts = 0;
  #refused = 0;
  #newestServerTime: Instant = 0;
  #regressedAtMs = -Infinity;
  #lastReceiptAt: Instant | null = null;
  #unanswered = false;

  constructor(options: {
    readonly journal: UploadJournal;
    readonly topics: Topics;
    readonly reader: StatementReader;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly limits?: UploadLimits;
    /** Called after the status may have changed; must only take note. */
    readonly onChange?: () => void;
    /** Called with what the server says of an entry, again each time it says so; must only take note. */
    readonly onVerdict?: (verdict: EntryVerdict) => void;
  }) {
    this.#journal = options.journal;
    this.#topics = options.topics;
    this.#reader = options.reader;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#limits = options.limits ?? defaultUploadLimits;
    this.#onChange = options.onChange ?? ((): void => {});
    this.#onVerdict = options.onVerdict ?? ((): void => {});
    this.#window = new UploadWindow(options.journal.confirmedSeq, this.#limits, options.random);
    this.#bell = new Doorbell(options.clock);
    this.subscriptions = [
      {
        filter: options.topics.receipt(options.journal.owner.till),
        onMessage: (_topic, payload) => {
          if (this.#inbox.length >= INBOX_MAX) this.#inbox.shift();
          this.#inbox.push(payload);
          this.#bell.ring();
        },
      },
    ];
  }

  get status(): UploadStatus {
    const { confirmedSeq, lastSeq } = this.#journal;
    return {
      state: this.#divergence === null ? 'uploading' : 'diverged',
      divergence: this.#divergence,
      confirmedSeq,
      unconfirmed: lastSeq - confirmedSeq,
      conflicts: this.#conflicts,
      refused: this.#refused,
      lastReceiptAt: this.#lastReceiptAt,
      unanswered: this.#unanswered,
    };
  }

  /** From now on entries travel over `bus`, which was opened with {@link subscriptions}. */
  start(bus: Bus): void {
    this.#stopListening = bus.onConnection(() => {
      // What was under way through a broken connection, or its receipt, may be lost.
      this.#restart = true;
      this.#bell.ring();
    });
    this.#loop = this.#run(bus);
  }

  /** Something was appended to the journal. */
  notify(): void {
    this.#bell.ring();
  }

  /** The server may have less than it had: its receipt for the last confirmed entry tells, and what it lacks is sent. */
  ask(): void {
    this.#restart = true;
    this.#bell.ring();
  }

  /** The server asks for everything after `contiguous` again. */
  resendAfter(contiguous: number): void {
    if (contiguous >= this.#window.acked) return;
    this.#window.rewind(contiguous);
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stopListening();
    this.#bell.ring();
    await this.#loop;
  }

  async #run(bus: Bus): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        this.#readReceipts();
        this.#markAgain();
        if (bus.connected && this.#divergence === null) await this.#send(bus);
        if (bus.connected && this.#mayPass) this.#sendProbe(bus);
        this.#failures = 0;
      } catch (error) {
        await this.#afterFailure(error);
      }
      if (!this.#hasMail) await this.#bell.wait(this.#untilDueMs(bus));
    }
  }

  /** How long there is nothing to do unless someone rings; undefined: until someone does. */
  #untilDueMs(bus: Bus): number | undefined {
    const due = [this.#unmarked?.dueAtMs];
    if (bus.connected && this.#divergence === null) due.push(this.#window.dueAtMs);
    if (bus.connected && this.#mayPass) due.push(this.#probe.dueAtMs);
    const known = due.filter((each) => each !== undefined);
    return known.length === 0 ? undefined : Math.max(0, Math.min(...known) - this.#clock.monotonicMs());
  }

  /** A server that lacked what this journal no longer has, or had more, may have been another for a while. */
  get #mayPass(): boolean {
    return this.#divergence === 'pruned' || this.#divergence === 'ahead';
  }

  /** Asks for a receipt, by the last entry the server confirmed, with each connection and now and then. */
  #sendProbe(bus: Bus): void {
    const nowMs = this.#clock.monotonicMs();
    if (!this.#restart && nowMs < this.#probe.dueAtMs) return;
    if (this.#restart) {
      this.#restart = false;
      this.#newestServerTime = 0;
      this.#probe.attempts = 0;
    }
    this.#probe.dueAtMs = nowMs + retryDelayMs(this.#limits.resend, this.#probe.attempts, this.#random);
    this.#probe.attempts += 1;
    const entries = this.#journal.read(Math.max(0, this.#journal.confirmedSeq - 1), 1);
    if (entries.length > 0) this.#publish(bus, entries);
  }

  /** The journal could not be read or marked. Nothing is lost by trying later, and no ring may shorten that wait. */
  async #afterFailure(error: unknown): Promise<void> {
    this.#log.error({ event: 'upload.failed', failures: this.#failures, error: asError(error) });
    const delayMs = retryDelayMs(this.#limits.resend, this.#failures, this.#random);
    this.#failures += 1;
    await sleep(this.#clock, delayMs, this.#closing.signal).catch(() => {});
    this.#window.rewind(this.#window.acked);
    this.#bell.ring();
  }

  get #hasMail(): boolean {
    return this.#inbox.length > 0;
  }

  async #send(bus: Bus): Promise<void> {
    if (this.#restart) {
      this.#restart = false;
      // Sessions are clean: no receipt of an earlier connection can come any more, so the next one tells how things are,
      // even from a server whose clock was ahead before.
      this.#newestServerTime = 0;
      this.#window.rewind(this.#window.acked);
    }
    for (;;) {
      const due = this.#window.takeDue(this.#clock.monotonicMs());
      if (this.#window.attempts >= UNANSWERED_AFTER) this.#complain('JRN_UNANSWERED');
      const from = due.kind === 'again' ? due.from : this.#window.nextSeq;
      if (from === undefined || from > this.#journal.lastSeq) return;
      const limit = due.kind === 'again' ? due.to - due.from + 1 : this.#limits.batchEntries;
      const entries = this.#batch(from, Math.min(limit, BATCH_ENTRIES_MAX));
      const [first, last] = [entries[0], entries.at(-1)];
      if (first === undefined || last === undefined) return;
      this.#window.sent(first.seq, last.seq, this.#clock.monotonicMs());
      this.#publish(bus, entries);
      // Encoding takes a moment; scans go first.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#closing.signal.aborted || !bus.connected || this.#hasMail || this.#restart) {
        this.#bell.ring();
        return;
      }
    }
  }

  /** Entries from `from` on, as many as a batch may hold; none, and diverged, when the journal no longer has them. */
  #batch(from: number, limit: number): readonly JournalEntry[] {
    const entries = this.#journal.read(from - 1, limit);
    const first = entries[0];
    if (first !== undefined && first.seq !== from && first.seq > this.#window.acked + 1) {
      this.#diverge('pruned', from, null);
      return [];
    }
    let chars = 0;
    const fitting = entries.findIndex((entry) => (chars += entry.body.length) > this.#limits.batchChars);
    return fitting === -1 ? entries : entries.slice(0, Math.max(1, fitting));
  }

  /** The outcome is not waited for: it proves nothing, and what is lost on the way is sent again when due. */
  #publish(bus: Bus, entries: readonly JournalEntry[]): void {
    const { till, incarnation } = this.#journal.owner;
    const batch: JournalBatch = { till, incarnation, entries: [...entries] };
    bus.publish(this.#topics.journal(till), encode(batch), { qos: 1 }).then(
      (outcome) => {
        this.#log.debug({ event: 'upload.published', outcome, entries: entries.length });
        if (outcome === 'refused') this.#complain('BUS_FORBIDDEN');
      },
      (error: unknown) => this.#log.error({ event: 'upload.publish-failed', error: asError(error) }),
    );
  }

  /** A broker that drops what a till may not publish acknowledges it all the same (MQTT 3.1.1, 3.3.5). */
  #complain(code: ErrorCode): void {
    if (this.#unanswered) return;
    this.#unanswered = true;
    this.#log.error({ event: 'upload.unanswered', code, unconfirmed: this.status.unconfirmed });
    this.#onChange();
  }

  #readReceipts(): void {
    for (let payload = this.#inbox.shift(); payload !== undefined; payload = this.#inbox.shift()) {
      const receipt = this.#reader.read('receipt', payload)?.body;
      if (receipt !== undefined && (this.#divergence === null || this.#mayPass)) this.#take(receipt);
    }
  }

  #take(receipt: Receipt): void {
    const { owner, lastSeq } = this.#journal;
    if (receipt.incarnation !== owner.incarnation) {
      this.#reader.reject('WIRE_FOREIGN', 'receipt', 'a receipt names another incarnation');
      return;
    }
    for (const verdict of receipt.verdicts) {
      this.#report(verdict);
      this.#onVerdict(verdict);
    }
    const isNewest = receipt.serverTime > this.#newestServerTime;
    // A receipt that was long on its way must neither send us back nor be taken for the server's present state.
    if (receipt.contiguous < this.#window.acked && !isNewest) return;
    const divergence = this.#divergenceOf(receipt, lastSeq);
    if (divergence !== null) {
      if (divergence !== this.#divergence) this.#diverge(divergence, receipt.contiguous, receipt.hash);
      return;
    }
    if (this.#divergence !== null && !this.#goesOnFrom(receipt.contiguous)) return;
    this.#lastReceiptAt = this.#clock.now();
    if (this.#unanswered) this.#log.info({ event: 'upload.answered' });
    this.#unanswered = false;
    const nowMs = this.#clock.monotonicMs();
    if (receipt.contiguous >= this.#window.acked) {
      this.#window.ack(receipt.contiguous, nowMs);
      this.#mark(receipt.contiguous, receipt.serverTime);
      for (const [from, to] of receipt.holes) this.#window.missing(from, to);
    } else if (this.#mayRegress(nowMs)) {
      this.#log.warn({
        event: 'upload.server-behind',
        contiguous: receipt.contiguous,
        confirmedSeq: this.#journal.confirmedSeq,
      });
      this.#window.rewind(receipt.contiguous);
    }
    this.#newestServerTime = Math.max(this.#newestServerTime, receipt.serverTime);
    // Sent again it would be quarantined again, and so would all that follows it.
    const conflict = receipt.verdicts.find(
      ({ verdict, seq }) => verdict === 'conflict' && seq > receipt.contiguous,
    );
    if (conflict !== undefined) this.#diverge('quarantined', conflict.seq, null);
    this.#onChange();
  }

  /** A divergence passes when a receipt fits that this journal can go on from. @returns whether it did */
  #goesOnFrom(contiguous: number): boolean {
    const isThere =
      contiguous === this.#journal.lastSeq || this.#journal.read(contiguous, 1)[0]?.seq === contiguous + 1;
    if (!isThere) return false;
    this.#log.info({ event: 'upload.converged', divergence: this.#divergence, contiguous });
    this.#divergence = null;
    this.#window.rewind(Math.min(contiguous, this.#journal.confirmedSeq));
    return true;
  }

  /** What the server has is not sent again, whatever the disk says; the mark is made later, or the same at the next start. */
  #mark(upToSeq: number, serverTime: Instant): void {
    try {
      this.#journal.confirm(upToSeq, serverTime);
      this.#unmarked = null;
      this.#markFailures = 0;
    } catch (error) {
      if (this.#markFailures === 0)
        this.#log.error({ event: 'upload.unmarked', upToSeq, error: asError(error) });
      const delayMs = retryDelayMs(this.#limits.resend, this.#markFailures, this.#random);
      this.#markFailures += 1;
      this.#unmarked = { upToSeq, serverTime, dueAtMs: this.#clock.monotonicMs() + delayMs };
    }
  }

  #markAgain(): void {
    if (this.#unmarked === null || this.#unmarked.dueAtMs > this.#clock.monotonicMs()) return;
    this.#mark(this.#unmarked.upToSeq, this.#unmarked.serverTime);
    this.#onChange();
  }

  /** Two servers that disagree must not make the till send everything again with each receipt. */
  #mayRegress(nowMs: number): boolean {
    if (nowMs - this.#regressedAtMs < this.#limits.resend.firstMs) return false;
    this.#regressedAtMs = nowMs;
    return true;
  }

  #divergenceOf(receipt: Receipt, lastSeq: number): Divergence | null {
    if (receipt.contiguous === 0) return null;
    if (receipt.contiguous > lastSeq) return 'ahead';
    const own = this.#journal.hashAt(receipt.contiguous);
    if (own === undefined) return 'pruned';
    return own === receipt.hash ? null : 'hash';
  }

  #diverge(divergence: Divergence, seq: number, serverHash: string | null): void {
    this.#divergence = divergence;
    this.#log.error({
      event: 'upload.diverged',
      code: 'JRN_DIVERGED',
      divergence,
      seq,
      ownHash: this.#journal.hashAt(seq)?.slice(0, 16) ?? null,
      serverHash: serverHash?.slice(0, 16) ?? null,
      incarnation: this.#journal.owner.incarnation,
    });
    this.#onChange();
  }

  #report(verdict: EntryVerdict): void {
    if (verdict.verdict === 'created' || verdict.verdict === 'exists' || this.#reported.has(verdict.seq))
      return;
    if (this.#reported.size >= REPORTED_MAX) this.#reported.clear();
    this.#reported.add(verdict.seq);
    if (verdict.verdict === 'conflict') this.#conflicts += 1;
    else this.#refused += 1;
    this.#log.error({
      event: 'upload.quarantined',
      seq: verdict.seq,
      verdict: verdict.verdict,
      code: verdict.code ?? null,
    });
  }
}
