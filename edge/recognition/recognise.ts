import type { LayoutName } from '../../drivers/keyboard/layout.ts';
import { readTracks } from '../../drivers/protocol/magstripe/tracks.ts';
import type { TracksReading } from '../../drivers/protocol/magstripe/tracks.ts';
import { readAppCodeForm } from '../../sync/contract/app-code/forms.ts';
import { hasGs1CheckDigit } from '../../foundation/check-digit.ts';
import { Credential } from '../../sync/contract/credential.ts';
import type { CompiledSchemes } from '../../sync/contract/card-scheme.ts';
import { matchCardScheme } from '../../sync/contract/card-scheme.ts';
import { findPaymentCard } from '../../sync/contract/payment-card.ts';
import type { PaymentCardFinding } from '../../sync/contract/payment-card.ts';
import type { DigitalLink } from '../../sync/contract/gs1/digital-link.ts';
import { digitalLinkLayout } from '../../sync/contract/gs1/digital-link.ts';
import { bankCardOf, isBankCardAlias } from './bank-card-alias.ts';
import { tellsEci, textOf, withoutEci } from './payload-text.ts';
import { printedNumbers } from './printed-number.ts';
import type { PrintedNumber } from './printed-number.ts';
import { isCouponCode } from './coupon.ts';
import { fittingLayout, UNTYPED } from './scanner-layout.ts';
import { judgeStripe } from './stripe.ts';
import type { SchemeMatch } from './stripe.ts';

/** Longer payloads are no number anybody holds out to a till, and are not looked into. */
const PAYLOAD_BYTES_MAX = 512;

/** What was scanned or typed. */
export interface Presented {
  /** Data alone, without framing and AIM identifier. Overwritten with zeros when it is not handed on. */
  readonly payload: Uint8Array;
  /** Stable name of the symbology, `unknown` when the reader does not tell; not looked at when typed. */
  readonly symbology: string;
  readonly source: 'reader' | 'typed';
  /** AIM identifier, where the reader sent one. */
  readonly aim?: string | undefined;
  /** The keyboard layout its keystrokes were read with, where it was typed by a scanner. */
  readonly layout?: LayoutName | undefined;
}

export interface RecognitionRules {
  readonly schemes: CompiledSchemes;
}

/** What a scan turned out to be. */
export type Recognised =
  | { readonly kind: 'credential'; readonly credential: Credential }
  /** Whatever fits no card scheme; `code` is exactly what was read. `what` is there when its number says so. */
  | { readonly kind: 'product'; readonly code: string; readonly what?: 'coupon' }
  /** Payment-card data. Nothing is kept of it, no digit and no digest. */
  | ({ readonly kind: 'refused'; readonly code: 'PAN_REJECTED' } & PaymentCardFinding)
  | {
      readonly kind: 'unreadable';
      readonly code:
        | 'REC_NOT_TEXT'
        | 'REC_TOO_LONG'
        | 'REC_CHECK_DIGIT'
        | 'REC_ALIAS'
        | 'MSR_UNREADABLE'
        | 'MSR_ENCRYPTED';
    }
  /** A customer's code, typed with another keyboard layout than it was read with; `fits` are those it may be. */
  | {
      readonly kind: 'unreadable';
      readonly code: 'SCANNER_LAYOUT';
      readonly fits: readonly LayoutName[];
    };

/**
 * Says what was presented. Never throws, takes no time worth mentioning whatever it is given, and asks in this order:
 *
 *   too long? ─▶ alias of a bank card, from a payment terminal? ─▶ payment-card data, in bytes or text? ─▶ text at all?
 *     ─▶ tracks of a stripe? ─▶ number of a card scheme? ─▶ that of one but for its check digit? ─▶ product
 *     ─▶ unless another keyboard layout makes it one of the above
 *
 * A payment card is looked for before anything else is made of the payload; the schemes are asked first only to let a
 * configured loyalty number pass.
 */
export function recognise(presented: Presented, { schemes }: RecognitionRules): Recognised {
  const recognised = judge(presented, schemes);
  if (recognised.kind === 'refused' || recognised.kind === 'unreadable') presented.payload.fill(0);
  return recognised;
}

