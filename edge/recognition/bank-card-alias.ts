import type { BankCardScheme } from '../../sync/contract/link.ts';
import { Credential } from '../../sync/contract/credential.ts';

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
  return new Credential('bankcard', scheme, 'L1', text);
}
