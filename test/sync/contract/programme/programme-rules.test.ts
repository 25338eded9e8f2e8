import { describe, expect, test } from 'vitest';
import { isTimeZone } from '../../../../sync/contract/programme/calendar.ts';
import { ProgrammeDocument } from '../../../../sync/contract/replica-documents.ts';
import { programme } from '../offers.ts';

type Parts = { readonly [name: string]: unknown };
const earn = (more: Parts): Parts => ({ earn: { ...programme.earn, ...more } });
const burn = {
  points: 100,
  minor: 50,
  minPoints: 200,
  stepPoints: 100,
  maxPercent: 50,
  excludedCategories: [],
};
const offline = {
  perCustomer: 500,
  perTill: 5_000,
  validForMs: 86_400_000,
  byTrust: { L0: 0, L1: 0, L2: 0, L3: 200, L4: 500 },
};
const tier = (id: string, qualify?: Parts): Parts => ({
  id,
  name: { de: id, en: id },
  earnPercent: 100,
  ...(qualify === undefined ? {} : { qualify }),
});
const problems = (parts: Parts): string[] => {
  const { error } = ProgrammeDocument.safeParse({ ...programme, ...parts });
  return error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];
};

test('a programme stored before there were more rules is one still, and is not changed by being read', () => {
  expect(ProgrammeDocument.parse(programme)).toEqual(programme);
});

test('a programme with every rule is read as it was written', () => {
  const whole = {
    ...programme,
    ...earn({
      rounding: 'nearest',
      tenders: ['gift-card', 'points'],
      rules: [
        { id: 'wine', categories: ['wine'], articles: ['4006381333931'], tenders: ['card'], percent: 150 },
        { id: 'books', categories: ['books'], percent: 0 },
        { id: 'else', percent: 50 },
      ],
    }),
    burn,
    points: {
      timeZone: 'Europe/Berlin',
      vestAfterDays: 14,
      negative: 'returns',
      expiry: { months: 36, end: 'year' },
    },
    tiers: [tier('basic'), tier('silver', { points: 500, windowMonths: 12 }), tier('friend')],
    redemption: { offline, reservationMs: 600_000 },
    lateCredit: { withinHours: 72 },
  };
  expect(ProgrammeDocument.parse(whole)).toEqual(whole);
});

describe('a rule that cannot be satisfied is refused', () => {
  const rule = { id: 'wine', categories: ['wine'], percent: 150 };
  test.each<[string, Parts, string]>([
    ['twice the same id', earn({ rules: [rule, rule] }), 'earn.rules.1: a second rule wine'],
    [
      'one behind a rule for everything',
      earn({ rules: [{ id: 'all', percent: 50 }, rule] }),
      'earn.rules.1: never reached: a rule before it is for everything',
    ],
    [
      'one for ways to pay that earn nothing',
      earn({ tenders: ['points'], rules: [{ ...rule, tenders: ['points'] }] }),
      'earn.rules.0: never fits: its ways to pay earn nothing',
    ],
    [
      'one for excluded categories alone',
      earn({ rules: [{ ...rule, categories: ['tobacco'] }] }),
      'earn.rules.0: never fits: its categories are excluded',
    ],
    [
      'a step worth a fraction',
      { burn: { ...burn, stepPoints: 1, minPoints: 1 } },
      'burn.stepPoints: a step must be worth a whole number of minor units',
    ],
    [
      'a least that is no step',
      { burn: { ...burn, minPoints: 250 } },
      'burn.minPoints: must be a multiple of stepPoints',
    ],
    [
      'points that expire before they vest',
      { points: { timeZone: 'UTC', vestAfterDays: 28, expiry: { months: 1, end: 'day' } } },
      'points.vestAfterDays: points would expire before they can be used',
    ],
    [
      'a tier that the next one outruns',
      {
        tiers: [
          tier('basic'),
          tier('silver', { points: 500, windowMonths: 12 }),
          tier('gold', { points: 500, windowMonths: 12 }),
        ],
      },
      'tiers.1.qualify: never reached: a higher tier takes no more points',
    ],
    [
      'a zone nobody knows',
      { points: { timeZone: 'Europe/Atlantis' } },
      'points.timeZone: no time zone this program knows',
    ],
  ])('%s', (_, parts, problem) => {
    expect(problems(parts)).toEqual([problem]);
  });

  test.each<[string, Parts]>([
    ['no categories', earn({ rules: [{ ...rule, categories: [] }] })],
    ['no articles', earn({ rules: [{ ...rule, articles: [] }] })],
    ['no ways to pay', earn({ rules: [{ ...rule, tenders: [] }] })],
    ['a way to pay with a number in it', earn({ tenders: ['card4006381333931'] })],
    ['an offset for a zone', { points: { timeZone: '+02:00' } }],
    ['no percentage', { burn: { ...burn, maxPercent: 0 } }],
    [
      'a trust level left out',
      { redemption: { offline: { ...offline, byTrust: {} }, reservationMs: 1_000 } },
    ],
  ])('%s', (_, parts) => {
    expect(problems(parts)).not.toEqual([]);
  });

  test('but not an expiry in a month for what vests in 27 days, nor tiers of other windows', () => {
    expect(
      problems({
        points: { timeZone: 'UTC', vestAfterDays: 27, expiry: { months: 1, end: 'day' } },
        tiers: [tier('a', { points: 500, windowMonths: 24 }), tier('b', { points: 400, windowMonths: 12 })],
      }),
    ).toEqual([]);
  });
});

test('time zones are those this program can count days of', () => {
  expect(['UTC', 'Europe/Berlin', 'Pacific/Apia', 'Etc/GMT+3'].every(isTimeZone)).toBe(true);
  expect(['', 'Berlin', 'Mars/Olympus'].some(isTimeZone)).toBe(false);
});
