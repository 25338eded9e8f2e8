import type {
  EventMessage,
  Identification,
  ReaderView,
  SaleView,
  SyncView,
  WaitingView,
} from '../api/events.ts';
import type { LinkingView } from '../linking/linking-view.ts';
import type { TrustLevel } from '../../sync/contract/credential.ts';
import type { OfferView } from '../../sync/contract/offer.ts';
import type { Instant } from '../../foundation/clock.ts';

/*
 * What the page knows, folded from what the till tells.
 *
 *   link ──open──▶ hello ──▶ scan · identified · looked-up · trust · sale · reader · sync ──▶ …
 *     ▲                                                              │
 *     └────────── lost: all that was known is forgotten ◀────────────┘
 *
 * Two clocks: `at` is the till's wall clock, for words like "as of 09:12"; `monotonicMs` is the page's own, for how long
 * something stays. Neither is read here.
 */

/** How long a closed sale stays before the page waits again, ms. */
export const CLOSED_SHOWN_MS = 12_000;
/** How long a refused or unreadable scan stays, ms. */
export const NOTICE_SHOWN_MS = 8_000;
/** How long it is said what became of a product, ms. */
export const HANDED_ON_SHOWN_MS = 4_000;
/** How long somebody identified without a sale stays in view, ms: they may have left. */
export const UNATTACHED_SHOWN_MS = 180_000;

/** Why there is no till to speak to. */
export type LossReason = 'unreachable' | 'not-allowed' | 'no-token';

/** The connection as the page sees it. */
export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'open' }
  | { readonly kind: 'lost'; readonly reason: LossReason };

/** Somebody, or some card, the till has looked up. */
export interface Person {
  readonly identificationId: string;
  /** Masked. */
  readonly credential: string;
  readonly typed: boolean;
  readonly trust: TrustLevel;
  readonly identification: Identification;
  readonly offers: readonly OfferView[];
  /** The sale they were seen attached to; null before one. */
  readonly saleId: string | null;
  readonly sinceMs: number;
  /** The server is being asked whose card it is. */
  readonly lookingUp: boolean;
}

/** A scan that led to nothing, said for a moment. */
type Notice =
  | { readonly kind: 'refused'; readonly sinceMs: number }
  | { readonly kind: 'unreadable'; readonly code: string; readonly sinceMs: number };

/** What became of a scan that identifies nobody: the POS has it, or does not take it. */
export type HandedOn = 'handed-on' | 'waiting' | 'paused';

/** Everything the page shows is derived from this. */
export interface ViewState {
  readonly link: Link;
  readonly till: string | null;
  readonly store: string | null;
  readonly sync: SyncView | null;
  readonly readers: readonly ReaderView[];
  /** The running sale. */
  readonly sale: SaleView | null;
  /** The sale last closed, while it is still worth a word. */
  readonly closed: { readonly sale: SaleView; readonly sinceMs: number } | null;
  readonly person: Person | null;
  readonly notice: Notice | null;
  /** The question whether to link a bank card, or for a moment what came of it. */
  readonly linking: { readonly view: LinkingView; readonly sinceMs: number } | null;
  /** The product code last read in this sale, exactly as read. */
  readonly product: string | null;
  /** What became of the product last read, said for a moment. */
  readonly handedOn: { readonly kind: HandedOn; readonly sinceMs: number } | null;
  /** The currency last seen, in a basket or with an identification; offers carry none. */
  readonly currency: string | null;
  /** The till's wall clock at a moment of the page's monotonic clock. */
  readonly heard: { readonly at: Instant; readonly monotonicMs: number } | null;
  /** The page's monotonic clock, ms. */
  readonly monotonicMs: number;
}

export type Action =
  | { readonly kind: 'message'; readonly message: EventMessage; readonly monotonicMs: number }
  | { readonly kind: 'link'; readonly link: Link; readonly monotonicMs: number }
  | { readonly kind: 'tick'; readonly monotonicMs: number }
  | { readonly kind: 'dismiss' };

/** What the page knows before it has heard anything: nothing. */
export const nothingKnown: ViewState = {
  link: { kind: 'connecting' },
  till: null,
  store: null,
  sync: null,
  readers: [],
  sale: null,
  closed: null,
  person: null,
  notice: null,
  linking: null,
  product: null,
  handedOn: null,
  currency: null,
  heard: null,
  monotonicMs: 0,
};

