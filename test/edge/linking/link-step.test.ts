// Goal: nothing but a clear yes, in time and to the text that was shown, is ever saved.
// Method: any sequence of inputs, held against the rules one by one.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANSWER_WITHIN_MS, saved, stepLink } from '../../../edge/linking/link-step.ts';
import type { LinkInput, LinkQuestion, LinkState } from '../../../edge/linking/link-step.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { linkPairOf } from '../../../edge/linking/link-pair.ts';
import { identified } from '../sale/sale-fixture.ts';
import { bankCard, text } from './linking-fixture.ts';

const clock = new ManualClock();
const pair = linkPairOf(identified(clock), bankCard(clock));
if (pair === undefined) throw new Error('the fixture makes no pair');
const question = (linkId: string, expiresAtMs = ANSWER_WITHIN_MS): LinkQuestion => ({
  ...pair,
  card: { ...pair.card, index: linkId },
  linkId,
  text,
  expiresAtMs,
});
const asking: LinkState = { kind: 'asking', question: question('a') };
const yes = { kind: 'answer', linkId: 'a', yes: true, textVersion: text.version, monotonicMs: 0 } as const;

test('a yes is to be saved, and the question stays open until it is', () => {
  expect(stepLink(asking, yes)).toEqual({
    state: asking,
    outcomes: [{ kind: 'save', question: question('a') }],
  });
  expect(saved()).toEqual({ kind: 'idle' });
});

test('a no ends the question and saves nothing', () => {
  expect(stepLink(asking, { ...yes, yes: false })).toMatchObject({
    state: { kind: 'idle' },
    outcomes: [{ kind: 'declined' }],
  });
});

test('a yes that is a moment too late, to another question or to another text is none', () => {
  const codes = [
    { ...yes, monotonicMs: ANSWER_WITHIN_MS },
    { ...yes, linkId: 'b' },
    { ...yes, textVersion: 'v0' },
  ].map((input) => stepLink(asking, input).outcomes);
  expect(codes).toEqual([
    [{ kind: 'rejected', code: 'LINK_NOT_OPEN' }],
    [{ kind: 'rejected', code: 'LINK_NOT_OPEN' }],
    [{ kind: 'rejected', code: 'LINK_TEXT_OUTDATED' }],
  ]);
});

test('the same pair presented again leaves the question as it is', () => {
  const again = { ...question('a'), linkId: 'other' };
  expect(stepLink(asking, { kind: 'presented', question: again, customerId: undefined })).toEqual({
    state: asking,
    outcomes: [],
  });
});

test('the same customer showing their own card again is asked as before; another ends the question', () => {
  const shown = (customerId: string | undefined) =>
    stepLink(asking, { kind: 'presented', question: undefined, customerId });
  expect(shown(pair.customer.id)).toEqual({ state: asking, outcomes: [] });
  for (const other of ['other', undefined])
    expect(shown(other)).toMatchObject({ state: { kind: 'idle' }, outcomes: [{ kind: 'ended' }] });
});

test('whatever happens, only a yes to the open question in time and to its text is saved', () => {
  const input = fc.oneof<fc.Arbitrary<LinkInput>[]>(
    fc.record({
      kind: fc.constant('presented' as const),
      customerId: fc.constant(undefined),
      question: fc.option(
        fc.tuple(fc.constantFrom('a', 'b'), fc.nat(9)).map(([id, at]) => question(id, at)),
        { nil: undefined },
      ),
    }),
    fc.record({
      kind: fc.constant('customer' as const),
      customerId: fc.constantFrom(undefined, null, pair.customer.id, 'other'),
    }),
    fc.record({ kind: fc.constant('time' as const), monotonicMs: fc.nat(9) }),
    fc.record({
      kind: fc.constant('answer' as const),
      linkId: fc.constantFrom('a', 'b'),
      yes: fc.boolean(),
      textVersion: fc.constantFrom(text.version, 'v0'),
      monotonicMs: fc.nat(9),
    }),
  );
  let saves = 0;
  fc.assert(
    fc.property(fc.array(input, { maxLength: 20 }), (inputs) => {
      let state: LinkState = { kind: 'idle' };
      for (const each of inputs) {
        const open = state.kind === 'asking' ? state.question : undefined;
        const step = stepLink(state, each);
        const isSaved = step.outcomes.some(({ kind }) => kind === 'save');
        const isRight =
          open !== undefined &&
          each.kind === 'answer' &&
          each.yes &&
          each.linkId === open.linkId &&
          each.textVersion === open.text.version &&
          each.monotonicMs < open.expiresAtMs;
        expect(isSaved).toBe(isRight);
        if (isSaved) saves += 1;
        state = isSaved ? saved() : step.state;
        const mayAsk: boolean =
          open !== undefined || (each.kind === 'presented' && each.question !== undefined);
        expect(state.kind === 'idle' || mayAsk).toBe(true);
        const isGone = each.kind === 'customer' && (each.customerId === null || each.customerId === 'other');
        expect(isGone && state.kind === 'asking').toBe(false);
      }
    }),
    { numRuns: 3_000 },
  );
  expect(saves).toBeGreaterThan(0);
});
