import type { Scan } from '../drivers/driver.ts';
import type { Clock } from '../foundation/clock.ts';
import { asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import { uuidV7 } from '../foundation/random.ts';
import type { Random } from '../foundation/random.ts';
import { errorCodes } from '../foundation/error-codes.ts';
import type { Credential } from '../sync/contract/credential.ts';
import { BankCardScheme } from '../sync/contract/link.ts';
import { mayDo } from '../sync/contract/trust-policy.ts';
import type { CodeDesk, JudgedCode, Trusted } from './app-code/code-desk.ts';
import type { Downgrade } from './app-code/downgrade.ts';
import type { IdentifiedNews, LookedUpNews, TypedOutcome } from './api/till-port.ts';
import type { Identifier } from './identification/identifier.ts';
import { staysWith } from './linking/link-pair.ts';
import type { Linking } from './linking/linking.ts';
import type { DeskIdentification, LookupDesk, ReadableCode } from './lookup-desk.ts';
import type { NewsBoard } from './news-board.ts';
import type { CodeRefusal } from './recognition/code-refusal.ts';
import { presentedCode } from './recognition/presented-code.ts';
import type { PresentedCode } from './recognition/presented-code.ts';
import type { PassThrough, PassedOn } from './pass-through/pass-through.ts';
import { recognise } from './recognition/recognise.ts';
import type { RecognitionRules, Recognised } from './recognition/recognise.ts';
import { scanOutcome, typedRefusal } from './recognition/recognition-views.ts';
import type { Identified } from './sale/identified.ts';
import type { Sales } from './sale/sales.ts';

/** Scans that may wait; hands cannot fill it, a reader that babbles can. */
const QUEUE_MAX = 256;
/** How long an identification waits for a replica that is being reopened. */
const REPLICA_WAIT_MS = 500;

/** A scan of which it is known what it is, and what the POS got of it. */
type Taken = { readonly scan: Scan } & (
  | { readonly code: PresentedCode }
  | { readonly code: undefined; readonly recognised: Recognised; readonly passedOn: PassedOn | undefined }
);

/**
 * Where scans become customers: one at a time, in the order they came. What is scanned is recognised at once, so that a
 * payment card never waits anywhere and a product is the POS's whatever the replica is doing.
 *
 *   reader ──▶ recognise ──▶ queue ──▶ tell `scan`
 *                  │            ├─ credential ──▶ identify ──▶ tell `scan`, `identified` ──▶ attach to the sale
 *                  └─ product ──▶ POS
 *                               └─ code of a phone ──▶ verify ──▶ the same ──▶ ask the server ──▶ tell `trust`
 *
 * A card that is not on this till is told so at once and the next scan is taken; see LookupDesk for what follows.
 */
export class ScanDesk implements Closable {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #rules: RecognitionRules;
  readonly #identifier: Identifier;
  readonly #codes: CodeDesk;
  readonly #isOnline: () => boolean;
  readonly #whenServing: (deadlineMs: number) => Promise<void>;
  readonly #sales: Sales;
  readonly #news: NewsBoard;
  readonly #passThrough: Pick<PassThrough, 'offer'>;
  readonly #linking: Pick<Linking, 'presented'>;
  readonly #lookups: LookupDesk;
  readonly #queue: Taken[] = [];
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(options: {
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly rules: RecognitionRules;
    readonly identifier: Identifier;
    readonly codes: CodeDesk;
    /** Whether the server can be asked at this moment. */
    readonly isOnline: () => boolean;
    /** Waits, within a deadline, until the replica can be asked. */
    readonly whenServing: (deadlineMs: number) => Promise<void>;
    readonly sales: Sales;
    readonly news: NewsBoard;
    /** Where what identifies nobody goes on to the POS. */
    readonly passThrough: Pick<PassThrough, 'offer'>;
    /** Asks whether a bank card is to be linked. */
    readonly linking: Pick<Linking, 'presented'>;
    /** Asks the server for cards that are not on this till. */
    readonly lookups: LookupDesk;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#rules = options.rules;
    this.#identifier = options.identifier;
    this.#codes = options.codes;
    this.#isOnline = options.isOnline;
    this.#whenServing = options.whenServing;
    this.#sales = options.sales;
    this.#news = options.news;
    this.#passThrough = options.passThrough;
    this.#linking = options.linking;
    this.#lookups = options.lookups;
  }

  /** Takes a scan from a reader: recognises it, which takes no time, hands products on, enqueues and returns. */
  take(scan: Scan): void {
    if (this.#closed) return;
    const taken = this.#recognise(scan);
    if (this.#queue.length >= QUEUE_MAX) {
      this.#log.error({ event: 'scan.dropped', readerId: scan.readerId, waiting: this.#queue.length });
      return;
    }
    this.#queue.push(taken);
    this.#working ??= this.#work();
  }

  /** Takes a number typed by a person the way of a scan. */
  async takeTyped(number: string): Promise<TypedOutcome> {
    const presented = {
      payload: Buffer.from(number, 'utf8'),
      symbology: 'unknown',
      source: 'typed',
    } as const;
    const code = presentedCode(presented, this.#rules);
    if (code !== undefined) return this.#takeTypedCode(code);
    const recognised = recognise(presented, this.#rules);
    if (recognised.kind !== 'credential') return { kind: 'refused', ...typedRefusal(recognised) };
    await this.#whenServing(REPLICA_WAIT_MS);
    return this.#presentTyped(this.#identify(recognised.credential, null, this.#clock.monotonicMs()));
  }

  /** Who typed waits for what comes of it, if the server is asked. */
  async #presentTyped(presented: DeskIdentification, judged?: JudgedCode): Promise<TypedOutcome> {
    const { promise, resolve } = Promise.withResolvers<TypedOutcome>();
    this.#present(presented, judged, (told) => {
      resolve({
        kind: 'identified',
        event: told === undefined ? presented.event : withAnswer(presented.event, told),
      });
    });
    return promise;
  }

  async #takeTypedCode(code: PresentedCode): Promise<TypedOutcome> {
    const judged = await this.#judge(code);
    if (judged.kind === 'refused') {
      return { kind: 'refused', code: judged.code, reason: errorCodes[judged.code][0] };
    }
    const { credential, downgrade } = judged;
    const readable = code.kind === 'unreadable' ? undefined : code;
    return this.#presentTyped(
      this.#identify(credential, null, this.#clock.monotonicMs(), downgrade, readable),
      judged,
    );
  }

  /** Takes no more scans, and resolves when those taken are done. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    for (let taken = this.#queue.shift(); taken !== undefined; taken = this.#queue.shift()) {
      try {
        await this.#handle(taken);
      } catch (error) {
        // One scan fails, the daemon lives.
        this.#log.error({ event: 'scan.failed', readerId: taken.scan.readerId, error: asError(error) });
      }
    }
    this.#working = undefined;
  }

  #recognise(scan: Scan): Taken {
    // A copy, for of an unreadable scan the POS may still get the bytes.
    const presented = {
      payload: Uint8Array.from(scan.payload),
      symbology: scan.symbology,
      source: 'reader',
      aim: scan.aim,
      layout: scan.layout,
    } as const;
    const code = presentedCode(presented, this.#rules);
    if (code !== undefined && !isGarbled(code)) return { scan, code };
    const recognised = recognise(presented, this.#rules);
    // Of a garbled app code it is better to know which layout fits; where none does, that it is garbled is enough.
    if (code !== undefined && !(recognised.kind === 'unreadable' && recognised.code === 'SCANNER_LAYOUT')) {
      return { scan, code };
    }
    const passedOn = this.#passOn(scan, recognised);
    if (recognised.kind === 'refused' || recognised.kind === 'unreadable') scan.wipe();
    return { scan, code: undefined, recognised, passedOn };
  }

  /** Never throws: whether the POS hears of it, the customer is identified. */
  #passOn(scan: Scan, recognised: Recognised): PassedOn | undefined {
    try {
      return this.#passThrough.offer(scan, recognised);
    } catch (error) {
      this.#log.error({ event: 'pass-through.failed', readerId: scan.readerId, error: asError(error) });
      return undefined;
    }
  }

  async #handle(taken: Taken): Promise<void> {
    const { scan } = taken;
    const scanId = uuidV7(scan.receivedAt, this.#random);
    const { readerId, symbology } = scan;
    if (taken.code !== undefined) return this.#handleCode(scan, scanId, taken.code);
    const { recognised, passedOn } = taken;
    const outcome = withPassedOn(scanOutcome(recognised, symbology), passedOn, scan.aim);
    if (recognised.kind === 'credential') {
      await this.#whenServing(REPLICA_WAIT_MS);
      // Decided before anything is told: writing to sockets takes longer than finding out who it is.
      const identified = this.#identify(recognised.credential, scanId, scan.receivedAtMonotonicMs);
      this.#news.tell({ event: 'scan', scanId, readerId, outcome });
      this.#present(identified);
      return;
    }
    const onlyFor = passedOn !== undefined && 'clientId' in passedOn ? passedOn.clientId : undefined;
    this.#news.tell({
      event: 'scan',
      scanId,
      readerId,
      outcome,
      ...(onlyFor === undefined ? {} : { onlyFor }),
    });
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

  async #handleCode(scan: Scan, scanId: string, code: PresentedCode): Promise<void> {
    const { readerId } = scan;
    const judged = await this.#judge(code);
    if (judged.kind === 'refused') {
      this.#news.tell({
        event: 'scan',
        scanId,
        readerId,
        outcome: { kind: 'unreadable', code: judged.code },
      });
      this.#log.warn({ event: 'scan.code-refused', scanId, readerId, code: judged.code });
      return;
    }
    const { credential, downgrade } = judged;
    const readable = code.kind === 'unreadable' ? undefined : code;
    const identified = this.#identify(credential, scanId, scan.receivedAtMonotonicMs, downgrade, readable);
    const outcome = {
      kind: 'credential',
      credential: credential.toString(),
      scheme: credential.scheme,
    } as const;
    this.#news.tell({ event: 'scan', scanId, readerId, outcome });
    this.#present(identified, judged);
  }

  async #judge(
    code: PresentedCode,
  ): Promise<{ readonly kind: 'refused'; readonly code: CodeRefusal } | JudgedCode> {
    if (code.kind === 'unreadable') return { kind: 'refused', code: code.code };
    await this.#whenServing(REPLICA_WAIT_MS);
    return this.#codes.judge(code);
  }

  /** Nobody waits for the answer; when it comes, the identification is told to be worth more, or less. */
  #askServer(judged: JudgedCode, { identificationId, kind }: Identified, verdict: string): void {
    if (verdict !== 'known') return;
    this.#codes.askServer(judged, ({ trust, downgrade }: Trusted) => {
      const may = [...mayDo({ kind, trust, reach: 'online', verdict })];
      this.#news.tell({ event: 'trust', identificationId, trust, may, downgrade });
      this.#log.info({ event: 'scan.trust', identificationId, trust, downgrade });
      this.#sales.retrust(identificationId, trust);
    });
  }

  #identify(
    credential: Credential,
    scanId: string | null,
    sinceMs: number,
    downgrade: Downgrade | null = null,
    code?: ReadableCode,
  ): DeskIdentification {
    const result = this.#identifier.identify(credential, this.#sales.current()?.basket);
    const tookMs = this.#clock.monotonicMs() - sinceMs;
    const identificationId = uuidV7(this.#clock.now(), this.#random);
    const { kind, trust } = credential;
    const masked = credential.toString();
    const isAsked = result.ask !== undefined && this.#lookups.canAsk;
    return {
      event: {
        event: 'identified',
        identificationId,
        scanId,
        credential: masked,
        trust,
        may: [
          ...mayDo({
            kind,
            trust,
            reach: this.#isOnline() ? 'online' : 'offline',
            verdict: result.unproven === true ? 'unproven' : result.identification.verdict,
          }),
        ],
        downgrade,
        identification: result.identification,
        offers: [...result.offers],
        currency: result.currency,
        replicaAgeMs: result.replicaAgeMs,
        tookMs,
        ...(isAsked ? { lookingUp: true } : {}),
      },
      ...(isAsked ? { ask: result.ask } : {}),
      ...(code === undefined ? {} : { code }),
      identified: {
        identificationId,
        credential: masked,
        index: result.index,
        kind,
        trust,
        as: result.as,
        ...bankCardOf(credential),
      },
    };
  }

  /**
   * @param judged the phone's code it came from
   * @param onFinal called with what came of asking the server, or nothing when it was not asked
   */
  #present(
    presented: DeskIdentification,
    judged?: JudgedCode,
    onFinal: (told: LookedUpNews | undefined) => void = () => {},
  ): void {
    const { event, identified, ask } = presented;
    const { customer: before } = this.#sales.customerNow();
    const stays = staysWith(before, identified);
    this.#news.tell(stays && before !== undefined ? { ...event, keeps: before.identificationId } : event);
    const { identificationId, scanId, identification, tookMs } = event;
    this.#log.info({
      event: 'scan.identified',
      identificationId,
      scanId,
      verdict: identification.verdict,
      customerId: identification.verdict === 'known' ? identification.customer.id : null,
      ms: tookMs,
    });
    if (stays) this.#sales.note(identified);
    else this.#sales.present(identified);
    if (ask === undefined) {
      this.#linking.presented(before, identified);
      if (judged !== undefined) this.#askServer(judged, identified, identification.verdict);
      onFinal(undefined);
      return;
    }
    // The next scan does not wait for it; the desk of lookups does when it closes.
    void this.#lookups
      .ask({ ...presented, ask }, before)
      .then((settled) => {
        onFinal(settled?.told);
        const code = settled?.judged ?? judged;
        // Without an answer to whose it is, none to how much it is trusted makes it worth more.
        if (code !== undefined && settled !== undefined && settled.told.code === undefined) {
          this.#askServer(code, identified, settled.told.identification.verdict);
        }
      })
      .catch((error: unknown) => {
        this.#log.error({ event: 'scan.lookup.failed', error: asError(error) });
      });
  }
}