function judge(presented: Presented, schemes: CompiledSchemes): Recognised {
  const { payload, symbology, source } = presented;
  if (payload.length > PAYLOAD_BYTES_MAX) return { kind: 'unreadable', code: 'REC_TOO_LONG' };
  if (source === 'reader' && isBankCardAlias(symbology)) {
    const credential = bankCardOf(payload, symbology);
    if (credential !== undefined) return { kind: 'credential', credential };
    return findPaymentCardIn(payload, symbology) ?? { kind: 'unreadable', code: 'REC_ALIAS' };
  }
  const text = textOf(payload, symbology);
  if (text === undefined) {
    return findPaymentCardIn(payload, symbology) ?? { kind: 'unreadable', code: 'REC_NOT_TEXT' };
  }
  const recognised = judgeText(text, presented, schemes);
  if (recognised.kind !== 'product' && !isCheckDigit(recognised)) return recognised;
  const wasGarbled = garbled(text, presented, schemes);
  if (wasGarbled !== undefined) return wasGarbled;
  // A key the layout has nothing on: part of the code is missing, and nobody can do anything with the rest.
  return presented.layout !== undefined && text.includes(UNTYPED)
    ? { kind: 'unreadable', code: 'REC_NOT_TEXT' }
    : recognised;
}

/** In bytes that are no text, or are not taken for one. */
function findPaymentCardIn(payload: Uint8Array, symbology: string): Recognised | undefined {
  const finding = findPaymentCard(payload, { symbology });
  return finding === undefined ? undefined : { kind: 'refused', code: 'PAN_REJECTED', ...finding };
}

/** Where a text comes from. */
type Origin = Pick<Presented, 'symbology' | 'source' | 'aim'>;

function judgeText(text: string, origin: Origin, schemes: CompiledSchemes): Recognised {
  const link = digitalLinkLayout(text);
  const stripe = stripeOf(text, origin);
  if (stripe.kind === 'tracks') {
    const verdict = judgeStripe(stripe.tracks, schemes);
    switch (verdict.kind) {
      case 'payment-card':
        return { kind: 'refused', code: 'PAN_REJECTED', ...verdict.finding };
      case 'card':
        return known(verdict.match, origin);
      case 'check-digit':
        return { kind: 'unreadable', code: 'REC_CHECK_DIGIT' };
      case 'none':
        break;
    }
  }
  const numbers = numbersIn(text, origin, link);
  const matched = match(numbers, schemes);
  const finding = findInReadings(text, origin, numbers, matched);
  if (finding !== undefined) return { kind: 'refused', code: 'PAN_REJECTED', ...finding };
  if (stripe.kind === 'unreadable' || stripe.kind === 'encrypted') {
    return { kind: 'unreadable', code: stripe.code };
  }
  // Half a stripe that fits no scheme may be a card whose other half does.
  if (stripe.kind === 'tracks' && stripe.unreadable.length > 0) {
    return { kind: 'unreadable', code: 'MSR_UNREADABLE' };
  }
  if (matched === undefined) return productOf(text, origin, link);
  if (matched === 'check-digit') return { kind: 'unreadable', code: 'REC_CHECK_DIGIT' };
  return known(matched.match, origin);
}

/**
 * Payment-card data in the text as it stands, without the escapes a scanner put into it, and in whatever else of its
 * symbol can be a number: what a scheme would be matched against is searched as well.
 */
function findInReadings(
  text: string,
  origin: Origin,
  numbers: readonly PrintedNumber[],
  matched: ReturnType<typeof match>,
): PaymentCardFinding | undefined {
  const symbology = origin.source === 'typed' ? 'typed' : origin.symbology;
  // A range can vouch for a number of digits alone: letters before it would hide any other.
  const isLoyalty = (): boolean =>
    typeof matched === 'object' && matched.isWhole && DIGITS.test(matched.match.canonical);
  const finding = findPaymentCard(text, { symbology, isLoyalty });
  if (finding !== undefined || isLoyalty()) return finding;
  const data = tellsEci(origin.aim) ? text.replaceAll(ECI_ESCAPE, '') : text;
  if (data !== text) {
    const found = findPaymentCard(data, { symbology });
    if (found !== undefined) return found;
  }
  if (hasGs1CheckDigit(text)) return undefined; // an article, whatever is left of it without its zero
  for (const { value, isWhole } of numbers) {
    if (value === text || !isWhole || value.length < DERIVED_LENGTH_MIN) continue;
    const found = findPaymentCard(value, { symbology });
    if (found !== undefined) return found;
  }
  return undefined;
}

