import type { Scan } from '../../drivers/driver.ts';
import type { Symbology } from '../../drivers/symbology/symbology.ts';
import { findPaymentCard } from '../../sync/contract/payment-card.ts';
import { presentedCode } from '../recognition/presented-code.ts';
import { recognise } from '../recognition/recognise.ts';
import type { RecognitionRules, Recognised } from '../recognition/recognise.ts';

/** Longest scan that is passed on, bytes: a terminal holds no more before its reader takes it. */
const PASSED_BYTES_MAX = 3_072;

/** What only a payment terminal sends; it speaks of people and never of products, whether the till knows them or not. */
const NEVER_A_PRODUCT: ReadonlySet<Symbology> = new Set(['emv-par', 'card-token', 'wallet-pass']);

/**
 * Whether the POS may have a scan: what identifies a customer, a payment card, and what is a garbled form of either
 * stays here. Asked while the scan still has its bytes; pure.
 *
 * | recognised as                | passed on                                                                        |
 * | product                      | yes                                                                              |
 * | credential, payment card     | never                                                                            |
 * | number with a wrong check    | never: it is a customer's card, misread                                          |
 * | no text                      | where `unreadable` says so, and what text there is in it is no card of any kind  |
 * | too long for a card          | the same                                                                         |
 */
export function isPassable(
  scan: Pick<Scan, 'payload' | 'symbology'> & { readonly layout?: Scan['layout'] | undefined },
  recognised: Recognised,
  unreadable: 'pass' | 'drop',
  rules: RecognitionRules,
): boolean {
  if (NEVER_A_PRODUCT.has(scan.symbology)) return false;
  // What a keyboard layout may have garbled cannot be searched for cards once it is no text.
  if (scan.layout !== undefined && recognised.kind === 'unreadable') return false;
  if (scan.payload.length === 0 || scan.payload.length > PASSED_BYTES_MAX) return false;
  switch (recognised.kind) {
    case 'product':
      return true;
    case 'credential':
    case 'refused':
      return false;
    case 'unreadable':
      return unreadable === 'pass' && NO_CARDS.has(recognised.code) && holdsNoCard(scan, rules);
  }
}

/** Why something was not read that may be no card; all else is one, misread. */
const NO_CARDS: ReadonlySet<Extract<Recognised, { readonly kind: 'unreadable' }>['code']> = new Set([
  'REC_NOT_TEXT',
  'REC_TOO_LONG',
]);

/** A card read with a control character in its number, or in the midst of a long text, is a card. */
function holdsNoCard(
  { payload, symbology }: Pick<Scan, 'payload' | 'symbology'>,
  rules: RecognitionRules,
): boolean {
  const text = Buffer.from(payload).toString('latin1').replaceAll(CONTROLS, '');
  if (findPaymentCard(text, { symbology }) !== undefined) return false;
  const cleaned = { payload: Buffer.from(text, 'utf8'), symbology, source: 'reader' } as const;
  if (presentedCode(cleaned, rules) !== undefined) return false;
  const again = recognise(cleaned, rules);
  return again.kind === 'product' || (again.kind === 'unreadable' && again.code !== 'REC_CHECK_DIGIT');
}

/** C0, DEL and C1 (ISO/IEC 6429). */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;
