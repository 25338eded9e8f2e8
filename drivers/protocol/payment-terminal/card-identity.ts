/**
 * Which token of a bank card it is. Tokens of different kinds are never equal, and a kind is never renamed: it stands
 * in what the blind index is made from. `1f8007`, `1f8008` and `1f14` are tags of ZVT, `opi-…` names of O.P.I.
 */
export type TokenKind = '1f8007' | '1f8008' | '1f14' | `opi-${string}`;

/** Who a card or a phone is, as a payment terminal told it: nothing one could pay with. */
export type CardIdentity =
  /** EMV Payment Account Reference: 29 characters of 0–9 and A–Z (EMV tag 9F24). */
  | { readonly kind: 'par'; readonly par: Uint8Array }
  | { readonly kind: 'token'; readonly tokenKind: TokenKind; readonly token: Uint8Array };

/** What a card number was found in that nobody had masked. Names, never digits. */
export type CardNumberSource = 'pan' | 'track' | 'emv' | 'token' | 'text';

/** What a terminal’s message says of who is there. The card number, masked or not, is in none of it. */
export interface TerminalReading {
  /** `successful`: the terminal says so, or says nothing to the contrary. */
  readonly outcome: 'successful' | 'failed';
  readonly identity: CardIdentity | undefined;
  /** Loyalty number out of a wallet pass, byte for byte. */
  readonly walletId: Uint8Array | undefined;
  /** ZVT card type, such as 5 for girocard. */
  readonly cardType: number | undefined;
  /** Each place an unmasked card number was found and overwritten: an incident (PCI DSS 12.10.7). */
  readonly cardNumbers: readonly CardNumberSource[];
  /** True when part of the message could not be read; it was overwritten unread. */
  readonly malformed: boolean;
}

/** `^[0-9A-Z]{29}$` */
export function isPar(bytes: Uint8Array): boolean {
  return bytes.length === 29 && bytes.every((byte) => isDigit(byte) || (byte >= 0x41 && byte <= 0x5a));
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Fewest digits of a payment card number that are looked for; Maestro has had 12. */
const CARD_DIGITS_MIN = 12;
const CARD_DIGITS_MAX = 19;

/**
 * Whether a token is a card number in disguise: ASCII digits, or packed digits with F as padding, of a card number’s
 * length, first digit and check digit. Looked at and compared with nothing; no digest is made.
 */
export function looksLikeCardNumber(token: Uint8Array): boolean {
  return isCardNumber(asciiDigits(token)) || isCardNumber(packedDigits(token));
}

function asciiDigits(bytes: Uint8Array): number[] | undefined {
  const digits: number[] = [];
  for (const byte of bytes) {
    if (byte === 0x20 || byte === 0x2d || byte === 0x00) continue;
    if (!isDigit(byte)) return undefined;
    digits.push(byte - 0x30);
  }
  return digits;
}

function packedDigits(bytes: Uint8Array): number[] | undefined {
  const digits: number[] = [];
  let padded = false;
  for (const byte of bytes) {
    for (const nibble of [byte >> 4, byte & 0x0f]) {
      if (nibble === 0x0f) padded = true;
      else if (nibble > 9 || padded) return undefined;
      else digits.push(nibble);
    }
  }
  return digits;
}

function isCardNumber(digits: number[] | undefined): boolean {
  if (digits === undefined) return false;
  const first = digits.findIndex((digit) => digit !== 0);
  const number = first > 0 ? digits.slice(first) : digits;
  const is =
    number.length >= CARD_DIGITS_MIN &&
    number.length <= CARD_DIGITS_MAX &&
    (number[0] ?? 0) >= 2 &&
    (number[0] ?? 0) <= 6 &&
    luhnHolds(number);
  digits.fill(0);
  number.fill(0);
  return is;
}

/** On numbers instead of text: text cannot be overwritten. */
export function luhnHolds(digits: readonly number[]): boolean {
  let sum = 0;
  for (const [at, digit] of digits.toReversed().entries()) {
    const doubled = at % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
