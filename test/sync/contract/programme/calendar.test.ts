import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  beginningOfWindow,
  lifeOfPoints,
  PointsCalendar,
} from '../../../../sync/contract/programme/calendar.ts';
import type { PointsRules } from '../../../../sync/contract/programme/programme-rules.ts';
import { pointsInWindow, qualifiedTier } from '../../../../sync/contract/programme/tiers.ts';

const at = (text: string): number => {
  const instant = Date.parse(text);
  if (Number.isNaN(instant)) throw new Error(`no instant: ${text}`);
  return instant;
};
const iso = (instant: number | null): string | null =>
  instant === null ? null : new Date(instant).toISOString().replace(':00.000Z', 'Z');

function expiryOf(earnedAt: string, timeZone: string, months: number, end: 'day' | 'month' | 'year' = 'day') {
  return iso(lifeOfPoints(at(earnedAt), { timeZone, expiry: { months, end } }).expiresAt);
}
const vestingOf = (earnedAt: string, timeZone: string, vestAfterDays: number): string | null =>
  iso(lifeOfPoints(at(earnedAt), { timeZone, vestAfterDays }).vestsAt);

describe('points expire', () => {
  test.each([
    // Through the last day: the first instant of the next one is too late.
    ['2026-03-15T10:00+01:00', 'Europe/Berlin', 12, 'day', '2027-03-15T23:00Z'],
    ['2026-03-15T10:00+01:00', 'Europe/Berlin', 12, 'month', '2027-03-31T22:00Z'],
    ['2026-03-15T10:00+01:00', 'Europe/Berlin', 12, 'year', '2027-12-31T23:00Z'],
    // 29 February, and days a month does not have.
    ['2028-02-29T12:00Z', 'UTC', 12, 'day', '2029-03-01T00:00Z'],
    ['2028-02-29T12:00Z', 'UTC', 48, 'day', '2032-03-01T00:00Z'],
    ['2027-02-28T12:00Z', 'UTC', 12, 'day', '2028-02-29T00:00Z'],
    ['2027-02-28T12:00Z', 'UTC', 12, 'month', '2028-03-01T00:00Z'],
    ['2026-01-31T12:00Z', 'UTC', 1, 'day', '2026-03-01T00:00Z'],
    ['2028-01-31T12:00Z', 'UTC', 1, 'day', '2028-03-01T00:00Z'],
    ['2026-08-31T12:00Z', 'UTC', 1, 'day', '2026-10-01T00:00Z'],
    // Over the end of a year.
    ['2026-12-31T23:59:59.999Z', 'UTC', 1, 'day', '2027-02-01T00:00Z'],
    ['2026-12-31T23:30Z', 'Europe/Berlin', 1, 'year', '2027-12-31T23:00Z'],
    ['2026-12-31T22:30Z', 'Europe/Berlin', 1, 'year', '2027-12-31T23:00Z'],
    ['2026-12-31T22:30Z', 'Europe/Berlin', 12, 'year', '2027-12-31T23:00Z'],
    ['2026-12-31T23:30Z', 'Europe/Berlin', 12, 'year', '2028-12-31T23:00Z'],
    // A day is the zone's: just before and after midnight there.
    ['2026-06-30T21:59Z', 'Europe/Berlin', 1, 'day', '2026-07-30T22:00Z'],
    ['2026-06-30T22:00Z', 'Europe/Berlin', 1, 'day', '2026-08-01T22:00Z'],
    ['2026-06-30T11:59Z', 'Pacific/Auckland', 1, 'day', '2026-07-30T12:00Z'],
    ['2026-06-30T12:00Z', 'Pacific/Auckland', 1, 'day', '2026-08-01T12:00Z'],
    // Clocks change in between, both ways, in both hemispheres, and on the last day itself.
    ['2026-02-15T10:00Z', 'Europe/Berlin', 2, 'day', '2026-04-15T22:00Z'],
    ['2026-09-15T10:00Z', 'Europe/Berlin', 2, 'day', '2026-11-15T23:00Z'],
    ['2026-08-27T00:00Z', 'Pacific/Auckland', 1, 'day', '2026-09-27T11:00Z'],
    ['2026-03-05T00:00Z', 'Pacific/Auckland', 1, 'day', '2026-04-05T12:00Z'],
    ['2026-02-28T12:00Z', 'Europe/Berlin', 1, 'day', '2026-03-28T23:00Z'],
    ['2026-02-27T23:30Z', 'Europe/Berlin', 1, 'day', '2026-03-28T23:00Z'],
    ['2026-09-25T12:00Z', 'Europe/Berlin', 1, 'day', '2026-10-25T23:00Z'],
    // 4 November 2018 began at 01:00 in São Paulo, 30 December 2011 was skipped in Apia.
    ['2018-10-03T12:00Z', 'America/Sao_Paulo', 1, 'day', '2018-11-04T03:00Z'],
    ['2018-10-04T12:00Z', 'America/Sao_Paulo', 1, 'day', '2018-11-05T02:00Z'],
    ['2011-11-29T20:00Z', 'Pacific/Apia', 1, 'day', '2011-12-30T10:00Z'],
  ] as const)(
    'earned %s in %s, after %i months to the end of the %s: %s',
    (earnedAt, zone, months, end, expected) => {
      expect(expiryOf(earnedAt, zone, months, end)).toBe(expected);
    },
  );

  test('never where nothing is said, and can then be used at once', () => {
    expect(lifeOfPoints(5, undefined)).toEqual({ vestsAt: 5, expiresAt: null });
    expect(lifeOfPoints(5, { timeZone: 'UTC' })).toEqual({ vestsAt: 5, expiresAt: null });
    expect(
      lifeOfPoints(5, { timeZone: 'UTC', vestAfterDays: 0, expiry: { months: 1, end: 'day' } }).vestsAt,
    ).toBe(5);
  });

  test('on some day, whatever a clock says', () => {
    const rules: PointsRules = {
      timeZone: 'Europe/Berlin',
      expiry: { months: 120, end: 'year' },
    };
    for (const instant of [0, 253_370_764_800_001, 8_640_000_000_000_000]) {
      for (const vestAfterDays of [0, 14]) {
        const { vestsAt, expiresAt } = lifeOfPoints(instant, { ...rules, vestAfterDays });
        expect(Number.isSafeInteger(vestsAt)).toBe(true);
        expect(expiresAt).toBeGreaterThan(vestsAt);
        const calendar = new PointsCalendar({ ...rules, vestAfterDays });
        expect([calendar.lifeOf(instant), calendar.lifeOf(instant)]).toEqual([
          { vestsAt, expiresAt },
          { vestsAt, expiresAt },
        ]);
      }
    }
  });
});

