import type { AppCodeVerdict } from '../app-code/app-code-verifier.ts';
import type { PresentedCode } from './presented-code.ts';

/** Why a code a phone shows is not taken. */
export type CodeRefusal =
  | Extract<AppCodeVerdict, { readonly kind: 'refused' }>['code']
  | Extract<PresentedCode, { readonly kind: 'unreadable' }>['code'];
