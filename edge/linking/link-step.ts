import type { ConsentText } from '../../sync/contract/consent.ts';
import type { LinkPair } from './link-pair.ts';

/*
 * The guided step, without clock and disk.
 *
 *            pair, text, not asked before
 *   idle ───────────────────────────────────▶ asking ──yes──▶ to be saved ──on the disk──▶ idle
 *     ▲                                          │ no · time-out · another customer
 *     └──────────────────────────────────────────┘ nothing is kept
 */

/** How long a question waits for its answer, ms: a queue waits behind it. */
export const ANSWER_WITHIN_MS = 60_000;

export interface LinkQuestion extends LinkPair {
  readonly linkId: string;
  readonly text: ConsentText;
  /** Monotonic, ms. */
  readonly expiresAtMs: number;
}

export type LinkState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'asking'; readonly question: LinkQuestion };

export type LinkInput =
  /** A credential was presented: with it there is a pair, or not. */
  | {
      readonly kind: 'presented';
      readonly question: LinkQuestion | undefined;
      /** Whose it is, where that is known. */
      readonly customerId: string | undefined;
    }
  /** Who is at the till now: a customer, nobody in an open sale, or nothing to tell because no sale is open. */
  | { readonly kind: 'customer'; readonly customerId: string | null | undefined }
  | { readonly kind: 'time'; readonly monotonicMs: number }
  | {
      readonly kind: 'answer';
      readonly linkId: string;
      readonly yes: boolean;
      readonly textVersion: string;
      readonly monotonicMs: number;
    };

/** What came of an input. */
export type LinkOutcome =
  | { readonly kind: 'ask'; readonly question: LinkQuestion }
  | {
      readonly kind: 'ended';
      readonly question: LinkQuestion;
      readonly reason: 'timeout' | 'customer-changed';
    }
  | { readonly kind: 'save'; readonly question: LinkQuestion }
  | { readonly kind: 'declined'; readonly question: LinkQuestion }
  | { readonly kind: 'rejected'; readonly code: 'LINK_NOT_OPEN' | 'LINK_TEXT_OUTDATED' };

export interface LinkStep {
  readonly state: LinkState;
  /** In the order they are to be told. */
  readonly outcomes: readonly LinkOutcome[];
}

const idle: LinkState = { kind: 'idle' };

/** The next state. A yes leaves the state as it is until {@link saved}: what is not on the disk has not happened. */
export function stepLink(state: LinkState, input: LinkInput): LinkStep {
  const question = state.kind === 'asking' ? state.question : undefined;
  switch (input.kind) {
    case 'presented': {
      const next = input.question;
      if (question !== undefined && next !== undefined && isSamePair(question, next)) return still(state);
      // The customer shows their own card again, or their phone: they are asked as before.
      if (next === undefined && question?.customer.id === input.customerId) return still(state);
      const ended: LinkOutcome[] =
        question === undefined ? [] : [{ kind: 'ended', question, reason: 'customer-changed' }];
      return next === undefined
        ? { state: idle, outcomes: ended }
        : {
            state: { kind: 'asking', question: next },
            outcomes: [...ended, { kind: 'ask', question: next }],
          };
    }
    case 'customer': {
      if (question === undefined || input.customerId === undefined) return still(state);
      if (input.customerId === question.customer.id) return still(state);
      return { state: idle, outcomes: [{ kind: 'ended', question, reason: 'customer-changed' }] };
    }
    case 'time': {
      if (question === undefined || input.monotonicMs < question.expiresAtMs) return still(state);
      return { state: idle, outcomes: [{ kind: 'ended', question, reason: 'timeout' }] };
    }
    case 'answer': {
      const isOpen = question?.linkId === input.linkId && input.monotonicMs < question.expiresAtMs;
      if (question === undefined || !isOpen) return rejected(state, 'LINK_NOT_OPEN');
      if (input.textVersion !== question.text.version) return rejected(state, 'LINK_TEXT_OUTDATED');
      return input.yes
        ? { state, outcomes: [{ kind: 'save', question }] }
        : { state: idle, outcomes: [{ kind: 'declined', question }] };
    }
  }
}

/** The yes is on the disk. */
export function saved(): LinkState {
  return idle;
}

function still(state: LinkState): LinkStep {
  return { state, outcomes: [] };
}

function rejected(state: LinkState, code: 'LINK_NOT_OPEN' | 'LINK_TEXT_OUTDATED'): LinkStep {
  return { state, outcomes: [{ kind: 'rejected', code }] };
}

function isSamePair(a: LinkPair, b: LinkPair): boolean {
  return a.customer.id === b.customer.id && a.card.index === b.card.index;
}