/** The next state. Pure: no clock, no document. */
export function reduce(state: ViewState, action: Action): ViewState {
  switch (action.kind) {
    case 'message':
      return afterMessage(
        {
          ...state,
          monotonicMs: action.monotonicMs,
          heard: { at: action.message.at, monotonicMs: action.monotonicMs },
        },
        action.message,
      );
    case 'link':
      return afterLink(state, action.link, action.monotonicMs);
    case 'tick':
      return afterTick(state, action.monotonicMs);
    case 'dismiss':
      return {
        ...state,
        notice: null,
        closed: null,
        // A question goes by being answered, not by a touch beside it.
        linking: state.linking?.view.status === 'asking' ? state.linking : null,
      };
  }
}

/** The till's wall clock now, or null while it was never heard. */
export function tillNow(state: ViewState): Instant | null {
  return state.heard === null ? null : state.heard.at + (state.monotonicMs - state.heard.monotonicMs);
}

function afterLink(state: ViewState, link: Link, monotonicMs: number): ViewState {
  if (link.kind !== 'lost') return { ...state, link, monotonicMs };
  // What a till that is gone once said may no longer be true; hello tells it anew.
  return { ...nothingKnown, link, monotonicMs, currency: state.currency };
}

function afterTick(state: ViewState, monotonicMs: number): ViewState {
  const over = (sinceMs: number, shownMs: number): boolean => monotonicMs - sinceMs >= shownMs;
  const { closed, notice, person, handedOn, linking } = state;
  return {
    ...state,
    monotonicMs,
    closed: closed !== null && over(closed.sinceMs, CLOSED_SHOWN_MS) ? null : closed,
    notice: notice !== null && over(notice.sinceMs, NOTICE_SHOWN_MS) ? null : notice,
    linking: linking !== null && over(linking.sinceMs, linkingShownMs(linking.view)) ? null : linking,
    handedOn: handedOn !== null && over(handedOn.sinceMs, HANDED_ON_SHOWN_MS) ? null : handedOn,
    person:
      person !== null &&
      person.saleId === null &&
      state.sale === null &&
      over(person.sinceMs, UNATTACHED_SHOWN_MS)
        ? null
        : person,
  };
}

function afterMessage(state: ViewState, { payload }: EventMessage): ViewState {
  switch (payload.event) {
    case 'hello': {
      const fresh: ViewState = {
        ...nothingKnown,
        link: state.link,
        till: payload.till,
        store: payload.store,
        sync: payload.sync,
        readers: payload.readers,
        currency: state.currency,
        heard: state.heard,
        monotonicMs: state.monotonicMs,
        linking: linkingOf(payload.linking ?? null, state.monotonicMs),
      };
      if (payload.sale?.status === 'open') return afterSale(fresh, payload.sale);
      return { ...fresh, ...waitingOf(payload.waiting ?? null, fresh) };
    }
    case 'scan':
      return afterScan(state, payload.outcome);
    case 'identified':
      // Somebody else is at the till, and stays.
      if (payload.keeps !== undefined) return { ...state, notice: null };
      return {
        ...state,
        notice: null,
        closed: null,
        currency: payload.currency ?? state.currency,
        person: {
          identificationId: payload.identificationId,
          credential: payload.credential,
          typed: payload.trust === 'L0',
          trust: payload.trust,
          identification: payload.identification,
          offers: payload.offers,
          saleId: null,
          sinceMs: state.monotonicMs,
          lookingUp: payload.lookingUp === true,
        },
      };
    case 'looked-up':
      // An answer about somebody who has gone changes nothing.
      return state.person?.identificationId === payload.identificationId
        ? {
            ...state,
            currency: payload.currency ?? state.currency,
            person: {
              ...state.person,
              trust: payload.trust,
              identification: payload.identification,
              offers: payload.offers,
              lookingUp: false,
            },
          }
        : state;
    case 'heartbeat':
      return state;
    case 'trust':
      return state.person?.identificationId === payload.identificationId
        ? { ...state, person: { ...state.person, trust: payload.trust } }
        : state;
    case 'sale':
      return afterSale(state, payload.sale);
    case 'reader':
      return {
        ...state,
        readers: state.readers.some((reader) => reader.id === payload.reader.id)
          ? state.readers.map((reader) => (reader.id === payload.reader.id ? payload.reader : reader))
          : [...state.readers, payload.reader],
      };
    case 'sync':
      return { ...state, sync: payload.sync };
    case 'linking':
      return { ...state, linking: linkingOf(payload.linking, state.monotonicMs) };
  }
}

