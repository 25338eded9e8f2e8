import fc from 'fast-check';
import { expect, test } from 'vitest';
import { consentDecisions, consentState } from '../../../server/consent/consent-state.ts';
import type { ConsentMark } from '../../../server/consent/consent-state.ts';

const mark = (
  decision: ConsentMark['decision'],
  occurredAt: number,
  recordedAt = occurredAt,
): ConsentMark => ({
  decision,
  occurredAt,
  recordedAt,
});

// Few instants, so that ties and crossed clocks are the rule.
const marks = fc.array(
  fc.record({
    decision: fc.constantFrom(...consentDecisions),
    occurredAt: fc.integer({ min: 0, max: 4 }),
    recordedAt: fc.integer({ min: 0, max: 4 }),
  }),
  { maxLength: 8 },
);

test('the state is the same in whatever order the events are given', () => {
  fc.assert(
    fc.property(
      marks.chain((events) =>
        fc.tuple(fc.constant(events), fc.shuffledSubarray(events, { minLength: events.length })),
      ),
      ([events, shuffled]) => {
        expect(consentState(shuffled)).toBe(consentState(events));
      },
    ),
    { numRuns: 3_000 },
  );
});

test('an event told twice counts once', () => {
  fc.assert(
    fc.property(marks, (events) => {
      expect(consentState([...events, ...events])).toBe(consentState(events));
    }),
  );
});

test('a withdrawal that is nowhere before the last grant ends the consent, ties and crossed clocks included', () => {
  fc.assert(
    fc.property(
      marks,
      fc.constantFrom('withdrawn', 'invalidated', 'expired', 'refused'),
      (events, decision) => {
        const grants = events.filter((event) => event.decision === 'granted');
        const occurredAt = Math.max(0, ...grants.map((grant) => grant.occurredAt));
        // The tie of when it happened alone decides, whatever the record says.
        expect(consentState([...events, mark(decision, occurredAt, 0)])).not.toBe('granted');
        const recordedAt = Math.max(0, ...grants.map((grant) => grant.recordedAt)) + 1;
        expect(consentState([...events, mark(decision, 0, recordedAt)])).not.toBe('granted');
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a grant after a withdrawal holds again, also when both were recorded together', () => {
  expect(consentState([mark('granted', 1), mark('withdrawn', 2), mark('granted', 3)])).toBe('granted');
  expect(consentState([mark('granted', 1, 9), mark('withdrawn', 2, 9), mark('granted', 3, 9)])).toBe(
    'granted',
  );
  expect(consentState([mark('granted', 1, 9), mark('withdrawn', 2, 9)])).toBe('ended');
});

test('a withdrawal wins the tie', () => {
  expect(consentState([mark('granted', 5), mark('withdrawn', 5)])).toBe('ended');
});

test('without a grant there is none', () => {
  expect(consentState([])).toBe('none');
  expect(consentState([mark('withdrawn', 5)])).toBe('none');
});
