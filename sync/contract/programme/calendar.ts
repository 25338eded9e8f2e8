/// <reference lib="esnext.temporal" />
import { ProgrammerError } from '../../../foundation/errors.ts';
import type { Instant } from '../../../foundation/clock.ts';
import type { PointsRules } from './programme-rules.ts';

/** Later instants are a clock gone wrong; they are counted as this one (9999-01-01), so that every date exists. */
const LAST_INSTANT: Instant = 253_370_764_800_000;

/** From when points can be used, and until when: not at `expiresAt` any more; null = for ever. */
export interface PointsLife {
  readonly vestsAt: Instant;
  readonly expiresAt: Instant | null;
}

/** Whether this program knows the zone's days. */
export function isTimeZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/**
 * The life of points earned at an instant. Days are those of the programme's zone: with `vestAfterDays` points can be
 * used from the beginning of the day so many days later; they live to the end of the day `months` later, of that day's
 * month or of its year. A day the month does not have is its last (31 January and a month: 28 or 29 February;
 * 29 February and a year: 28 February). A day begins when its clocks begin, at 01:00 where a zone skips midnight.
 */
export function lifeOfPoints(earnedAt: Instant, rules: PointsRules | undefined): PointsLife {
  const { timeZone = 'UTC', vestAfterDays = 0, expiry } = rules ?? {};
  const earned = Math.min(earnedAt, LAST_INSTANT);
  if (vestAfterDays === 0 && expiry === undefined) return { vestsAt: earned, expiresAt: null };
  const day = dayOf(earned, timeZone);
  const vestsAt = vestAfterDays === 0 ? earned : beginningOf(day.add({ days: vestAfterDays }), timeZone);
  if (expiry === undefined) return { vestsAt, expiresAt: null };
  const last = lastDay(day.add({ months: expiry.months }), expiry.end);
  return { vestsAt, expiresAt: beginningOf(last.add({ days: 1 }), timeZone) };
}

/**
 * {@link lifeOfPoints} for many instants: what was found for a day serves the whole day, for a date costs more than a
 * sale. Remembers the last few days.
 */
export class PointsCalendar {
  readonly #rules: PointsRules | undefined;
  #days: { readonly from: Instant; readonly to: Instant; readonly life: PointsLife }[] = [];

  constructor(rules: PointsRules | undefined) {
    this.#rules = rules;
  }

  lifeOf(earnedAt: Instant): PointsLife {
    const known = this.#days.find(({ from, to }) => from <= earnedAt && earnedAt < to);
    if (known !== undefined) return this.#own(known.life, earnedAt);
    const life = lifeOfPoints(earnedAt, this.#rules);
    if (earnedAt > LAST_INSTANT) return life;
    const timeZone = this.#rules?.timeZone ?? 'UTC';
    const day = dayOf(earnedAt, timeZone);
    const bounds = { from: beginningOf(day, timeZone), to: beginningOf(day.add({ days: 1 }), timeZone) };
    this.#days = [{ ...bounds, life }, ...this.#days].slice(0, DAYS_REMEMBERED);
    return life;
  }

  /** Points that need not vest can be used from when they were earned, not from when the day's first were. */
  #own(life: PointsLife, earnedAt: Instant): PointsLife {
    return (this.#rules?.vestAfterDays ?? 0) === 0 ? { ...life, vestsAt: earnedAt } : life;
  }
}
const DAYS_REMEMBERED = 8;

/**
 * The earliest instant whose points still count today, when what is earned on a day counts to the end of the day
 * `months` later (of 31 January and one month: to the end of February).
 */
export function beginningOfWindow(now: Instant, months: number, timeZone: string): Instant {
  const today = dayOf(now, timeZone);
  let first = today.subtract({ months });
  // Of a day the month back does not have, the last days of that month ended before: 28 February on 31 March.
  while (isBefore(first.add({ months }), today)) first = first.add({ days: 1 });
  return beginningOf(first, timeZone);
}

function isBefore(a: Temporal.PlainDate, b: Temporal.PlainDate): boolean {
  return Temporal.PlainDate.compare(a, b) < 0;
}

function dayOf(instant: Instant, timeZone: string): Temporal.PlainDate {
  if (!Number.isSafeInteger(instant)) throw new ProgrammerError(`no instant: ${instant}`);
  const within = Math.max(0, Math.min(instant, LAST_INSTANT));
  return Temporal.Instant.fromEpochMilliseconds(within).toZonedDateTimeISO(timeZone).toPlainDate();
}

function beginningOf(day: Temporal.PlainDate, timeZone: string): Instant {
  return day.toZonedDateTime(timeZone).epochMilliseconds;
}

function lastDay(day: Temporal.PlainDate, end: 'day' | 'month' | 'year'): Temporal.PlainDate {
  switch (end) {
    case 'day':
      return day;
    case 'month':
      return day.with({ day: day.daysInMonth });
    case 'year':
      return day.with({ month: day.monthsInYear, day: 31 });
  }
}
