import { hasGs1CheckDigit } from '../../../foundation/check-digit.ts';

/**
 * Whether a component's value is possible, by the names the Syntax Dictionary gives its checks. Lists that change with
 * the years (countries, currencies, packages) and the inner structure of North American coupons are left out: for those
 * and for names not known, everything passes.
 */
export function passesLinter(name: string, value: string): boolean {
  return linters.get(name)?.(value) ?? true;
}

const linters: ReadonlyMap<string, (value: string) => boolean> = new Map<string, (value: string) => boolean>([
  ['csum', hasGs1CheckDigit],
  ['csumalpha', hasCheckCharacters],
  // A company prefix has four digits at least.
  ['gcppos1', (value) => /^[0-9]{4}/.test(value)],
  ['gcppos2', (value) => /^.[0-9]{4}/.test(value)],
  ['yymmd0', (value) => isDate(value, { dayMin: 0 })],
  ['yymmdd', (value) => isDate(value, { dayMin: 1 })],
  ['yyyymmdd', (value) => isDate(value.slice(2), { dayMin: 1, century: Number(value.slice(0, 2)) })],
  ['hhmi', (value) => isBelow(value.slice(0, 2), 24) && isBelow(value.slice(2), 60)],
  ['hh', (value) => isBelow(value, 24)],
  ['mi', (value) => isBelow(value, 60)],
  ['ss', (value) => isBelow(value, 60)],
  ['zero', (value) => /^0+$/.test(value)],
  ['nonzero', (value) => !/^0+$/.test(value)],
  ['nozeroprefix', (value) => value === '0' || !value.startsWith('0')],
  ['hasnondigit', (value) => /[^0-9]/.test(value)],
  ['yesno', (value) => /^[01]$/.test(value)],
  ['winding', (value) => /^[019]$/.test(value)],
  ['hyphen', (value) => value === '-'],
  ['iso5218', (value) => /^[0129]$/.test(value)],
  ['iso3166alpha2', (value) => /^[A-Z]{2}$/.test(value)],
  ['importeridx', (value) => /^[A-Za-z0-9_-]$/.test(value)],
  ['mediatype', (value) => /^(?:0[1-9]|10|[89][0-9])$/.test(value)],
  ['pcenc', (value) => !/%(?![0-9A-Fa-f]{2})/.test(value)],
  ['latitude', (value) => Number(value) <= 1_800_000_000],
  ['longitude', (value) => Number(value) <= 3_600_000_000],
  ['pieceoftotal', (value) => isPieceOf(Number(value.slice(0, 2)), Number(value.slice(2)))],
  ['posinseqslash', isPositionInSequence],
]);

function isBelow(digits: string, end: number): boolean {
  return Number(digits) < end;
}

/** YYMMDD. Without a century, by the sliding window of the General Specifications, 29 February is let pass where any century has it. */
function isDate(digits: string, { dayMin, century }: { dayMin: 0 | 1; century?: number }): boolean {
  const [year = 0, month = 0, day = 0] = [digits.slice(0, 2), digits.slice(2, 4), digits.slice(4)].map(
    Number,
  );
  if (month < 1 || month > 12 || day < dayMin) return false;
  const whole = (century ?? 20) * 100 + year;
  const isLeap = whole % 4 === 0 && (whole % 100 !== 0 || whole % 400 === 0);
  return day <= (month === 2 && isLeap ? 29 : (daysOfMonths[month - 1] ?? 0));
}

const daysOfMonths: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isPieceOf(piece: number, total: number): boolean {
  return piece > 0 && piece <= total;
}

/** `1/2` */
function isPositionInSequence(value: string): boolean {
  const [, position, end] = /^([1-9])\/([1-9])$/.exec(value) ?? [];
  return position !== undefined && isPieceOf(Number(position), Number(end));
}

/** Character set 82 in the order of ISO/IEC 646 (GS1 General Specifications, figure 7.11-1). */
const SET_82 = '!"%&\'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';
const CHECK_CHARACTERS = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
const PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83];

/** The two check characters of a Global Model Number (GS1 General Specifications, 7.9.5), modulo 1021. */
function hasCheckCharacters(value: string): boolean {
  const body = value.slice(0, -2);
  if (body === '' || body.length > PRIMES.length) return false;
  let sum = 0;
  for (let i = 0; i < body.length; i += 1) {
    sum += SET_82.indexOf(body[i] ?? '') * (PRIMES[body.length - 1 - i] ?? 0);
  }
  const rest = sum % 1021;
  return value.slice(-2) === `${CHECK_CHARACTERS[rest >> 5] ?? ''}${CHECK_CHARACTERS[rest & 31] ?? ''}`;
}
