import type { CardNumberSource } from '../payment-terminal/card-identity.ts';
import { luhnHolds } from '../payment-terminal/card-identity.ts';

/**
 * Overwrites with X, in the bytes of an XML message, what one could pay with, and says where an unmasked card number
 * was among it. Done on bytes before any text is made of them: text cannot be overwritten.
 *
 * - the values of the elements and attributes that hold card data by name, masked or not;
 * - anywhere else each run of 14 to 19 digits that is a card number by length, first digits and check digit.
 */
export function overwriteCardData(xml: Uint8Array): readonly CardNumberSource[] {
  const found: CardNumberSource[] = [];
  overwriteNamed(xml, found);
  overwriteNumbers(xml, found);
  return found;
}

/** Names of elements and attributes, lower case, without prefix. The first line stands in public examples. */
const sensitiveNames: ReadonlyMap<string, CardNumberSource> = new Map([
  ...names('pan', 'cardpan', 'expirydate'),
  ...names('track', 'track1', 'track2', 'track3'),
  ...names(
    'pan',
    'pan',
    'cardnumber',
    'accountnumber',
    'primaryaccountnumber',
    'cvv',
    'cvc',
    'cardholdername',
  ),
  ...names('pan', 'cardverificationcode', 'iban'),
  ...names('track', 'trackdata', 'magstripe', 'magneticstripe', 'inicc', 'outicc'),
  ...names('emv', 'emvdata', 'iccdata'),
]);

function names(source: CardNumberSource, ...all: readonly string[]): [string, CardNumberSource][] {
  return all.map((name) => [name, source]);
}

const LT = 0x3c;
const GT = 0x3e;
const SLASH = 0x2f;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const COLON = 0x3a;
const X = 0x58;
/** Longer names are none of those looked for. */
const NAME_BYTES_MAX = 64;

function overwriteNamed(xml: Uint8Array, found: CardNumberSource[]): void {
  /** Open elements within the outermost one that holds card data; 0 outside of it. */
  let depth = 0;
  let source: CardNumberSource = 'pan';
  let at = 0;
  while (at < xml.length) {
    if (xml[at] !== LT) {
      const end = indexOf(xml, LT, at);
      if (depth > 0) overwrite(xml, at, end, source, found);
      at = end;
      continue;
    }
    const end = endOfTag(xml, at);
    const closes = xml[at + 1] === SLASH;
    const name = nameAt(xml, closes ? at + 2 : at + 1, end);
    const ownSource = sensitiveNames.get(name);
    const empty = xml[end - 1] === SLASH;
    if (closes) {
      if (depth > 0) depth -= 1;
    } else {
      if (depth === 0 && ownSource !== undefined) source = ownSource;
      const within = depth > 0 || ownSource !== undefined;
      overwriteAttributes(xml, at, end, within ? source : undefined, found);
      if (within && !empty) depth += 1;
    }
    at = end + 1;
  }
}

/** The position of the `>` that ends the tag at `from`, quoted ones left out. */
function endOfTag(xml: Uint8Array, from: number): number {
  let quote: number | undefined;
  for (let at = from; at < xml.length; at += 1) {
    const byte = xml[at];
    if (quote !== undefined) {
      if (byte === quote) quote = undefined;
    } else if (byte === QUOTE || byte === APOSTROPHE) {
      quote = byte;
    } else if (byte === GT) {
      return at;
    }
  }
  return xml.length;
}

/** @param within what the element holds, when all of it is card data */
function overwriteAttributes(
  xml: Uint8Array,
  from: number,
  to: number,
  within: CardNumberSource | undefined,
  found: CardNumberSource[],
): void {
  let at = from;
  while (at < to) {
    const quote = xml[at];
    if (quote !== QUOTE && quote !== APOSTROPHE) {
      at += 1;
      continue;
    }
    const end = Math.min(indexOf(xml, quote, at + 1), to);
    const source = within ?? sensitiveNames.get(attributeNameBefore(xml, at, from));
    if (source !== undefined) overwrite(xml, at + 1, end, source, found);
    at = end + 1;
  }
}

