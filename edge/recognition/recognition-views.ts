import { errorCodes } from '../../foundation/error-codes.ts';
import type { TillEvent } from '../api/events.ts';
import type { TypedOutcome } from '../api/till-port.ts';
import type { Recognised } from './recognise.ts';

type ScanOutcome = Extract<TillEvent, { readonly event: 'scan' }>['outcome'];
type TypedRefusal = Omit<Extract<TypedOutcome, { readonly kind: 'refused' }>, 'kind'>;

/** A scan as it is told on the local API: credentials masked, refused numbers without a digit. */
export function scanOutcome(recognised: Recognised, symbology: string): ScanOutcome {
  switch (recognised.kind) {
    case 'credential': {
      const { credential } = recognised;
      return { kind: 'credential', credential: credential.toString(), scheme: credential.scheme };
    }
    case 'product':
      return {
        kind: 'product',
        code: recognised.code,
        symbology,
        ...(recognised.what === undefined ? {} : { what: recognised.what }),
      };
    case 'refused':
      return { kind: 'refused', code: recognised.code, reason: recognised.reason };
    case 'unreadable':
      return recognised.code === 'SCANNER_LAYOUT'
        ? { kind: 'unreadable', code: recognised.code, fits: [...recognised.fits] }
        : { kind: 'unreadable', code: recognised.code };
  }
}

/** Why a typed number identifies nobody: what is no card is no product either when a person types it as one. */
export function typedRefusal(recognised: Exclude<Recognised, { readonly kind: 'credential' }>): TypedRefusal {
  const code = recognised.kind === 'product' ? 'CARD_NUMBER_INVALID' : recognised.code;
  const [cause] = errorCodes[code];
  return { code, reason: cause };
}
