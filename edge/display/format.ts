import type { Instant } from '../../foundation/clock.ts';

/** Below this an age says nothing a cashier needs, ms. */
const AGE_WORTH_SAYING_MS = 2 * 60_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Numbers, money and times as people of one locale write them. */
export interface Format {
  /** A whole number, grouped. */
  count(value: number): string;
  /** The same with its sign, also for plus. */
  signed(value: number): string;
  /** Minor units in a currency; without one, the bare amount with two decimals. */
  money(minor: number, currency: string | null): string;
  /** 14:05 */
  time(at: Instant): string;
  /** The time alone today, else date and time. */
  moment(at: Instant, now: Instant | null): string;
  /** The day, with its year when that is not the current one. */
  day(at: Instant, now: Instant | null): string;
  /** "vor 23 Min." in whole minutes, hours or days; null when it is too short to matter or lies in the future. */
  ago(ageMs: number): string | null;
}

/** @param timeZone IANA name; the machine's own when left out */
export function formatFor(locale: string, timeZone?: string): Format {
  const zone = timeZone === undefined ? {} : { timeZone };
  const count = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const signed = new Intl.NumberFormat(locale, { maximumFractionDigits: 0, signDisplay: 'exceptZero' });
  const bare = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const time = new Intl.DateTimeFormat(locale, { ...zone, hour: '2-digit', minute: '2-digit' });
  const day = new Intl.DateTimeFormat(locale, { ...zone, day: '2-digit', month: '2-digit' });
  const dayOfYear = new Intl.DateTimeFormat(locale, {
    ...zone,
    day: '2-digit',
    month: '2-digit',
    year: 'numeric',
  });
  const relative = new Intl.RelativeTimeFormat(locale, { style: 'short', numeric: 'always' });
  const yearOf = (at: Instant): string =>
    new Intl.DateTimeFormat('en', { ...zone, year: 'numeric' }).format(at);
  const format: Format = {
    count: (value) => minus(count.format(value)),
    signed: (value) => minus(signed.format(value)),
    money: (minor, currency) => {
      if (currency === null) return minus(bare.format(minor / 100));
      const money = new Intl.NumberFormat(locale, { style: 'currency', currency });
      const digits = money.resolvedOptions().maximumFractionDigits ?? 2;
      return minus(money.format(minor / 10 ** digits));
    },
    time: (at) => time.format(at),
    moment: (at, now) =>
      now !== null && dayOfYear.format(at) === dayOfYear.format(now)
        ? time.format(at)
        : `${format.day(at, now)}, ${time.format(at)}`,
    day: (at, now) => (now !== null && yearOf(at) === yearOf(now) ? day : dayOfYear).format(at),
    ago: (ageMs) => {
      if (ageMs < AGE_WORTH_SAYING_MS) return null;
      if (ageMs < HOUR_MS) return relative.format(-Math.floor(ageMs / MINUTE_MS), 'minute');
      if (ageMs < 2 * DAY_MS) return relative.format(-Math.floor(ageMs / HOUR_MS), 'hour');
      return relative.format(-Math.floor(ageMs / DAY_MS), 'day');
    },
  };
  return format;
}

/** A minus sign instead of the hyphen some locales write: it is as wide as the plus. */
function minus(text: string): string {
  return text.replace('-', '\u2212');
}
