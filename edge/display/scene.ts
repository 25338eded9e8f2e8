import type { CustomerView, ReaderView, SaleView } from '../api/events.ts';
import type { LinkingView } from '../linking/linking-view.ts';
import type { OfferView } from '../../sync/contract/offer.ts';
import type { Instant } from '../../foundation/clock.ts';
import type { LossReason, Person, ViewState } from './state.ts';

/** The question whether to link a bank card. */
export type LinkQuestionView = Extract<LinkingView, { readonly status: 'asking' }>;
/** What came of linking a bank card. */
export type LinkToldView = Exclude<LinkingView, { readonly status: 'asking' | 'declined' | 'ended' }>;

/** The one thing the page says, large. */
export type Scene =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'gone'; readonly reason: LossReason }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unreadable'; readonly code: string }
  | { readonly kind: 'completed'; readonly sale: SaleView }
  | { readonly kind: 'voided' }
  | {
      readonly kind: 'known';
      readonly person: Person;
      readonly customer: CustomerView;
      readonly offers: readonly OfferView[];
    }
  | { readonly kind: 'looking-up'; readonly person: Person }
  | { readonly kind: 'unknown'; readonly person: Person }
  | { readonly kind: 'unreached'; readonly person: Person }
  | { readonly kind: 'blocked'; readonly person: Person }
  | { readonly kind: 'expired'; readonly person: Person; readonly since: Instant }
  | { readonly kind: 'link-question'; readonly question: LinkQuestionView }
  | { readonly kind: 'link-told'; readonly told: LinkToldView }
  | { readonly kind: 'no-reader' }
  | { readonly kind: 'waiting' };

/** What the page says now: the newest word first, and the person again when it is over. */
export function sceneOf(state: ViewState): Scene {
  const { link, notice, closed, person, linking } = state;
  if (link.kind === 'lost') return { kind: 'gone', reason: link.reason };
  if (link.kind === 'connecting' || state.sync === null) return { kind: 'connecting' };
  // Somebody must answer; all else can wait behind the question.
  if (linking?.view.status === 'asking') return { kind: 'link-question', question: linking.view };
  if (notice !== null) {
    return notice.kind === 'refused' ? { kind: 'refused' } : { kind: 'unreadable', code: notice.code };
  }
  if (linking !== null && isTold(linking.view)) return { kind: 'link-told', told: linking.view };
  if (closed !== null) {
    return closed.sale.status === 'voided' ? { kind: 'voided' } : { kind: 'completed', sale: closed.sale };
  }
  if (person === null) {
    const { readers } = state;
    const silent = readers.length > 0 && readers.every((reader) => reader.status !== 'ready');
    return { kind: silent ? 'no-reader' : 'waiting' };
  }
  const { identification } = person;
  switch (identification.verdict) {
    case 'known':
      return {
        kind: 'known',
        person,
        customer: identification.customer,
        offers: inOrder(person.offers),
      };
    case 'unknown':
      return { kind: 'unknown', person };
    case 'unreached':
      return { kind: person.lookingUp ? 'looking-up' : 'unreached', person };
    case 'blocked':
      return { kind: 'blocked', person };
    case 'expired':
      return { kind: 'expired', person, since: identification.since };
  }
}

function isTold(view: LinkingView): view is LinkToldView {
  return view.status !== 'asking' && view.status !== 'declined' && view.status !== 'ended';
}

/** Readers a cashier should know about, because they cannot scan with them. */
export function readersInTrouble(readers: readonly ReaderView[]): readonly ReaderView[] {
  return readers.filter((reader) => reader.status !== 'ready');
}

/** Offers that fit, then those the customer could still reach in this sale, then the rest; else as given. */
export function inOrder(offers: readonly OfferView[]): readonly OfferView[] {
  return offers.toSorted((a, b) => rank(a) - rank(b));
}

function rank(offer: OfferView): number {
  if (offer.applies) return 0;
  const reachable = offer.whyNot.every(({ code }) => code === 'TOTAL_TOO_LOW' || code === 'ARTICLE_MISSING');
  return reachable ? 1 : 2;
}