test('points vest with the beginning of a day of the zone', () => {
  expect(vestingOf('2026-03-15T10:00Z', 'UTC', 14)).toBe('2026-03-29T00:00Z');
  expect(vestingOf('2026-03-15T10:00Z', 'Europe/Berlin', 14)).toBe('2026-03-28T23:00Z');
  expect(vestingOf('2026-03-15T10:00Z', 'Europe/Berlin', 15)).toBe('2026-03-29T22:00Z');
  expect(vestingOf('2026-10-24T10:00Z', 'Europe/Berlin', 1)).toBe('2026-10-24T22:00Z');
  expect(vestingOf('2026-10-24T10:00Z', 'Europe/Berlin', 2)).toBe('2026-10-25T23:00Z');
  expect(vestingOf('2018-11-03T12:00Z', 'America/Sao_Paulo', 1)).toBe('2018-11-04T03:00Z');
});

const zones = ['UTC', 'Europe/Berlin', 'Pacific/Auckland', 'America/Sao_Paulo', 'Asia/Kathmandu'] as const;
const anyInstant = fc.integer({ min: at('2010-01-01T00:00Z'), max: at('2035-01-01T00:00Z') });

test('a calendar that remembers days says the same as one that does not', () => {
  const rules = fc.record({
    timeZone: fc.constantFrom(...zones),
    vestAfterDays: fc.nat(20),
    expiry: fc.record({
      months: fc.integer({ min: 1, max: 40 }),
      end: fc.constantFrom('day', 'month', 'year'),
    }),
  });
  const near = fc
    .tuple(anyInstant, fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 10 }))
    .map(([instant, hours]) => [instant, ...hours.map((each) => instant + each * 8 * 3_600_000)]);
  fc.assert(
    fc.property(rules, near, (some, instants) => {
      const calendar = new PointsCalendar(some);
      for (const instant of instants) expect(calendar.lifeOf(instant)).toEqual(lifeOfPoints(instant, some));
    }),
    { numRuns: 100 },
  );
});

