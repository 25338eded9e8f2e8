import { APP_CODE_BYTES, readAppCode } from './app-code.ts';
import type { AppCode, AppCodeFault } from './app-code.ts';
import { decodeBase45, encodeBase45 } from './base45.ts';

/** How a code is written: three spellings of the same 82 bytes. */
export const appCodeForms = ['digits', 'base45', 'url'] as const;
export type AppCodeForm = (typeof appCodeForms)[number];

/** What a code in digits begins with. */
const DIGITS_PREFIX = '7826';
/** What a code in base45 begins with; the first character a wrong keyboard layout changes is its colon. */
const BASE45_PREFIX = 'SK1:';

/** 82 bytes are a number below 256⁸², which has 198 digits at most; leading zeros are written. */
const BODY_DIGITS = 198;
const END = 1n << BigInt(8 * APP_CODE_BYTES);
/** 41 pairs of bytes, three characters each. */
const BODY_BASE45 = 123;

export type ReadForm =
  | { readonly kind: 'code'; readonly form: AppCodeForm; readonly code: AppCode }
  /** It is meant to be a code and is none: APP_CODE_MALFORMED, APP_CODE_VERSION, or keys typed in another layout. */
  | { readonly kind: 'refused'; readonly code: AppCodeFault | 'SCANNER_LAYOUT' };

/**
 * The spelling of a code.
 * @param url what its address begins with, up to and including a last `/` or `#`. For a QR symbol of version 6-M it has
 *   29 characters at most, in capitals, and ends with `/`; with small letters or `#` it has 20
 */
export function writeAppCode(bytes: Uint8Array, form: AppCodeForm, url: string): string {
  switch (form) {
    case 'digits':
      return toDigits(bytes);
    case 'base45':
      return BASE45_PREFIX + encodeBase45(bytes);
    case 'url':
      return url + toDigits(bytes);
  }
}

/**
 * The app code in a text, or undefined when the text is none and looks like none: a number, a product, an address of
 * something else. Takes no time worth mentioning whatever it is given.
 */
export function readAppCodeForm(text: string): ReadForm | undefined {
  if (text.startsWith(DIGITS_PREFIX) && text.length >= LOOKS_LIKE_DIGITS_FROM && DIGITS.test(text)) {
    return read('digits', fromDigits(text));
  }
  if (text.startsWith(BASE45_PREFIX)) {
    // Foreign characters in about the right number of them: keys, not bytes, were sent.
    if (!BASE45.test(text) && isMangled(text)) return { kind: 'refused', code: 'SCANNER_LAYOUT' };
    const isWhole = text.length === BASE45_PREFIX.length + BODY_BASE45;
    return read('base45', isWhole ? decodeBase45(text.slice(BASE45_PREFIX.length)) : undefined);
  }
  if (MANGLED_PREFIX.test(text) && isMangled(text)) return { kind: 'refused', code: 'SCANNER_LAYOUT' };
  const address = ADDRESS.exec(text)?.[1];
  if (address !== undefined) return read('url', fromDigits(address));
  return undefined;
}

function read(form: AppCodeForm, bytes: Uint8Array | undefined): ReadForm {
  if (bytes === undefined) return { kind: 'refused', code: 'APP_CODE_MALFORMED' };
  const result = readAppCode(bytes);
  return result.ok ? { kind: 'code', form, code: result.code } : { kind: 'refused', code: result.fault };
}

/** No GTIN, card or payment-card number is as long. */
const LOOKS_LIKE_DIGITS_FROM = 40;
const DIGITS = /^[0-9]+$/;
const BASE45 = /^[0-9A-Z $%*+./:-]+$/;
/** After `#` or as the last part of the path; whose address it is does not matter, for the signature proves the code. */
const ADDRESS = /^https:\/\/[^\s#?]{1,200}[#/](7826[0-9]{36,300})$/i;
/** `SK1:` in capitals or not, its colon or even its `1` made into something else by a keyboard layout. */
const MANGLED_PREFIX = /^sk[1&!]\P{ASCII}|^sk[1&!][:;.><M]/iu;

function isMangled(text: string): boolean {
  return Math.abs(text.length - BASE45_PREFIX.length - BODY_BASE45) <= MANGLED_LENGTH_OFF;
}

/** Dead keys swallow and combine characters. */
const MANGLED_LENGTH_OFF = 12;

function toDigits(bytes: Uint8Array): string {
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  return DIGITS_PREFIX + value.toString().padStart(BODY_DIGITS, '0');
}

/** One number has one spelling: exactly 198 digits, and below 256⁸². */
function fromDigits(text: string): Uint8Array | undefined {
  if (text.length !== DIGITS_PREFIX.length + BODY_DIGITS) return undefined;
  const value = BigInt(text.slice(DIGITS_PREFIX.length));
  if (value >= END) return undefined;
  return Buffer.from(value.toString(16).padStart(2 * APP_CODE_BYTES, '0'), 'hex');
}
