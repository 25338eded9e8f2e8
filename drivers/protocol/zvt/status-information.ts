import type {
  CardIdentity,
  CardNumberSource,
  TerminalReading,
  TokenKind,
} from '../payment-terminal/card-identity.ts';
import { isPar, looksLikeCardNumber } from '../payment-terminal/card-identity.ts';
import { readBmpFields, TLV_CONTAINER } from './bmp.ts';
import { readTlvObjects } from './tlv.ts';

/** Kinds of tokens ZVT knows, best first. */
export const zvtTokenKinds = ['1f8007', '1f8008', '1f14'] as const satisfies readonly TokenKind[];
export type ZvtTokenKind = (typeof zvtTokenKinds)[number];

/**
 * Reads Status Information (04 0F): who is there, and never what one pays with. All of `data` is zeros afterwards: each
 * field that holds a card number is overwritten as it is met, before anything else is looked at, and the rest at the end.
 *
 * ```
 *   fields ─ 22, 23, 24, 2D, 2E, A7, AF …: overwritten; unmasked → incident
 *          ─ 27 result, 8A card type
 *          └ 06 ─ 1F08, 1F09, 1F0A, 1F1A, 57, 5A …: overwritten; unmasked → incident
 *                 4E PAR · 1F8007 · 1F8008 · 1F14 · 41 card type · E8 / FF02 ─ 1F68 loyalty id
 * ```
 *
 * The best identity there is: PAR, then the first of `accepts` in the order of {@link zvtTokenKinds}. Never throws.
 */
export function readStatusInformation(data: Uint8Array, accepts: readonly ZvtTokenKind[]): TerminalReading {
  const reader = new StatusReader(accepts);
  try {
    reader.readFields(data);
    return reader.reading();
  } finally {
    data.fill(0);
  }
}

/** Deeper is no receipt and no pass: E8 in 06, FF02 in E8, and room for two more. */
const DEPTH_MAX = 5;
/** Loyalty numbers are short; whatever is longer is something else. */
const WALLET_ID_BYTES_MAX = 64;
const TOKEN_BYTES_MIN = 4;
const TOKEN_BYTES_MAX = 128;

class StatusReader {
  readonly #accepts: ReadonlySet<ZvtTokenKind>;
  readonly #tokens = new Map<ZvtTokenKind, Uint8Array>();
  readonly #cardNumbers: CardNumberSource[] = [];
  #par: Uint8Array | undefined;
  #walletId: Uint8Array | undefined;
  #cardType: number | undefined;
  #failed = false;
  #malformed = false;

  constructor(accepts: readonly ZvtTokenKind[]) {
    this.#accepts = new Set(accepts);
  }

  readFields(data: Uint8Array): void {
    const { fields, complete } = readBmpFields(data);
    if (!complete) this.#malformed = true;
    for (const { bmp, value } of fields) this.#forget(sensitiveFields.get(bmp), value);
    for (const { bmp, value } of fields) {
      if (bmp === RESULT_CODE && value[0] !== 0) this.#failed = true;
      else if (bmp === CARD_TYPE) this.#cardType ??= value[0];
      else if (bmp === TLV_CONTAINER) this.#readContainer(value, 0, false);
    }
  }

  reading(): TerminalReading {
    return {
      outcome: this.#failed ? 'failed' : 'successful',
      identity: this.#identity(),
      walletId: this.#walletId,
      cardType: this.#cardType,
      cardNumbers: this.#cardNumbers,
      malformed: this.#malformed,
    };
  }

  #identity(): CardIdentity | undefined {
    if (this.#par !== undefined) return { kind: 'par', par: this.#par };
    for (const tokenKind of zvtTokenKinds) {
      const token = this.#tokens.get(tokenKind);
      if (token !== undefined) return { kind: 'token', tokenKind, token };
    }
    return undefined;
  }