const DIGITS = /^[0-9]+$/;
const ECI_ESCAPE = /\\[0-9]{6}/g;
/** Shorter numbers are those of articles, in another of their forms. */
const DERIVED_LENGTH_MIN = 14;

function productOf(text: string, { symbology }: Origin, link: DigitalLink | undefined): Recognised {
  const isOne = isCouponCode(text, symbology, link);
  return isOne ? { kind: 'product', code: text, what: 'coupon' } : { kind: 'product', code: text };
}

function known({ scheme, canonical }: SchemeMatch, { source }: Origin): Recognised {
  const trust = source === 'typed' ? 'L0' : 'L1';
  return { kind: 'credential', credential: new Credential(scheme.kind, scheme.name, trust, canonical) };
}

function isCheckDigit(recognised: Recognised): boolean {
  return recognised.kind === 'unreadable' && recognised.code === 'REC_CHECK_DIGIT';
}

const NO_STRIPE: TracksReading = { kind: 'none' };

/** Sentinels show a stripe to whom the reader does not tell. */
function stripeOf(text: string, { symbology, source }: Origin): TracksReading {
  const mayBe = source === 'reader' && (symbology === 'magstripe' || symbology === 'unknown');
  return mayBe ? readTracks(text) : NO_STRIPE;
}

/** The ways the text can be a number, likeliest first. */
function numbersIn(
  text: string,
  { symbology, source, aim }: Origin,
  link: DigitalLink | undefined,
): readonly PrintedNumber[] {
  if (source === 'typed') {
    const value = text.replaceAll(TYPED_SEPARATORS, '');
    return [{ value, from: 'typed', isWhole: true, kinds: ['card', 'gsrn', 'app'] }];
  }
  const data = tellsEci(aim) ? withoutEci(text) : text;
  return data === undefined ? [] : printedNumbers(data, symbology, link, aim);
}

/** As people write numbers in groups. */
const TYPED_SEPARATORS = /[ -]/g;

/**
 * The first of the numbers a scheme knows. A wrong check digit counts only of the text as it stands: of another way to
 * read it, it says that this was not the way.
 */
function match(
  numbers: readonly PrintedNumber[],
  schemes: CompiledSchemes,
): { readonly match: SchemeMatch; readonly isWhole: boolean } | 'check-digit' | undefined {
  let almost = false;
  for (const [i, { value, from, kinds, isWhole }] of numbers.entries()) {
    const found = matchCardScheme(schemes, value, from, kinds);
    if (typeof found === 'object') return { match: found, isWhole };
    almost ||= i === 0 && found === 'check-digit';
  }
  return almost ? 'check-digit' : undefined;
}

/** What is neither article nor card because a keyboard layout was in the way, or undefined when none was. */
function garbled(
  text: string,
  { symbology, source, layout }: Presented,
  schemes: CompiledSchemes,
): Recognised | undefined {
  // Only what came over a keyboard can have been garbled by one.
  if (layout === undefined && source === 'reader') return undefined;
  let paymentCard: Recognised | undefined;
  const fitting = fittingLayout(text, layout, (meant, told) => {
    if (readAppCodeForm(meant)?.kind === 'code') return true;
    const recognised = judgeText(meant, { symbology: told ?? symbology, source }, schemes);
    if (recognised.kind === 'refused') paymentCard = recognised;
    return recognised.kind === 'credential' || recognised.kind === 'refused';
  });
  if (fitting === undefined) return undefined;
  return (
    paymentCard ?? { kind: 'unreadable', code: 'SCANNER_LAYOUT', fits: [fitting.fits, ...fitting.alsoFits] }
  );
}
