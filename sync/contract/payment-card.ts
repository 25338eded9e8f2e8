import { hasGs1CheckDigit } from '../../foundation/check-digit.ts';
import { digitalLinkLayout } from './gs1/digital-link.ts';
import { gs1Elements, gs1KeyDigits, holdsGs1Key } from './gs1/elements.ts';
import { paymentBrand } from './payment-card-brands.ts';
import { findCardNumber } from './payment-card-runs.ts';

/** Why something is taken for payment-card data. It never holds a digit of it. */
export interface PaymentCardFinding {
  /** `track`: magnetic stripe data · `emv-tlv`: tag 5A or 57 of a chip · `pan`: a card number. */
  readonly reason: 'track' | 'emv-tlv' | 'pan';
  readonly brand?: string;
  /** Digits of the number. */
  readonly length?: number;
}

/** What is known about where a text comes from. */
export interface PaymentCardContext {
  /** Stable lower-case name of the symbology it was read in, `typed` when a person typed it; absent when not known. */
  readonly symbology?: string;
  /** True for a number of a configured loyalty range, exact in prefix, length and source: it wins over a brand. */
  readonly isLoyalty?: (number: string) => boolean;
}

/**
 * Finds payment-card data (PCI DSS 4.0.1 account data) in a text or in raw bytes, in this order:
 *
 * 1. Stripe data, `;PAN=YYMM…` and `%B…^…^…` (ISO/IEC 7813), whatever the issuer, but for a configured loyalty number
 *    that no brand could have issued. `;number?` is judged by its number.
 * 2. EMV tags 5A and 57 (EMV book 3, annex A), in BER-TLV bytes or written in hex. Tag 9F24 (PAR) is no account data.
 * 3. Numbers, as {@link findCardNumber} finds them: runs of 13–19 digits, and embossed groups (fours, Amex, Diners)
 *    with up to three other characters between them. Invisible characters do not count. An ungrouped run of 20 or more digits never counts.
 *
 * Not a card number, because what carries it says so: a configured loyalty number; a GTIN with its check digit in an
 * EAN/UPC or ITF-14 symbol; a GS1 key with its check digit under its AI in a GS1 symbol or Digital Link; a UUID.
 *
 * Nor is a GTIN-13 with its check digit when the symbology is not known (a scanner without AIM identifiers, a typed
 * article). Maestro's table holds 13-digit numbers from 50, 56–59 and 6, where Britain, Denmark, Poland, South Africa
 * and China have their GTINs: a tenth of those would be refused at the till. Cards of that length are hardly to be
 * found, and nine in ten of them are still refused, for lack of a GTIN check digit.
 */
export function findPaymentCard(
  input: string | Uint8Array,
  context: PaymentCardContext = {},
): PaymentCardFinding | undefined {
  if (typeof input === 'string' && isTooShort(input)) return undefined;
  const finding = find(input, context);
  if (finding !== undefined || typeof input !== 'string') return finding;
  for (const reading of otherReadings(input)) {
    const found = find(reading, context);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The fewest digits of what is found here, however it is written: those of a stripe's number. */
const DIGITS_MIN = 12;

/**
 * True when a text has too few digits to be looked at more closely, as nearly all that a basket says. Only printable
 * ASCII is judged so, in which a number takes at least a character for a digit, also when it is encoded; and no text
 * with the signs of track 1, which is refused whatever its number.
 */
function isTooShort(text: string): boolean {
  let digits = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code > 0x7e || code === CARET || code === PERCENT_SIGN) return false;
    if (code >= 0x30 && code <= 0x39) digits += 1;
    if (digits >= DIGITS_MIN) return false;
  }
  return true;
}

const CARET = 0x5e;
const PERCENT_SIGN = 0x25;

/** What else a text says to whoever decodes it, or sees no more of it than ink and the digits they know. */
function* otherReadings(text: string): Generator<string> {
  if (PERCENT.test(text)) {
    const decoded = text.replaceAll(PERCENT_CODE, (code) =>
      String.fromCharCode(Number.parseInt(code.slice(1), 16)),
    );
    yield decoded;
  }
  if (PRINTABLE_ASCII.test(text)) return;
  const visible = text.replaceAll(INVISIBLE, '');
  if (visible !== text) yield visible;
  // A digit of another script beside a number makes it no longer for those who cannot read it.
  const known = visible.replaceAll(FOREIGN_DIGIT, ' ');
  if (known !== visible) yield known;
}

const PERCENT = /%[0-9a-f]{2}/i;
const PERCENT_CODE = /%[0-9a-f]{2}/gi;