  #readContainer(bytes: Uint8Array, depth: number, inPass: boolean): void {
    const { objects, complete } = readTlvObjects(bytes);
    if (!complete) this.#malformed = true;
    for (const { tag, value } of objects) this.#forget(sensitiveTags.get(tag), value);
    for (const { tag, value, constructed } of objects) {
      if (sensitiveTags.has(tag)) continue;
      if (!constructed) this.#readObject(tag, value, inPass);
      else if (depth < DEPTH_MAX) this.#readContainer(value, depth + 1, inPass || passContainers.has(tag));
      else this.#malformed = true;
    }
  }

  #readObject(tag: number, value: Uint8Array, inPass: boolean): void {
    switch (tag) {
      case TAG_PAR:
      case TAG_EMV_PAR:
        if (isPar(value)) this.#par ??= value.slice();
        else this.#malformed = true;
        break;
      case TAG_CARD_TYPE:
        // Card types from 256 do not fit into BMP 8A.
        if (value.length <= 2) this.#cardType = value.reduce((type, byte) => (type << 8) | byte, 0);
        break;
      case TAG_LOYALTY_ID:
        if (inPass && isPrintable(value)) this.#walletId ??= value.slice();
        break;
      default: {
        const tokenKind = tokenTags.get(tag);
        if (tokenKind !== undefined) this.#readToken(tokenKind, value);
      }
    }
  }

  #readToken(tokenKind: ZvtTokenKind, value: Uint8Array): void {
    if (looksLikeCardNumber(value)) {
      this.#cardNumbers.push('token');
      value.fill(0);
    } else if (
      this.#accepts.has(tokenKind) &&
      !this.#tokens.has(tokenKind) &&
      value.length >= TOKEN_BYTES_MIN &&
      value.length <= TOKEN_BYTES_MAX &&
      value.some((byte) => byte !== 0)
    ) {
      this.#tokens.set(tokenKind, value.slice());
    }
  }

  #forget(source: CardNumberSource | undefined, value: Uint8Array): void {
    if (source === undefined) return;
    if (holdsDigitRun(value)) this.#cardNumbers.push(source);
    value.fill(0);
  }
}

const RESULT_CODE = 0x27;
const CARD_TYPE = 0x8a;

/** `an 29` by EMVCo (Payment Account Reference): 29 bytes, one ASCII character each, never packed and never hex. */
const TAG_PAR = 0x4e;
/** The same as the card itself calls it. */
const TAG_EMV_PAR = 0x9f24;
const TAG_CARD_TYPE = 0x41;
/** Loyalty identifier, in the container of value added services. */
const TAG_LOYALTY_ID = 0x1f68;
/** E8: value added services; FF02: loyalty data. */
const passContainers: ReadonlySet<number> = new Set([0xe8, 0xff02]);

const tokenTags: ReadonlyMap<number, ZvtTokenKind> = new Map([
  [0x1f8007, '1f8007'],
  [0x1f8008, '1f8008'],
  [0x1f14, '1f14'],
]);

const sensitiveFields: ReadonlyMap<number, CardNumberSource> = new Map([
  [0x22, 'pan'],
  [0x23, 'track'],
  [0x24, 'track'],
  [0x2d, 'track'],
  [0x2e, 'track'],
  [0x3a, 'pan'], // CVV, CVC
  [0x0e, 'pan'], // expiry date
  [0x9a, 'track'],
  [0xa7, 'track'],
  [0xaf, 'track'],
]);

const sensitiveTags: ReadonlyMap<number, CardNumberSource> = new Map([
  [0x1f08, 'track'],
  [0x1f09, 'track'],
  [0x1f0a, 'track'],
  [0x1f1a, 'pan'],
  [0x1f5e, 'pan'], // IBAN
  [0x4d, 'track'], // EF_ID of a GeldKarte
  [0x56, 'emv'], // track 1
  [0x57, 'emv'], // track 2 equivalent data
  [0x5a, 'emv'], // application PAN
  [0x9f1f, 'emv'],
  [0x9f20, 'emv'],
  [0x9f6b, 'emv'],
  [0x5f20, 'emv'], // cardholder name
  [0x5f24, 'emv'], // expiry date
]);

/** A masked number has no run this long: at most its first eight digits stay. */
const DIGIT_RUN_MIN = 12;

/** Packed (BCD) or ASCII digits in a row, as many as a card number has. E masks a packed digit, `*` an ASCII one. */
function holdsDigitRun(bytes: Uint8Array): boolean {
  const masked = hasMask(bytes);
  let packed = 0;
  let ascii = 0;
  for (const byte of bytes) {
    packed = byte >> 4 <= 9 ? packed + 1 : 0;
    if (packed >= DIGIT_RUN_MIN && !masked) return true;
    packed = (byte & 0x0f) <= 9 ? packed + 1 : 0;
    if (packed >= DIGIT_RUN_MIN && !masked) return true;
    ascii = byte >= 0x30 && byte <= 0x39 ? ascii + 1 : 0;
    if (ascii >= DIGIT_RUN_MIN) return true;
  }
  return false;
}

/** Four X or # in a row: masked text, whose characters would be packed digits as well. */
function hasMask(bytes: Uint8Array): boolean {
  return bytes.some(
    (byte, at) => (byte === 0x58 || byte === 0x23) && [1, 2, 3].every((ahead) => bytes[at + ahead] === byte),
  );
}

/** ASCII without controls. */
function isPrintable(value: Uint8Array): boolean {
  return (
    value.length > 0 &&
    value.length <= WALLET_ID_BYTES_MAX &&
    value.every((byte) => byte >= 0x20 && byte < 0x7f)
  );
}