/** An identification as it stands once the server was asked. */
function withAnswer({ lookingUp: _over, ...event }: IdentifiedNews, told: LookedUpNews): IdentifiedNews {
  const { trust, may, downgrade, identification, offers, currency } = told;
  return { ...event, trust, may, downgrade, identification, offers, currency };
}

/** What a bank card's alias is; nothing for other credentials. */
function bankCardOf({ kind, scheme }: Credential): Pick<Identified, 'bankCard'> {
  const { success, data } = BankCardScheme.safeParse(scheme);
  return kind === 'bankcard' && success ? { bankCard: data } : {};
}

function isGarbled(code: PresentedCode): boolean {
  return code.kind === 'unreadable' && code.code === 'SCANNER_LAYOUT';
}

type ScanOutcome = ReturnType<typeof scanOutcome>;

/** What was scanned, and what the POS got of it. */
function withPassedOn(
  outcome: ScanOutcome,
  passedOn: PassedOn | undefined,
  aim: string | undefined,
): ScanOutcome {
  const passed = passedOn === undefined ? {} : { passedOn: passedOn.kind };
  switch (outcome.kind) {
    case 'product':
      return { ...outcome, ...passed, ...(aim === undefined ? {} : { aim }) };
    case 'unreadable':
      return { ...outcome, ...passed };
    case 'credential':
    case 'refused':
    case 'claimed':
      return outcome;
  }
}
