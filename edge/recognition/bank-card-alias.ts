import type { BankCardScheme } from '../../sync/contract/link.ts';
import { Credential } from '../../sync/contract/credential.ts';
import { findPaymentCard } from '../../sync/contract/payment-card.ts';

/** EMV Payment Account Reference: `an 29`, upper case (EMVCo, PAR white paper; tag 9F24). */
const PAR = /^[0-9A-Z]{29}$/;
/** Kind of token, and the token as the terminal told it, in hexadecimal or as text. */
const TOKEN = /^[0-9a-z-]{1,32}:[\x21-\x7e]{1,256}$/;

/** Whether a symbology is one only a payment terminal tells: a bank card's alias, never the card number. */
export function isBankCardAlias(symbology: string): symbology is BankCardScheme {
  return symbology === 'emv-par' || symbology === 'card-token';
}

/**
 * The bank card a payment terminal told the alias of; undefined when it is none. It is worth no more than a static code,
 * whoever holds the card: two cardholders of one account share one PAR.
 */
export function bankCardOf(payload: Uint8Array, scheme: BankCardScheme): Credential | undefined {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('latin1');
  if (!(scheme === 'emv-par' ? PAR : TOKEN).test(text)) return undefined;
  if (scheme === 'card-token' && isCardNumber(text.slice(text.indexOf(':') + 1))) return undefined;
  return new Credential('bankcard', scheme, 'L1', text);
}

/**
 * Whether a terminal told the card's number for a token of it. A token in hexadecimal is judged as a whole, plain and as
 * the characters it may stand for: some digits between letters are none (one card in a thousand would be refused).
 */
function isCardNumber(token: string): boolean {
  if (!HEX.test(token) || DIGITS_PADDED.test(token))
    return findPaymentCard(token.replace(PADDING, '')) !== undefined;
  const characters = Buffer.from(token, 'hex');
  return (
    characters.every((code) => code >= 0x20 && code <= 0x7e) && findPaymentCard(characters) !== undefined
  );
}

const HEX = /^(?:[0-9a-f]{2})+$/i;
/** Packed digits, filled up to whole bytes with F. */
const DIGITS_PADDED = /^[0-9]{12,20}[fF]{0,8}$/;
const PADDING = /[fF]+$/;
