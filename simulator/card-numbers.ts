import { gs1CheckDigit, luhnCheckDigit } from '../foundation/check-digit.ts';
import { ProgrammerError } from '../foundation/errors.ts';
import type { IdentifierKind } from '../sync/contract/credential.ts';

/** What is printed on a card: enough to show it to a scanner the way the real card would read. */
export interface CardNumber {
  readonly kind: IdentifierKind;
  readonly scheme: CardSchemeName;
  readonly number: string;
  /** What a scanner sends before the number: AIM identifier, and for GS1 the application identifier. */
  readonly scannerPrefix: string;
}

export const cardSchemeNames = ['house', 'gsrn', 'partner'] as const;
/** The card schemes of the demo programme. */
export type CardSchemeName = (typeof cardSchemeNames)[number];

/** EAN-13 with a prefix that GS1 reserves for a company's own use (GS1 General Specifications, 1.4.2). */
export const HOUSE_PREFIX = '29';
/** A GS1 company prefix in the Swiss range; the number is a GSRN – recipient, application identifier 8018. */
export const GSRN_PREFIX = '7612345';
/** Issuer number of PAYBACK cards; the demo's partner cards have the same form. */
export const PARTNER_PREFIX = '308342';

const forms = {
  house: { kind: 'card', prefix: HOUSE_PREFIX, serialDigits: 10, check: gs1CheckDigit, scannerPrefix: ']E0' },
  gsrn: {
    kind: 'gsrn',
    prefix: GSRN_PREFIX,
    serialDigits: 10,
    check: gs1CheckDigit,
    scannerPrefix: ']C18018',
  },
  partner: {
    kind: 'card',
    prefix: PARTNER_PREFIX,
    serialDigits: 9,
    check: luhnCheckDigit,
    scannerPrefix: ']C0',
  },
} as const satisfies Record<CardSchemeName, unknown>;

/** Coprime to every power of ten, so multiplying by it shuffles the serial numbers without two falling together. */
const SERIAL_STEP = 7_368_787;
/** Beyond this the product with {@link SERIAL_STEP} would no longer be exact. */
const ORDINAL_MAX = 1_000_000_000;

/**
 * The card with an ordinal: different ordinals give different numbers, and neighbours look nothing alike.
 * @throws ProgrammerError when the ordinal is outside [0, 10⁹)
 */
export function cardNumber(scheme: CardSchemeName, ordinal: number): CardNumber {
  if (!Number.isInteger(ordinal) || ordinal < 0 || ordinal >= ORDINAL_MAX) {
    throw new ProgrammerError(`a card's ordinal is a whole number below ${ORDINAL_MAX}, got ${ordinal}`);
  }
  const form = forms[scheme];
  const serial = (ordinal * SERIAL_STEP + 1_234_567) % 10 ** form.serialDigits;
  const digits = form.prefix + String(serial).padStart(form.serialDigits, '0');
  return {
    kind: form.kind,
    scheme,
    number: digits + form.check(digits),
    scannerPrefix: form.scannerPrefix,
  };
}

/**
 * The AIM identifier a scanner would send for a number somebody typed in: EAN for what has the length of one, GS1-128
 * for the demo's GSRN, Code 128 for anything else.
 */
export function likelyScannerPrefix(text: string): string {
  if (/^\d{12,13}$/.test(text)) return forms.house.scannerPrefix;
  if (/^\d{8}$/.test(text)) return ']E4';
  if (/^\d{18}$/.test(text) && text.startsWith(GSRN_PREFIX)) return forms.gsrn.scannerPrefix;
  return ']C0';
}
