// Goal: a clock that was set back makes nothing new again.
import { expect, test } from 'vitest';
import { ageOf } from '../../edge/age.ts';
import { isFinal } from '../../edge/identification/finality.ts';
import { ruleBookOf } from '../../edge/rule-book-of.ts';
import { isTooOld } from '../../edge/sale/rule-book.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { programme } from '../sync/contract/offers.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const YEARS_MS = 25 * 365 * 86_400_000;

test.each([
  ['a moment ago', -1_000, false, 1_000],
  ['ahead by as much as clocks are set', 60_000, false, 0],
  ['ahead by more', 60_001, true, null],
  ['ahead by years', YEARS_MS, true, null],
])('a replica that caught up %s', (_when, aheadMs, old, ageMs) => {
  const caughtUpAt = NOW + aheadMs;
  const rules = ruleBookOf({ programme, offers: [], caughtUpAt }, new ManualClock(NOW))();
  expect({
    stale: rules.stale,
    tooOld: isTooOld(caughtUpAt, rules, NOW),
    final: isFinal({ caughtUpAt, holdsEverything: true }, NOW),
    ageMs: ageOf(caughtUpAt, NOW),
  }).toEqual({ stale: old, tooOld: old, final: !old, ageMs });
});