describe('a window of months', () => {
  test('begins so that a day counts to the end of the day so many months later', () => {
    expect(iso(beginningOfWindow(at('2026-03-31T12:00Z'), 1, 'UTC'))).toBe('2026-03-01T00:00Z');
    expect(iso(beginningOfWindow(at('2026-03-28T12:00Z'), 1, 'UTC'))).toBe('2026-02-28T00:00Z');
    expect(iso(beginningOfWindow(at('2026-02-28T12:00Z'), 1, 'UTC'))).toBe('2026-01-28T00:00Z');
    expect(iso(beginningOfWindow(at('2029-02-28T12:00Z'), 12, 'UTC'))).toBe('2028-02-28T00:00Z');
    expect(iso(beginningOfWindow(at('2029-03-01T00:00Z'), 12, 'UTC'))).toBe('2028-03-01T00:00Z');
    expect(iso(beginningOfWindow(at('2026-07-01T12:00Z'), 6, 'Europe/Berlin'))).toBe('2025-12-31T23:00Z');
  });

  test('is the other side of an expiry of as many months', () => {
    fc.assert(
      fc.property(
        anyInstant,
        fc.integer({ min: 0, max: 800 * 86_400_000 }),
        fc.integer({ min: 1, max: 24 }),
        fc.constantFrom(...zones),
        (earnedAt, later, months, timeZone) => {
          const { expiresAt } = lifeOfPoints(earnedAt, { timeZone, expiry: { months, end: 'day' } });
          const now = earnedAt + later;
          expect(beginningOfWindow(now, months, timeZone) <= earnedAt).toBe(now < (expiresAt ?? Infinity));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a tier', () => {
  const tiers = [
    { id: 'basic' },
    { id: 'silver', qualify: { points: 500, windowMonths: 12 } },
    { id: 'friend' },
    { id: 'gold', qualify: { points: 2_000, windowMonths: 12 } },
  ];
  const earned = [
    { at: at('2026-01-10T10:00Z'), points: 400 },
    { at: at('2026-06-10T10:00Z'), points: 200 },
    { at: at('2026-12-10T10:00Z'), points: 1_500 },
  ];
  const on = (day: string): string | undefined => qualifiedTier(tiers, earned, at(day), 'Europe/Berlin');

  test('is the highest whose points were earned in its window', () => {
    expect(on('2026-01-11T00:00Z')).toBe(undefined);
    expect(on('2026-06-10T09:00Z')).toBe(undefined);
    expect(on('2026-06-10T10:00Z')).toBe('silver');
    expect(on('2026-12-10T10:00Z')).toBe('gold');
    expect(on('2027-01-10T22:59Z')).toBe('gold');
    expect(on('2027-01-10T23:00Z')).toBe('silver');
    expect(on('2027-12-11T00:00Z')).toBe(undefined);
  });

  test('takes back what was returned of a sale with the sale', () => {
    const less = earned.map((each) => ({ ...each, points: each.points - (each.points === 200 ? 101 : 0) }));
    expect(qualifiedTier(tiers, less, at('2026-07-01T00:00Z'), 'UTC')).toBe(undefined);
    const just = [...less, { at: at('2026-06-20T10:00Z'), points: 1 }];
    expect(qualifiedTier(tiers, just, at('2026-07-01T00:00Z'), 'UTC')).toBe('silver');
    expect(pointsInWindow(less, 12, at('2026-07-01T00:00Z'), 'UTC')).toBe(499);
  });
});
