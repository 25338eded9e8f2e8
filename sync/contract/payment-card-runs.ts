import { hasLuhnCheckDigit } from '../../foundation/check-digit.ts';
import { paymentBrand } from './payment-card-brands.ts';

/** A card number among other text. */
export interface FoundNumber {
  readonly brand: string;
  readonly digits: number;
}

const RUN_MIN = 13;
const RUN_MAX = 19;
/** Characters between two groups of one number, at most. */
const GAP_MAX = 3;

/**
 * The first card number in a text: ASCII digits with a brand's prefix and length and a Luhn check digit.
 *
 * - Maximal runs of digits, single spaces and hyphens taken out; the beginning of such a run and each group of it count
 *   too, so that an expiry date written after a number does not hide it.
 * - Groups as they are embossed (fours, Amex 4-6-5, Diners 4-6-4), up to three characters that are neither letter nor
 *   digit between them, wherever in a chain of groups they begin.
 *
 * An account number (IBAN) whose check digits hold is none, and hides none beside it.
 */
export function findCardNumber(text: string): FoundNumber | undefined {
  const found = findInChains(text);
  // Asked only now, for hardly anything that is scanned gets as far.
  return found === undefined ? undefined : findInChains(withoutIbans(text));
}

/** Digits, and how they hang together with the group after them. */
interface Group {
  readonly digits: string;
  /** `tight`: a single space or hyphen. */
  readonly gap: 'tight' | 'wide' | 'end';
}

function findInChains(text: string): FoundNumber | undefined {
  let i = 0;
  while (i < text.length) {
    if (!isDigit(text.charCodeAt(i))) {
      i += 1;
      continue;
    }
    const chain: Group[] = [];
    for (;;) {
      const from = i;
      while (isDigit(text.charCodeAt(i))) i += 1;
      const gap = gapAt(text, i);
      const isTight = gap === 1 && (text.charCodeAt(i) === SPACE || text.charCodeAt(i) === HYPHEN);
      chain.push({ digits: text.slice(from, i), gap: gap === 0 ? 'end' : isTight ? 'tight' : 'wide' });
      if (gap === 0) break;
      i += gap;
    }
    const found = findInRuns(chain) ?? findInEmbossedGroups(chain);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Characters up to the next digit if they can stand within a number, else 0. */
function gapAt(text: string, from: number): number {
  for (let gap = 0; gap <= GAP_MAX; gap += 1) {
    const code = text.charCodeAt(from + gap);
    if (isDigit(code)) return gap;
    // GS ends an element, and with it the number. NaN is the end of the text.
    if (Number.isNaN(code) || code === GS || isAlphanumeric(code)) return 0;
  }
  return 0;
}

function findInRuns(chain: readonly Group[]): FoundNumber | undefined {
  let beginning = '';
  for (const { digits, gap } of chain) {
    if (beginning.length <= RUN_MAX) beginning += digits;
    const found = judge(beginning) ?? judge(digits);
    if (found !== undefined) return found;
    if (gap !== 'tight') beginning = '';
  }
  return undefined;
}

function findInEmbossedGroups(chain: readonly Group[]): FoundNumber | undefined {
  for (let from = 0; from + 2 < chain.length; from += 1) {
    if (chain[from]?.digits.length !== 4) continue;
    const found = inFours(chain, from) ?? inFourAndSix(chain, from);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Fours, the last of them maybe shorter: 4-4-4-4, 4-4-4-4-3, 4-4-4-2 … */
function inFours(chain: readonly Group[], from: number): FoundNumber | undefined {
  let number = '';
  for (let i = from; i < chain.length && number.length < RUN_MAX; i += 1) {
    const digits = chain[i]?.digits ?? '';
    if (digits.length > 4) return undefined;
    number += digits;
    const found = judge(number);
    if (found !== undefined) return found;
    if (digits.length < 4) return undefined;
  }
  return undefined;
}

function inFourAndSix(chain: readonly Group[], from: number): FoundNumber | undefined {
  const [first = '', second = '', third = ''] = chain.slice(from, from + 3).map(({ digits }) => digits);
  if (second.length !== 6 || (third.length !== 5 && third.length !== 4)) return undefined;
  return judge(first + second + third);
}

function judge(digits: string): FoundNumber | undefined {
  if (digits.length < RUN_MIN || digits.length > RUN_MAX) return undefined;
  const brand = paymentBrand(digits);
  return brand === undefined || !hasLuhnCheckDigit(digits) ? undefined : { brand, digits: digits.length };
}

const GS = 0x1d;
const SPACE = 0x20;
const HYPHEN = 0x2d;

/** NaN, past the end, is no digit. */
function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isAlphanumeric(code: number): boolean {
  if (code < 0x80) return isDigit(code) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return LETTER_OR_NUMBER.test(String.fromCharCode(code));
}

const LETTER_OR_NUMBER = /[\p{L}\p{N}]/u;

/** A country, two check digits, and groups of up to four in one case; 15–34 characters (ISO 13616-1). */
const IBAN_HEAD = /(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}/g;
const IBAN_MIN = 15;
const IBAN_MAX = 34;

/** The text with a letter in place of each account number that its check digits vouch for: no group goes on across it. */
function withoutIbans(text: string): string {
  let rest = '';
  let from = 0;
  for (const { index } of text.matchAll(IBAN_HEAD)) {
    if (index < from) continue;
    const end = ibanEnd(text, index);
    if (end === undefined) continue;
    rest += `${text.slice(from, index)}x`;
    from = end;
  }
  return rest + text.slice(from);
}

/** Where the account number that begins at `from` ends, if it is one: the shortest of a length that countries have. */
function ibanEnd(text: string, from: number): number | undefined {
  let account = '';
  for (let i = from; i < text.length && account.length < IBAN_MAX; i += 1) {
    const code = text.charCodeAt(i);
    if (code === SPACE && account.length % 4 === 0) continue;
    if (!isDigit(code) && !(code >= 0x41 && code <= 0x5a)) return undefined;
    account += text[i];
    const next = text.charCodeAt(i + 1);
    const isWhole = Number.isNaN(next) || !isAlphanumeric(next);
    if (isWhole && account.length >= IBAN_MIN && ibanLengths.get(account.slice(0, 2)) === account.length)
      return hasIbanCheckDigits(account) ? i + 1 : undefined;
  }
  return undefined;
}

/** ISO/IEC 7064, MOD 97-10, letters as 10–35, the first four characters put last. */
function hasIbanCheckDigits(account: string): boolean {
  let rest = 0;
  for (const character of account.slice(4) + account.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** Characters by country: SWIFT IBAN registry, the countries of SEPA. */
const ibanLengths: ReadonlyMap<string, number> = new Map(
  (
    'AD24 AL28 AT20 BE16 BG22 CH21 CY28 CZ24 DE22 DK18 EE20 ES24 FI18 FR27 GB22 GI23 GR27 HR21 HU28 IE22 IS26 IT27 ' +
    'LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MT31 NL18 NO15 PL28 PT25 RO24 RS22 SE24 SI19 SK24 SM27 VA22'
  )
    .split(' ')
    .map((each) => [each.slice(0, 2), Number(each.slice(2))] as const),
);
