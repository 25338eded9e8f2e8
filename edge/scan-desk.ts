import type { Scan } from '../drivers/driver.ts';
import type { Clock } from '../foundation/clock.ts';
import { asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import { uuidV7 } from '../foundation/random.ts';
import type { Random } from '../foundation/random.ts';
import type { Credential } from '../sync/contract/credential.ts';
import type { IdentifiedNews, TypedOutcome } from './api/till-port.ts';
import type { Identifier } from './identification/identifier.ts';
import type { NewsBoard } from './news-board.ts';
import { recognise } from './recognition/recognise.ts';
import type { RecognitionRules } from './recognition/recognise.ts';
import { scanOutcome, typedRefusal } from './recognition/recognition-views.ts';
import type { Identified } from './sale/identified.ts';
import type { Sales } from './sale/sales.ts';

/** Scans that may wait; hands cannot fill it, a reader that babbles can. */
const QUEUE_MAX = 256;
/** How long an identification waits for a replica that is being reopened. */
const REPLICA_WAIT_MS = 500;

/**
 * Where scans become customers: one at a time, in the order they came.
 *
 *   reader ──▶ queue ──▶ recognise ──▶ tell `scan`
 *                            └─ credential ──▶ identify ──▶ tell `scan`, `identified` ──▶ attach to the sale
 */
export class ScanDesk implements Closable {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #rules: RecognitionRules;
  readonly #identifier: Identifier;
  readonly #whenServing: (deadlineMs: number) => Promise<void>;
  readonly #sales: Sales;
  readonly #news: NewsBoard;
  readonly #queue: Scan[] = [];
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(options: {
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly rules: RecognitionRules;
    readonly identifier: Identifier;
    /** Waits, within a deadline, until the replica can be asked. */
    readonly whenServing: (deadlineMs: number) => Promise<void>;
    readonly sales: Sales;
    readonly news: NewsBoard;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#rules = options.rules;
    this.#identifier = options.identifier;
    this.#whenServing = options.whenServing;
    this.#sales = options.sales;
    this.#news = options.news;
  }

  /** Takes a scan from a reader: enqueues and returns. */
  take(scan: Scan): void {
    if (this.#closed) return;
    if (this.#queue.length >= QUEUE_MAX) {
      this.#log.error({ event: 'scan.dropped', readerId: scan.readerId, waiting: this.#queue.length });
      return;
    }
    this.#queue.push(scan);
    this.#working ??= this.#work();
  }

  /** Takes a number typed by a person the way of a scan. */
  async takeTyped(number: string): Promise<TypedOutcome> {
    const recognised = recognise(
      { payload: Buffer.from(number, 'utf8'), symbology: 'unknown', source: 'typed' },
      this.#rules,
    );
    if (recognised.kind !== 'credential') return { kind: 'refused', ...typedRefusal(recognised) };
    await this.#whenServing(REPLICA_WAIT_MS);
    const identified = this.#identify(recognised.credential, null, this.#clock.monotonicMs());
    this.#present(identified);
    return { kind: 'identified', event: identified.event };
  }

  /** Takes no more scans, and resolves when those taken are done. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    for (let scan = this.#queue.shift(); scan !== undefined; scan = this.#queue.shift()) {
      try {
        await this.#handle(scan);
      } catch (error) {
        // One scan fails, the daemon lives.
        this.#log.error({ event: 'scan.failed', readerId: scan.readerId, error: asError(error) });
      }
    }
    this.#working = undefined;
  }

  async #handle(scan: Scan): Promise<void> {
    const scanId = uuidV7(scan.receivedAt, this.#random);
    const { readerId, symbology } = scan;
    const recognised = recognise({ payload: scan.payload, symbology, source: 'reader' }, this.#rules);
    const outcome = scanOutcome(recognised, symbology);
    if (recognised.kind === 'credential') {
      await this.#whenServing(REPLICA_WAIT_MS);
      // Decided before anything is told: writing to sockets takes longer than finding out who it is.
      const identified = this.#identify(recognised.credential, scanId, scan.receivedAtMonotonicMs);
      this.#news.tell({ event: 'scan', scanId, readerId, outcome });
      this.#present(identified);
      return;
    }
    this.#news.tell({ event: 'scan', scanId, readerId, outcome });
    switch (recognised.kind) {
      case 'refused': {
        const { code, reason, brand, length } = recognised;
        this.#log.warn({ event: 'scan.payment-card-refused', code, readerId, reason, brand, length });
        break;
      }
      case 'unreadable':
        this.#log.info({ event: 'scan.unreadable', scanId, readerId, code: recognised.code });
        break;
      case 'product':
        this.#log.debug({ event: 'scan.product', scanId, readerId, symbology });
        break;
    }
  }

  #identify(credential: Credential, scanId: string | null, sinceMs: number): DeskIdentification {
    const result = this.#identifier.identify(credential, this.#sales.current()?.basket);
    const tookMs = this.#clock.monotonicMs() - sinceMs;
    const identificationId = uuidV7(this.#clock.now(), this.#random);
    const { kind, trust } = credential;
    const masked = credential.toString();
    return {
      event: {
        event: 'identified',
        identificationId,
        scanId,
        credential: masked,
        trust,
        identification: result.identification,
        offers: [...result.offers],
        replicaAgeMs: result.replicaAgeMs,
        tookMs,
      },
      identified: { identificationId, credential: masked, index: result.index, kind, trust, as: result.as },
    };
  }

  #present({ event, identified }: DeskIdentification): void {
    this.#news.tell(event);
    const { identificationId, scanId, identification, tookMs } = event;
    this.#log.info({
      event: 'scan.identified',
      identificationId,
      scanId,
      verdict: identification.verdict,
      customerId: identification.verdict === 'known' ? identification.customer.id : null,
      ms: tookMs,
    });
    this.#sales.present(identified);
  }
}

/** One identification as it is told, and as the sales take it. */
interface DeskIdentification {
  readonly event: IdentifiedNews;
  readonly identified: Identified;
}
