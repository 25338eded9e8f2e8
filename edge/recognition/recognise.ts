import { Credential } from '../../sync/contract/credential.ts';
import type { CompiledSchemes } from '../../sync/contract/card-scheme.ts';
import { matchCardScheme } from '../../sync/contract/card-scheme.ts';
import { GS, gs1Elements } from '../../sync/contract/gs1-elements.ts';
import { findPaymentCard, numberOf } from '../../sync/contract/payment-card.ts';
import type { PaymentCardFinding } from '../../sync/contract/payment-card.ts';

/** Longer payloads are no number anybody holds out to a till, and are not looked into. */
const PAYLOAD_BYTES_MAX = 512;

/** What was scanned or typed. */
export interface Presented {
  /** Data alone, without framing and AIM identifier. Overwritten with zeros when it is not handed on. */
  readonly payload: Uint8Array;
  /** Stable name of the symbology, `unknown` when the reader does not tell; not looked at when typed. */
  readonly symbology: string;
  readonly source: 'reader' | 'typed';
}

export interface RecognitionRules {
  readonly schemes: CompiledSchemes;
}

/** What a scan turned out to be. */
export type Recognised =
  | { readonly kind: 'credential'; readonly credential: Credential }
  /** Whatever fits no card scheme; `code` is exactly what was read. */
  | { readonly kind: 'product'; readonly code: string }
  /** Payment-card data. Nothing is kept of it, no digit and no digest. */
  | ({ readonly kind: 'refused'; readonly code: 'PAN_REJECTED' } & PaymentCardFinding)
  | { readonly kind: 'unreadable'; readonly code: 'REC_NOT_TEXT' | 'REC_TOO_LONG' | 'REC_CHECK_DIGIT' };

/**
 * Says what was presented. Never throws, takes no time worth mentioning whatever it is given, and asks in this order:
 *
 *   too long? ─▶ payment-card data, in bytes or text? ─▶ text at all? ─▶ number of a card scheme?
 *     ─▶ that of one but for its check digit? ─▶ product
 *
 * A payment card is looked for before anything else is made of the payload; the schemes are asked first only to let a
 * configured loyalty number pass.
 */
export function recognise(presented: Presented, { schemes }: RecognitionRules): Recognised {
  const recognised = judge(presented, schemes);
  if (recognised.kind === 'refused' || recognised.kind === 'unreadable') presented.payload.fill(0);
  return recognised;
}

function judge({ payload, symbology, source }: Presented, schemes: CompiledSchemes): Recognised {
  if (payload.length > PAYLOAD_BYTES_MAX) return { kind: 'unreadable', code: 'REC_TOO_LONG' };
  const text = textOf(payload, mayHoldGs(symbology));
  const number = text === undefined ? undefined : presentedNumber(text, symbology, source);
  const match = number === undefined ? undefined : matchNumber(number, schemes);
  const finding = findPaymentCard(text ?? payload, {
    symbology: source === 'typed' ? 'typed' : symbology,
    isLoyalty: () => number?.isWhole === true && typeof match === 'object',
  });
  if (finding !== undefined) return { kind: 'refused', code: 'PAN_REJECTED', ...finding };
  if (text === undefined) return { kind: 'unreadable', code: 'REC_NOT_TEXT' };
  if (match === undefined) return { kind: 'product', code: text };
  if (match === 'check-digit') return { kind: 'unreadable', code: 'REC_CHECK_DIGIT' };
  const { scheme, canonical } = match;
  const trust = source === 'typed' ? 'L0' : 'L1';
  return { kind: 'credential', credential: new Credential(scheme.kind, scheme.name, trust, canonical) };
}

/** A number as the card schemes know it. */
interface PresentedNumber {
  readonly value: string;
  /** Symbology, `magstripe` or `typed`. */
  readonly from: string;
  /** True when the number is all there is to the text. */
  readonly isWhole: boolean;
  /** Under the application identifier of a GSRN it is one, and elsewhere in a GS1 symbol it is none. */
  readonly kinds: readonly ('card' | 'gsrn' | 'app')[];
}

function presentedNumber(text: string, symbology: string, source: Presented['source']): PresentedNumber {
  const kinds = ['card', 'gsrn', 'app'] as const;
  if (source === 'typed') {
    return { value: text.replaceAll(TYPED_SEPARATORS, ''), from: 'typed', isWhole: true, kinds };
  }
  const number = numberOf(text);
  // Sentinels show a stripe to whom the reader does not tell.
  if (number !== text && (symbology === 'magstripe' || symbology === 'unknown')) {
    return { value: number, from: 'magstripe', isWhole: true, kinds };
  }
  if (symbology.startsWith('gs1-') || (symbology === 'unknown' && BARE_GSRN_ELEMENT.test(text))) {
    const gsrn = gs1Elements(text).find(({ ai }) => ai === GSRN_RECIPIENT)?.value;
    if (gsrn !== undefined) return { value: gsrn, from: symbology, isWhole: false, kinds: ['gsrn'] };
    return { value: text, from: symbology, isWhole: true, kinds: ['card', 'app'] };
  }
  return { value: text, from: symbology, isWhole: true, kinds };
}

/** As people write numbers in groups. */
const TYPED_SEPARATORS = /[ -]/g;
/** GS1 application identifier of a GSRN – recipient: the customer, where 8017 is who serves them. */
const GSRN_RECIPIENT = '8018';
const BARE_GSRN_ELEMENT = /^8018[0-9]{18}$/;

function matchNumber(
  { value, from, kinds }: PresentedNumber,
  schemes: CompiledSchemes,
): ReturnType<typeof matchCardScheme> {
  return matchCardScheme(schemes, value, from, kinds);
}

/** FNC1 ends elements of GS1 symbols, and a scanner that does not name symbologies may be reading one. */
function mayHoldGs(symbology: string): boolean {
  return symbology.startsWith('gs1-') || symbology === 'unknown';
}

/** The payload as text, or undefined when it is empty, no valid UTF-8, or holds control characters other than GS. */
function textOf(payload: Uint8Array, gsAllowed: boolean): string | undefined {
  if (payload.length === 0) return undefined;
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return undefined;
  }
  for (let i = 0; i < text.length; i += 1) {
    if (isControl(text.charCodeAt(i)) && !(gsAllowed && text[i] === GS)) return undefined;
  }
  return text;
}

/** A byte order mark is kept: products are handed on byte-exact. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** C0, DEL and C1 (ISO/IEC 6429). */
function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}