/** What takes no ink, and would hide a number from whoever does not count it out: soft hyphens, joiners, marks. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;

function find(input: string | Uint8Array, context: PaymentCardContext): PaymentCardFinding | undefined {
  const raw = typeof input === 'string' ? input : latin1(input);
  let text = PRINTABLE_ASCII.test(raw)
    ? raw
    : typeof input === 'string'
      ? asciiDigits(input)
      : asciiOnly(raw);
  // Neither stripe nor chip data is written in digits alone, which is what nearly all that is scanned consists of.
  if (!DIGITS.test(text)) {
    if (holdsEmvPan(raw)) return { reason: 'emv-tlv' };
    const rest = withoutLoyaltyStripes(text, context);
    if (rest === undefined) return { reason: 'track' };
    text = rest;
  }
  if (context.isLoyalty?.(numberOf(text)) === true) return undefined;
  if (isProductNumber(text, context.symbology) || UUID.test(text)) return undefined;
  const elements = elementsOf(text, context.symbology);
  if (elements === undefined) return findInRuns(withoutPar(text));
  return findInRuns(withoutGs1Keys(text, elements)) ?? findInValues(elements);
}

/** Digits of whatever script as ASCII ones, and spaces of whatever width as such: that is how people read them. */
function asciiDigits(text: string): string {
  return text.normalize('NFKC').replaceAll(FOREIGN_DIGIT, digitValue);
}

const FOREIGN_DIGIT = /(?![0-9])\p{Nd}/gu;
const DIGIT = /^\p{Nd}$/u;

/** Each script has its ten digits in a row (Unicode 4.6, decimal digits). */
function digitValue(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let value = 0;
  while (value < 9 && DIGIT.test(String.fromCodePoint(code - value - 1))) value += 1;
  return String(value);
}

/** Of bytes that are no text, what is not ASCII separates: nobody knows what it stands for. */
function asciiOnly(text: string): string {
  return text.replaceAll(/[\u0080-\u00ff]/g, ' ');
}

/** The number in `;number?`, the form of a loyalty card's track 2; any other text as it is. */
function numberOf(text: string): string {
  return TRACK_2_NUMBER.exec(text)?.[1] ?? text;
}

const PRINTABLE_ASCII = /^[ -~]*$/;
const TRACK_2_NUMBER = /^;([0-9]{1,37})\?.?$/s;
/** Track 2, and track 3 with its two-digit format code; `==` stands for a missing expiry date. */
const TRACK_2 = /[;+]([0-9]{12,21})=(?:=|[0-9]{4})[^?]{0,107}/g;
const TRACK_1 = /%[Bb]([^^?]{1,32})\^[^^?]{0,40}\^[^?]{0,79}/g;
/** A stripe reader may be set to leave the sentinels out. */
const BARE_TRACK_2 = /^([0-9]{12,21})=(?:=|[0-9]{4})[^?]{0,107}/g;
const BARE_TRACK_1 = /^[Bb]([0-9 ]{12,24})\^[^?]{0,79}/g;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DIGITS = /^[0-9]+$/;
const EAN_UPC: ReadonlySet<string> = new Set([
  'ean-13',
  'ean-13-addon',
  'ean-8',
  'ean-addon',
  'upc-a',
  'upc-e',
]);

/**
 * The text with a letter in place of each track of the form that bank cards have, or undefined when one of them is a
 * bank card's: any whose number is not of a configured loyalty scheme, and any whose number a brand could have issued,
 * whatever its check digit. Of a card of the programme's own, what follows the number is the programme's own too.
 */
function withoutLoyaltyStripes(
  text: string,
  { symbology, isLoyalty }: PaymentCardContext,
): string | undefined {
  const forms = symbology === 'magstripe' ? [...sentinelForms, ...bareForms] : sentinelForms;
  let rest = text;
  for (const form of forms) {
    let isPayment = false;
    rest = rest.replace(form, (_, digits: string) => {
      const number = digits.replaceAll(' ', '');
      // Track 3 has a format code of two digits before the number.
      const isBrand = [number, number.slice(2)].some((each) => paymentBrand(each) !== undefined);
      if (isBrand || isLoyalty?.(number) !== true) isPayment = true;
      return 'x';
    });
    if (isPayment) return undefined;
  }
  return rest;
}

const sentinelForms: readonly RegExp[] = [TRACK_1, TRACK_2];
const bareForms: readonly RegExp[] = [BARE_TRACK_2, BARE_TRACK_1];

