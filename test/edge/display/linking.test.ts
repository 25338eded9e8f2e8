import { expect, test } from 'vitest';
import type { TillEvent } from '../../../edge/api/events.ts';
import { sceneOf } from '../../../edge/display/scene.ts';
import { NOTICE_SHOWN_MS, nothingKnown, reduce } from '../../../edge/display/state.ts';
import type { ViewState } from '../../../edge/display/state.ts';
import type { LinkingView } from '../../../edge/linking/linking-view.ts';
import { attached, hello, known, numbered, refusedScan, saleEvent, unknown, uuid } from './samples.ts';

const linkId = uuid(77);
const asking: LinkingView = {
  status: 'asking',
  linkId,
  customer: { id: uuid(1), greeting: null, tier: 'gold', tierName: null },
  text: { version: 'v1', de: 'Ich bin einverstanden.', en: 'I agree.' },
  answerWithinMs: 60_000,
};
const linking = (view: LinkingView): TillEvent => ({ event: 'linking', linking: view });

function told(...payloads: readonly TillEvent[]): ViewState {
  const opened = reduce(nothingKnown, { kind: 'link', link: { kind: 'open' }, monotonicMs: 0 });
  return numbered(hello, ...payloads).reduce(
    (before, message) => reduce(before, { kind: 'message', message, monotonicMs: 0 }),
    opened,
  );
}

const shown = (state: ViewState): string => sceneOf(state).kind;
const later = (state: ViewState, monotonicMs: number): ViewState =>
  reduce(state, { kind: 'tick', monotonicMs });

test('the question stands before all else until it is answered, ended or out of time', () => {
  const state = told(known, linking(asking), refusedScan);
  expect(shown(state)).toBe('link-question');
  expect(shown(later(state, 59_999))).toBe('link-question');
  expect(shown(later(state, 60_000))).toBe('known');
  expect(shown(reduce(state, { kind: 'dismiss' }))).toBe('link-question');
  const ended = linking({ status: 'ended', linkId, reason: 'customer-changed' });
  expect(shown(told(known, linking(asking), ended))).toBe('known');
  expect(shown(told(known, linking(asking), linking({ status: 'declined', linkId })))).toBe('known');
});

test('a page that comes late shows the open question', () => {
  expect(shown(told({ ...hello, linking: asking }))).toBe('link-question');
});

test('what came of it is said for a moment, and can be touched away', () => {
  for (const view of [
    { status: 'saved', linkId },
    { status: 'confirmed', linkId },
    { status: 'refused', linkId, code: 'LINK_TAKEN' },
    { status: 'withdrawal-saved', linkId },
    { status: 'withdrawn', linkId },
  ] as const) {
    const state = told(known, linking(view));
    expect(sceneOf(state)).toEqual({ kind: 'link-told', told: view });
    expect(shown(later(state, NOTICE_SHOWN_MS))).toBe('known');
    expect(shown(reduce(state, { kind: 'dismiss' }))).toBe('known');
  }
});

test('a bank card that takes nobody’s place leaves the customer on the page, in a sale and before one', () => {
  const card: TillEvent = {
    ...unknown,
    identificationId: uuid(78),
    credential: 'bankcard',
    keeps: known.identificationId,
  };
  expect(shown(told(known, card))).toBe('known');
  expect(shown(told(known, saleEvent(attached(known)), card))).toBe('known');
});
