import type { Clock } from '../foundation/clock.ts';
import { asError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { BlindIndex } from '../sync/contract/blind-index.ts';
import { mayDo } from '../sync/contract/trust-policy.ts';
import type { CodeDesk, JudgedCode } from './app-code/code-desk.ts';
import type { IdentifiedNews, LookedUpNews } from './api/till-port.ts';
import type { Identifier } from './identification/identifier.ts';
import type { LookupOutcome, OnlineLookup } from './identification/online-lookup.ts';
import type { Linking } from './linking/linking.ts';
import type { NewsBoard } from './news-board.ts';
import type { PresentedCode } from './recognition/presented-code.ts';
import type { Identified } from './sale/identified.ts';
import type { Sales } from './sale/sales.ts';

/** One identification as it is told, and as the sales take it. */
export interface DeskIdentification {
  readonly event: IdentifiedNews;
  readonly identified: Identified;
  /** The number's blind indexes, oldest first, when the server is to be asked. */
  readonly ask?: readonly BlindIndex[];
  /** The phone's code it came from. */
  readonly code?: ReadableCode;
}

/** What came of a question. */
interface Settled {
  readonly told: LookedUpNews;
  /** The phone's code, judged again with what the server knew. */
  readonly judged: JudgedCode | undefined;
}

export type ReadableCode = Exclude<PresentedCode, { readonly kind: 'unreadable' }>;

/**
 * Where cards that are not on this till are asked for, beside the scans: none of them ever waits for an answer.
 *
 *   identified, lookingUp ──▶ ask ──150 ms──▶ tell `looked-up` ──still there?──▶ the sale
 */
export class LookupDesk implements Closable {
  readonly #lookup: Pick<OnlineLookup, 'ask' | 'canAsk'>;
  readonly #identifier: Pick<Identifier, 'settle'>;
  readonly #codes: Pick<CodeDesk, 'judge'>;
  readonly #isOnline: () => boolean;
  readonly #sales: Pick<Sales, 'stands' | 'settle' | 'retrust' | 'identified' | 'customerNow' | 'current'>;
  readonly #linking: Pick<Linking, 'presented'>;
  readonly #news: NewsBoard;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #asking = new Set<Promise<Settled | undefined>>();
  #closed = false;

  constructor(ports: {
    readonly lookup: Pick<OnlineLookup, 'ask' | 'canAsk'>;
    readonly identifier: Pick<Identifier, 'settle'>;
    readonly codes: Pick<CodeDesk, 'judge'>;
    readonly isOnline: () => boolean;
    readonly sales: Pick<Sales, 'stands' | 'settle' | 'retrust' | 'identified' | 'customerNow' | 'current'>;
    readonly linking: Pick<Linking, 'presented'>;
    readonly news: NewsBoard;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#lookup = ports.lookup;
    this.#identifier = ports.identifier;
    this.#codes = ports.codes;
    this.#isOnline = ports.isOnline;
    this.#sales = ports.sales;
    this.#linking = ports.linking;
    this.#news = ports.news;
    this.#clock = ports.clock;
    this.#log = ports.log;
  }

  /** Whether asking has any chance now. */
  get canAsk(): boolean {
    return !this.#closed && this.#lookup.canAsk;
  }

  /**
   * Asks for a card that was just told of with `lookingUp`. Never rejects.
   * @param before who was at the till when it was presented
   * @returns what came of it, once it is told; undefined when it could not be
   */
  ask(
    presented: DeskIdentification & { readonly ask: readonly BlindIndex[] },
    before: Identified | undefined,
  ): Promise<Settled | undefined> {
    const sinceMs = this.#clock.monotonicMs();
    const asking = this.#lookup
      .ask(presented.ask[0] ?? '')
      .then((outcome) => (this.#closed ? undefined : this.#settle(presented, before, outcome, sinceMs)))
      .catch((error: unknown) => {
        this.#log.error({ event: 'lookup.settling.failed', error: asError(error) });
        return undefined;
      })
      .finally(() => void this.#asking.delete(asking));
    this.#asking.add(asking);
    return asking;
  }

  /** Tells nothing more; resolves when nothing is under way. Close the lookup first: it ends what is being asked. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#asking);
  }

  #settle(
    presented: DeskIdentification & { readonly ask: readonly BlindIndex[] },
    before: Identified | undefined,
    outcome: LookupOutcome,
    sinceMs: number,
  ): Settled {
    const { identificationId, kind } = presented.identified;
    const applied = this.#sales.stands(identificationId);
    const basket = applied ? this.#sales.current()?.basket : undefined;
    const settled = this.#identifier.settle(presented.ask, outcome, basket);
    // A key that has come with the answer may show that the code was made by somebody else.
    const judged =
      settled.as.verdict === 'known' && presented.code !== undefined
        ? this.#codes.judge(presented.code)
        : undefined;
    const isForged = judged?.kind === 'refused';
    const final = isForged ? this.#identifier.settle(presented.ask, refusal, basket) : settled;
    // Somebody the till knows by itself stays who they are, unless the server says otherwise.
    const isUnproven = outcome.kind === 'unanswered' && presented.event.identification.verdict === 'known';
    const { as, index } = final;
    const { identification, offers, currency } = isUnproven ? presented.event : final;
    const trust = judged?.kind === 'credential' ? judged.credential.trust : presented.event.trust;
    const downgrade = judged?.kind === 'credential' ? judged.downgrade : presented.event.downgrade;
    const code = isForged ? judged.code : outcome.kind === 'unanswered' ? outcome.code : undefined;
    const { verdict } = identification;
    const told: LookedUpNews = {
      event: 'looked-up',
      identificationId,
      scanId: presented.event.scanId,
      credential: presented.event.credential,
      trust,
      may: [
        ...mayDo({
          kind,
          trust,
          reach: this.#isOnline() ? 'online' : 'offline',
          verdict: isUnproven ? 'unproven' : verdict,
        }),
      ],
      downgrade,
      identification,
      offers: [...offers],
      currency,
      ...(code === undefined ? {} : { code }),
      applied,
      tookMs: this.#clock.monotonicMs() - sinceMs,
    };
    this.#news.tell(told);
    this.#log.info({
      event: 'scan.looked-up',
      identificationId,
      verdict,
      customerId: identification.verdict === 'known' ? identification.customer.id : null,
      code,
      applied,
      ms: told.tookMs,
    });
    try {
      if (isForged || outcome.kind === 'answered') this.#sales.settle(identificationId, { as, index });
      this.#sales.retrust(identificationId, trust);
      this.#offerLink(identificationId, before);
    } catch (error) {
      // The disk is full: the sale is kept against the card, and the server settles it.
      this.#log.error({ event: 'lookup.not-applied', identificationId, error: asError(error) });
    }
    return { told, judged };
  }

  /** Whether a bank card is to be linked is asked when it is known whose it is, if both are still there. */
  #offerLink(identificationId: string, before: Identified | undefined): void {
    const now = this.#sales.identified(identificationId);
    if (now === undefined) return;
    const then = before === undefined ? undefined : this.#sales.identified(before.identificationId);
    const there = this.#sales.customerNow().customer?.identificationId;
    if (there === identificationId || there === before?.identificationId) {
      this.#linking.presented(then ?? before, now);
    }
  }
}

const refusal: LookupOutcome = { kind: 'unanswered', code: 'REQ_REFUSED' };