function isProductNumber(text: string, symbology: string | undefined): boolean {
  if (!DIGITS.test(text)) return false;
  if (symbology === 'ean-13-addon')
    return (text.length === 15 || text.length === 18) && hasGs1CheckDigit(text.slice(0, 13));
  if (symbology === 'itf') return (text.length === 13 || text.length === 14) && hasGs1CheckDigit(text);
  const carriesGtin13 =
    symbology === undefined || symbology === 'unknown' || symbology === 'typed' || EAN_UPC.has(symbology);
  return carriesGtin13 && text.length === 13 && hasGs1CheckDigit(text);
}

/** A GS1 element and where it stands: what lies between `from` and `to` makes room for nothing else when it is a key. */
interface PlacedElement {
  readonly ai: string;
  readonly value: string;
  readonly from: number;
  /** Where the value begins. */
  readonly at: number;
}

/** The elements of a GS1 symbol or of a Digital Link; undefined for every other text. */
function elementsOf(text: string, symbology: string | undefined): readonly PlacedElement[] | undefined {
  if (symbology?.startsWith('gs1-') === true && !ADDRESS.test(text)) {
    return gs1Elements(text).map(({ ai, value, from }) => ({ ai, value, from, at: from + ai.length }));
  }
  if (!ADDRESS.test(text)) return undefined;
  return digitalLinkLayout(text)?.elements.map(({ ai, value, from }) => ({ ai, value, from, at: from }));
}

const ADDRESS = /^https?:/i;

/** The text with a letter, across which no number goes on, in place of each GS1 key that its AI and check digit vouch for. */
function withoutGs1Keys(text: string, elements: readonly PlacedElement[]): string {
  let rest = '';
  let from = 0;
  for (const element of elements) {
    const keyDigits = gs1KeyDigits(element.ai);
    // Percent-encoded it does not stand there as it is.
    if (!holdsGs1Key(element) || !text.startsWith(element.value.slice(0, keyDigits), element.at)) continue;
    rest += `${text.slice(from, element.from)}x`;
    from = element.at + keyDigits;
  }
  return rest + text.slice(from);
}

/** Values of GS1 elements on their own: their AI must not make a card number longer than it is. */
function findInValues(elements: readonly PlacedElement[]): PaymentCardFinding | undefined {
  for (const element of elements) {
    const finding = holdsGs1Key(element) ? undefined : findInRuns(element.value);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

/** A PAR written in hex is mostly digits, some of which would pass for a card number. */
function withoutPar(text: string): string {
  return text.replace(HEX_PAR, 'x');
}

/** Tag 9F24, 29 bytes, each an upper-case letter or a digit in hex. */
const HEX_PAR = /9F241D(?:3[0-9]|4[1-9A-F]|5[0-9A]){29}/gi;

function findInRuns(text: string): PaymentCardFinding | undefined {
  const found = findCardNumber(text);
  return found === undefined ? undefined : { reason: 'pan', brand: found.brand, length: found.digits };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** Tags 5A and 57 in bytes, or in hex with or without separators between the bytes, wherever they stand. */
function holdsEmvPan(text: string): boolean {
  return (
    holdsEmvPanIn(Buffer.from(text, 'latin1').toString('hex').toUpperCase(), 2) ||
    holdsEmvPanIn(text.replace(BYTE_SEPARATORS, '').toUpperCase(), 1)
  );
}

const BYTE_SEPARATORS = /[ :-]/g;

/**
 * Tag 5A: 13–19 digits, filled up with F, in at most 10 bytes. Tag 57: up to 19 digits, D, expiry date, in at most 19.
 * The length must agree with the value, for otherwise any hexadecimal article number would do.
 * @param step characters between two places where a tag can begin
 */
function holdsEmvPanIn(hex: string, step: 1 | 2): boolean {
  for (const { 0: tag, index: i } of hex.matchAll(EMV_TAGS)) {
    if (i % step !== 0) continue;
    // BER allows the length in two bytes as well.
    const lengthAt = hex.startsWith('81', i + 2) ? i + 4 : i + 2;
    const bytes = Number.parseInt(hex.slice(lengthAt, lengthAt + 2), 16);
    const value = hex.slice(lengthAt + 2, lengthAt + 2 + bytes * 2);
    if (tag === '5A' && bytes <= 10 && value.length === bytes * 2 && EMV_PAN.test(value)) return true;
    if (tag === '57' && bytes <= 19 && EMV_TRACK_2.test(value)) return true;
  }
  return false;
}

const EMV_TAGS = /5[7A]/g;
const EMV_PAN = /^[0-9]{13,19}F*$/;
const EMV_TRACK_2 = /^[0-9]{12,19}D[0-9]{4}/;
