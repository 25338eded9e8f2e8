import type { Clock } from '../../foundation/clock.ts';
import { ProgrammerError, StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import { consentTextHash } from '../../sync/contract/consent.ts';
import type { ClockQuality } from '../../sync/contract/consent.ts';
import type { CredentialLinked } from '../../sync/contract/link.ts';
import type { EntryVerdict } from '../../sync/contract/messages.ts';
import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import type { Journal } from '../journal/journal.ts';
import type { Identified } from '../sale/identified.ts';
import type { RuleBook } from '../sale/rule-book.ts';
import { linkPairOf } from './link-pair.ts';
import { ANSWER_WITHIN_MS, saved, stepLink } from './link-step.ts';
import type { LinkInput, LinkOutcome, LinkQuestion, LinkState } from './link-step.ts';
import type { LinkAnswer, LinkingView, WithdrawalRequest } from './linking-view.ts';

/** Pairs not asked about again until the till is started anew: answered ones, and refused by the server. */
const SETTLED_MAX = 1_000;
/** Entries whose verdict is waited for; beyond it the oldest are confirmed without a word. */
const AWAITED_MAX = 1_000;

export interface LinkingPorts {
  readonly journal: Pick<Journal, 'append' | 'holds' | 'unconfirmedLinks'>;
  /** The rules in force; the text that is agreed to is one of them. */
  readonly rules: () => RuleBook;
  /** An identification of the last half hour. */
  readonly identified: (identificationId: string) => Identified | undefined;
  readonly clockQuality: () => ClockQuality;
  readonly storeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told wherever the linking stands now; must only take note. */
  readonly tell: (view: LinkingView) => void;
}

/**
 * Links bank cards to customers, who are asked first. A yes becomes a journal entry and nothing else: the card is
 * recognised once the server has confirmed it and the feed has brought it, here and at every till.
 */
export class Linking implements Closable {
  readonly #ports: LinkingPorts;
  readonly #settled = new Set<string>();
  readonly #awaited = new Map<number, { readonly linkId: string; readonly kind: string }>();
  #state: LinkState = { kind: 'idle' };
  #last: { readonly answer: LinkAnswer['answer']; readonly view: LinkingView } | undefined;
  #cancelTimer: () => void = () => {};

  /** Waits on for the verdicts about links that were on the way when the till last ended. */
  constructor(ports: LinkingPorts) {
    this.#ports = ports;
    for (const { seq, linkId, kind } of ports.journal.unconfirmedLinks(AWAITED_MAX)) {
      this.#awaited.set(seq, { linkId, kind });
    }
  }

  /** The question that is open, for who comes late. */
  current(): LinkingView | null {
    return this.#state.kind === 'asking' ? this.#asking(this.#state.question) : null;
  }

  /** A credential was presented while `before` was at the till. */
  presented(before: Identified | undefined, presented: Identified): void {
    this.#take({
      kind: 'presented',
      question: this.#questionOf(before, presented),
      customerId: presented.as.verdict === 'known' ? presented.as.customer.id : undefined,
    });
  }

  /**
   * A sale changed.
   * @param customer who is in the open sale, null for nobody; undefined while none is open
   */
  saleChanged(customer: Identified | null | undefined): void {
    const customerId =
      customer === undefined || customer === null
        ? customer
        : customer.as.verdict === 'known'
          ? customer.as.customer.id
          : null;
    this.#take({ kind: 'customer', customerId });
  }

  /**
   * The answer to the question; a yes is on the disk when this returns. Repeated, it answers the same.
   * @throws StammkundeError LINK_NOT_OPEN · LINK_TEXT_OUTDATED · JRN_FULL · DATA_DISK_FULL · DATA_UNWRITABLE; with the
   *   last three the question stays open
   */
  answer(linkId: string, answer: LinkAnswer): LinkingView {
    const last = this.#last;
    if (last?.view.linkId === linkId && last.answer === answer.answer) return last.view;
    const [outcome] = this.#take({
      kind: 'answer',
      linkId,
      yes: answer.answer === 'yes',
      textVersion: answer.textVersion,
      monotonicMs: this.#ports.clock.monotonicMs(),
    });
    switch (outcome?.kind) {
      case 'save':
        this.#save(outcome.question, answer);
        this.#state = saved();
        this.#cancelTimer();
        return this.#answered(answer, { status: 'saved', linkId });
      case 'declined':
        this.#settle(outcome.question);
        return this.#answered(answer, { status: 'declined', linkId });
      case 'rejected':
        // Answered before the till was started anew.
        if (answer.answer === 'yes' && this.#ports.journal.holds(linkId, 'credential.linked')) {
          return { status: 'saved', linkId };
        }
        throw new StammkundeError(outcome.code, `the question ${linkId} is not open, or shows another text`);
      case 'ask':
      case 'ended':
      case undefined:
        throw new ProgrammerError(`an answer led to ${outcome?.kind ?? 'nothing'}`);
    }
  }

  /**
   * Takes a link back, with the linked card presented. It is on the disk when this returns.
   * @throws StammkundeError API_NOT_FOUND when it is no identification by a linked bank card · JRN_FULL · DATA_DISK_FULL ·
   *   DATA_UNWRITABLE
   */
  withdraw({ identificationId, operatorRef }: WithdrawalRequest): LinkingView {
    const { journal, clock, clockQuality, storeId } = this.#ports;
    const identified = this.#ports.identified(identificationId);
    if (identified?.kind !== 'bankcard' || identified.as.verdict !== 'known') {
      throw new StammkundeError('API_NOT_FOUND', `${identificationId} is not by a linked bank card`);
    }
    // Named for the identification, so that a repeated call finds its work done.
    const linkId = identificationId;
    const view: LinkingView = { status: 'withdrawal-saved', linkId };
    if (journal.holds(linkId, 'credential.unlinked')) return view;
    const at = clock.now();
    const entry = journal.append({
      kind: 'credential.unlinked',
      linkId,
      storeId,
      at,
      customerId: identified.as.customer.id,
      credential: { index: identified.index, kind: 'bankcard' },
      consent: {
        purpose: 'bankcard_link',
        decision: 'withdrawn',
        channel: 'till',
        operatorRef: operatorRef ?? null,
        occurredAt: at,
        clock: clockQuality(),
      },
    });
    this.#settled.delete(pairKey(identified.as.customer.id, identified.index));
    this.#await(entry.seq, linkId, 'credential.unlinked');
    this.#ports.log.info({ event: 'linking.withdrawn', linkId, seq: entry.seq });
    this.#ports.tell(view);
    return view;
  }

  /** What the server said of a journal entry; of entries that are no links nothing comes. */
  verdict({ seq, verdict, code }: EntryVerdict): void {
    const awaited = this.#awaited.get(seq);
    if (awaited === undefined) return;
    this.#awaited.delete(seq);
    const { linkId, kind } = awaited;
    const isTaken = verdict === 'created' || verdict === 'exists';
    if (!isTaken) {
      this.#ports.log.warn({ event: 'linking.refused', linkId, seq, verdict, code: code ?? null });
      this.#ports.tell({ status: 'refused', linkId, code: code ?? 'LEDGER_CONFLICT' });
      return;
    }
    this.#ports.tell({ status: kind === 'credential.linked' ? 'confirmed' : 'withdrawn', linkId });
  }

  async close(): Promise<void> {
    this.#cancelTimer();
    this.#state = { kind: 'idle' };
  }

  #questionOf(before: Identified | undefined, presented: Identified): LinkQuestion | undefined {
    const pair = linkPairOf(before, presented);
    const { programme, stale } = this.#ports.rules();
    const text = programme?.consentTexts?.find(({ purpose }) => purpose === 'bankcard_link');
    // A replica too old to rely on a consent is too old to ask for one.
    if (pair === undefined || text === undefined || stale) return undefined;
    if (this.#settled.has(pairKey(pair.customer.id, pair.card.index))) return undefined;
    const { clock, random } = this.#ports;
    return {
      ...pair,
      linkId: uuidV7(clock.now(), random),
      text,
      expiresAtMs: clock.monotonicMs() + ANSWER_WITHIN_MS,
    };
  }

  /** Takes a step; what is asked and what has ended is told, answers are the caller's. */
  #take(input: LinkInput): readonly LinkOutcome[] {
    const { state, outcomes } = stepLink(this.#state, input);
    this.#state = state;
    if (state.kind === 'idle') this.#cancelTimer();
    for (const outcome of outcomes) {
      switch (outcome.kind) {
        case 'ask':
          this.#startTimer(outcome.question);
          this.#ports.log.info({ event: 'linking.asked', linkId: outcome.question.linkId });
          this.#ports.tell(this.#asking(outcome.question));
          break;
        case 'ended':
          this.#ports.tell({ status: 'ended', linkId: outcome.question.linkId, reason: outcome.reason });
          break;
        case 'save':
        case 'declined':
        case 'rejected':
          break;
      }
    }
    return outcomes;
  }

  #answered({ answer }: LinkAnswer, view: LinkingView): LinkingView {
    this.#last = { answer, view };
    this.#ports.tell(view);
    return view;
  }

  #save(question: LinkQuestion, { locale, uiVariant, operatorRef }: LinkAnswer): void {
    const { journal, clock, clockQuality, storeId, log } = this.#ports;
    const { linkId, customer, identifiedBy, card, text } = question;
    const at = clock.now();
    const transaction: CredentialLinked = {
      kind: 'credential.linked',
      linkId,
      storeId,
      at,
      customerId: customer.id,
      credential: { index: card.index, kind: 'bankcard', scheme: card.scheme },
      identifiedBy,
      consent: {
        purpose: text.purpose,
        decision: 'granted',
        textVersion: text.version,
        textSha256: consentTextHash(text.text[locale]),
        locale,
        uiVariant,
        channel: 'till',
        operatorRef: operatorRef ?? null,
        occurredAt: at,
        clock: clockQuality(),
      },
    };
    const entry = journal.append(transaction);
    this.#settle(question);
    this.#await(entry.seq, linkId, transaction.kind);
    log.info({ event: 'linking.saved', linkId, seq: entry.seq, customerId: customer.id });
  }

  #startTimer({ expiresAtMs }: LinkQuestion): void {
    this.#cancelTimer();
    const { clock } = this.#ports;
    const cancel = clock.schedule(expiresAtMs - clock.monotonicMs(), () => {
      this.#take({ kind: 'time', monotonicMs: clock.monotonicMs() });
    });
    this.#cancelTimer = cancel;
  }

  #settle({ customer, card }: LinkQuestion): void {
    boundTo(this.#settled, SETTLED_MAX);
    this.#settled.add(pairKey(customer.id, card.index));
  }

  #await(seq: number, linkId: string, kind: string): void {
    boundTo(this.#awaited, AWAITED_MAX);
    this.#awaited.set(seq, { linkId, kind });
  }

  #asking({ linkId, customer, text, expiresAtMs }: LinkQuestion): LinkingView {
    const { clock, rules } = this.#ports;
    return {
      status: 'asking',
      linkId,
      customer: {
        id: customer.id,
        greeting: customer.greeting,
        tier: customer.tier,
        tierName: tierNameOf(rules().programme, customer.tier),
      },
      text: { version: text.version, ...text.text },
      answerWithinMs: Math.max(0, Math.round(expiresAtMs - clock.monotonicMs())),
    };
  }
}

function tierNameOf(
  programme: ProgrammeDocument | undefined,
  tier: string,
): { readonly de: string; readonly en: string } | null {
  return programme?.tiers.find(({ id }) => id === tier)?.name ?? null;
}

function pairKey(customerId: string, index: string): string {
  return `${customerId}/${index}`;
}

/** Makes room for one more: the oldest goes. */
function boundTo(held: Set<string> | Map<number, unknown>, max: number): void {
  if (held.size < max) return;
  const oldest = held.keys().next();
  // Of a set of texts the key is a text, of a map of numbers a number.
  if (oldest.done !== true) (held as { delete(key: unknown): boolean }).delete(oldest.value);
}