function afterScan(state: ViewState, outcome: Outcome): ViewState {
  const sinceMs = state.monotonicMs;
  switch (outcome.kind) {
    case 'credential':
      return { ...state, notice: null, handedOn: null };
    case 'product':
      return {
        ...state,
        notice: null,
        closed: null,
        product: outcome.code,
        handedOn: { kind: handedOnOf(outcome.passedOn), sinceMs },
      };
    case 'refused':
      return { ...state, handedOn: null, notice: { kind: 'refused', sinceMs } };
    case 'unreadable':
      // What the POS has got must not be scanned again.
      return outcome.passedOn === undefined
        ? { ...state, handedOn: null, notice: { kind: 'unreadable', code: outcome.code, sinceMs } }
        : { ...state, notice: null, handedOn: { kind: handedOnOf(outcome.passedOn), sinceMs } };
    case 'claimed':
      return state;
  }
}

type Outcome = Extract<EventMessage['payload'], { event: 'scan' }>['outcome'];

/** Told as an event or to the one client that claimed the reader, the POS has it as well. */
function handedOnOf(passedOn: Extract<Outcome, { kind: 'product' }>['passedOn']): HandedOn {
  return passedOn === 'waiting' || passedOn === 'paused' ? passedOn : 'handed-on';
}

function afterSale(state: ViewState, sale: SaleView): ViewState {
  const currency = sale.basket.currency;
  const isNew = state.sale?.saleId !== sale.saleId;
  if (sale.status !== 'open') {
    const running = isNew ? state.sale : null;
    return {
      ...state,
      currency,
      closed: { sale, sinceMs: state.monotonicMs },
      notice: null,
      sale: running,
      person: running === null ? null : state.person,
      product: running === null ? null : state.product,
    };
  }
  return {
    ...state,
    currency,
    sale,
    closed: null,
    notice: isNew ? null : state.notice,
    product: isNew ? null : state.product,
    person: personOf(state, sale),
  };
}

/** Whom an open sale shows: who is attached to it, or else whoever was identified and not yet attached to any. */
function personOf(state: ViewState, sale: SaleView): Person | null {
  const { customer } = sale;
  if (customer === null) return state.person?.saleId === null ? state.person : null;
  const same = state.person?.identificationId === customer.identificationId ? state.person : null;
  return {
    identificationId: customer.identificationId,
    credential: customer.credential,
    typed: customer.trust === 'L0',
    trust: customer.trust,
    identification: customer.identification,
    offers: sale.offers,
    saleId: sale.saleId,
    sinceMs: same?.sinceMs ?? state.monotonicMs,
    lookingUp: same?.lookingUp === true && customer.identification.verdict === 'unreached',
  };
}

/** Who was identified before the page came, and waits for a sale to be opened. */
function waitingOf(waiting: WaitingView | null, state: ViewState): Pick<ViewState, 'person' | 'currency'> {
  if (waiting === null) return state;
  const { identificationId, credential, trust, identification, offers, currency, waitedMs } = waiting;
  return {
    currency: currency ?? state.currency,
    person: {
      identificationId,
      credential,
      typed: trust === 'L0',
      trust,
      identification,
      offers,
      saleId: null,
      sinceMs: state.monotonicMs - waitedMs,
      lookingUp: false,
    },
  };
}

/** A question stays as long as it can be answered, what came of it as long as any notice. */
function linkingShownMs(view: LinkingView): number {
  return view.status === 'asking' ? view.answerWithinMs : NOTICE_SHOWN_MS;
}

/** A no, and a question nobody answered, need no word. */
function linkingOf(view: LinkingView | null, sinceMs: number): ViewState['linking'] {
  if (view === null || view.status === 'declined' || view.status === 'ended') return null;
  return { view, sinceMs };
}
