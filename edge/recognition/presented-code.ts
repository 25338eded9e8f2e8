import { matchCardScheme } from '../../sync/contract/card-scheme.ts';
import { readAppCodeForm } from '../../sync/contract/app-code/forms.ts';
import type { AppCode } from '../../sync/contract/app-code/app-code.ts';
import { readRotatingCode } from '../../sync/contract/app-code/rotating-code.ts';
import { Credential } from '../../sync/contract/credential.ts';
import { findPaymentCard } from '../../sync/contract/payment-card.ts';
import type { Presented, RecognitionRules } from './recognise.ts';

/** The shortest is a rotating code, the longest an app code in an address. */
const TEXT_MIN = 22;
const TEXT_MAX = 512;

/** Something only a phone shows. */
export type PresentedCode =
  | { readonly kind: 'app-code'; readonly code: AppCode }
  /** `credential` is the number in it, worth no more than if it stood alone until the server has said yes. */
  | {
      readonly kind: 'rotating-code';
      readonly credential: Credential;
      readonly at: number;
      readonly password: string;
    }
  /** Meant to be an app code and none. */
  | {
      readonly kind: 'unreadable';
      readonly code: 'APP_CODE_MALFORMED' | 'APP_CODE_VERSION' | 'SCANNER_LAYOUT';
    };

/**
 * The app code or rotating code that was presented, in whatever symbol; undefined for all else. Asked before anything
 * is made of a payload: an app code is told by its beginning and its length, both unlike any card number's, and a
 * rotating code by its form and a number of a configured card scheme.
 */
export function presentedCode(
  { payload, symbology, source }: Presented,
  { schemes }: RecognitionRules,
): PresentedCode | undefined {
  if (payload.length < TEXT_MIN || payload.length > TEXT_MAX) return undefined;
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
  const read = readAppCodeForm(text);
  if (read !== undefined) {
    return read.kind === 'code'
      ? { kind: 'app-code', code: read.code }
      : { kind: 'unreadable', code: read.code };
  }
  const rotating = readRotatingCode(text);
  if (rotating === undefined) return undefined;
  const { number, at, password } = rotating;
  const match = matchCardScheme(schemes, number, source === 'typed' ? 'typed' : symbology);
  if (typeof match !== 'object' || findPaymentCard(number, { isLoyalty: () => true }) !== undefined) {
    return undefined;
  }
  const { kind, name } = match.scheme;
  const trust = source === 'typed' ? 'L0' : 'L1';
  return {
    kind: 'rotating-code',
    credential: new Credential(kind, name, trust, match.canonical),
    at,
    password,
  };
}