function attributeNameBefore(xml: Uint8Array, quoteAt: number, from: number): string {
  let end = quoteAt;
  while (end > from && isSpace(xml[end - 1])) end -= 1;
  if (xml[end - 1] !== EQUALS) return '';
  end -= 1;
  while (end > from && isSpace(xml[end - 1])) end -= 1;
  let start = end;
  while (start > from && isNameByte(xml[start - 1])) start -= 1;
  return nameAt(xml, start, end);
}

/** The local name, lower case. */
function nameAt(xml: Uint8Array, from: number, to: number): string {
  let end = from;
  let start = from;
  while (end < to && end - from < NAME_BYTES_MAX && isNameByte(xml[end])) {
    if (xml[end] === COLON) start = end + 1;
    end += 1;
  }
  return Buffer.from(xml.buffer, xml.byteOffset + start, end - start)
    .toString('latin1')
    .toLowerCase();
}

function indexOf(xml: Uint8Array, byte: number, from: number): number {
  const at = xml.indexOf(byte, from);
  return at < 0 ? xml.length : at;
}

function overwrite(
  xml: Uint8Array,
  from: number,
  to: number,
  source: CardNumberSource,
  found: CardNumberSource[],
): void {
  let run = 0;
  let unmasked = false;
  for (let at = from; at < to; at += 1) {
    const byte = xml[at];
    if (isDigit(byte)) run += 1;
    else if (byte !== SPACE && byte !== HYPHEN) run = 0;
    if (run >= UNMASKED_DIGITS) unmasked = true;
    if (!isSpace(byte)) xml[at] = X;
  }
  if (unmasked) found.push(source);
}

/** As many digits in a row a masked number never has. */
const UNMASKED_DIGITS = 12;
const SPACE = 0x20;
const HYPHEN = 0x2d;

/** Maximal runs of digits, grouped or not, that stand alone: a run within a longer word is no card number. */
function overwriteNumbers(xml: Uint8Array, found: CardNumberSource[]): void {
  let at = 0;
  while (at < xml.length) {
    if (!isDigit(xml[at])) {
      at += 1;
      continue;
    }
    const start = at;
    const digits: number[] = [];
    let end = at;
    while (at < xml.length) {
      const byte = xml[at] ?? 0;
      if (isDigit(byte)) {
        if (digits.length <= CARD_DIGITS_MAX) digits.push(byte - 0x30);
        end = at + 1;
      } else if ((byte !== SPACE && byte !== HYPHEN) || !isDigit(xml[at + 1])) {
        break;
      }
      at += 1;
    }
    if (!isLetter(xml[start - 1]) && !isLetter(xml[end]) && isCardNumber(digits)) {
      found.push('text');
      xml.fill(X, start, end);
    }
    digits.fill(0);
    at = Math.max(at, end);
  }
}

const CARD_DIGITS_MAX = 19;

/**
 * Lengths and first digits of the card organisations, coarsely: Diners 14, American Express 15, the others 16, Visa,
 * Maestro, UnionPay and JCB up to 19. A merchant number of 15 digits is none.
 */
function isCardNumber(digits: readonly number[]): boolean {
  const [first = 0, second = 0] = digits;
  switch (digits.length) {
    case 14:
      return first === 3 && [0, 6, 8, 9].includes(second) && luhnHolds(digits);
    case 15:
      return first === 3 && (second === 4 || second === 7) && luhnHolds(digits);
    case 16:
      return first >= 2 && first <= 6 && luhnHolds(digits);
    case 17:
    case 18:
    case 19:
      return first >= 3 && first <= 6 && luhnHolds(digits);
    default:
      return false;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isLetter(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a));
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function isNameByte(byte: number | undefined): boolean {
  return (
    isLetter(byte) || isDigit(byte) || byte === HYPHEN || byte === 0x5f || byte === 0x2e || byte === COLON
  );
}
