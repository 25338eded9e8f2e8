import { describe, expect, test } from 'vitest';
import { formatFor } from '../../../edge/display/format.ts';
import { AT } from './samples.ts';

const german = formatFor('de-DE', 'Europe/Berlin');
const english = formatFor('en-GB', 'Europe/London');
const MINUTE_MS = 60_000;

/** Formatters put no-break and narrow spaces where people write a space, and differ in the Swiss apostrophe. */
const plain = (text: string | null): string | null =>
  text?.replace(/[\u00a0\u202f]/g, ' ').replace('’', "'") ?? null;

describe('money', () => {
  test.each([
    ['de-DE', 450, 'EUR', '4,50 €'],
    ['de-AT', 450, 'EUR', '€ 4,50'],
    ['de-CH', 123_456, 'CHF', "CHF 1'234.56"],
    ['en-GB', -200, 'EUR', '−€2.00'],
    ['en-GB', 1500, 'JPY', 'JP¥1,500'],
    ['en-GB', 1500, 'KWD', 'KWD 1.500'],
  ])('%s %d %s is %s: minor units by the currency', (locale, minor, currency, text) => {
    expect(plain(formatFor(locale).money(minor, currency))).toBe(text);
  });

  test('an amount whose currency is not known claims none', () => {
    expect(german.money(450, null)).toBe('4,50');
  });
});

describe('points', () => {
  test('are whole, grouped numbers', () => {
    expect(german.count(1_284_000)).toBe('1.284.000');
    expect(english.count(0)).toBe('0');
  });

  test('that are earned carry their sign, nothing carries none', () => {
    expect([73, 0, -5].map((points) => german.signed(points))).toEqual(['+73', '0', '−5']);
  });
});

describe('times', () => {
  test('are the till’s local time', () => {
    expect(german.time(AT)).toBe('15:05');
    expect(english.time(AT)).toBe('14:05');
  });

  test('say the day when it is not today, and the year when it is not this year', () => {
    expect(german.moment(AT - 23 * MINUTE_MS, AT)).toBe('14:42');
    expect(german.moment(AT - 24 * 60 * MINUTE_MS, AT)).toBe('21.11., 15:05');
    expect(german.moment(Date.UTC(2025, 10, 22, 14, 5), AT)).toBe('22.11.2025, 15:05');
  });

  test('whose present is not known say everything', () => {
    expect(german.moment(AT, null)).toBe('22.11.2026, 15:05');
  });
});

describe('ages', () => {
  test.each([
    [23, 'vor 23 Min.', '23 min ago'],
    [59.9, 'vor 59 Min.', '59 min ago'],
    [60, 'vor 1 Std.', '1 hr ago'],
    [47 * 60, 'vor 47 Std.', '47 hr ago'],
    [50 * 60, 'vor 2 Tagen', '2 days ago'],
  ])('%d minutes', (minutes, de, en) => {
    expect(plain(german.ago(minutes * MINUTE_MS))).toBe(de);
    expect(plain(english.ago(minutes * MINUTE_MS))).toBe(en);
  });

  test('too short to matter, or of a clock that was put back, are not said', () => {
    expect(german.ago(119_999)).toBeNull();
    expect(german.ago(-MINUTE_MS)).toBeNull();
  });
});
