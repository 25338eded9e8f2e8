import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Instant } from '../../foundation/clock.ts';
import type { TillId } from './ids.ts';

const MAC_BYTES = 12;
const ID_BYTES = 16;

/** A receipt code as it is printed or shown: base64url of the sale's id and a MAC. */
export const RECEIPT_CODE_PATTERN = /^[A-Za-z0-9_-]{38}$/;

/** What a receipt's code vouches for: this till made this sale at this time. */
export interface Receipted {
  readonly saleId: string;
  readonly till: TillId;
  readonly at: Instant;
}

/** The key of a till's receipts. It follows from the till's own token, which the server can derive. */
export function receiptKey(tillToken: string): Uint8Array {
  return createHmac('sha256', tillToken).update('stammkunde receipt v1').digest();
}

/** The code of a receipt: 16 bytes of the sale's id, then the first 12 of HMAC-SHA-256 over the JSON array [saleId, till, at]. */
export function makeReceiptCode(key: Uint8Array, receipted: Receipted): string {
  const id = Buffer.from(receipted.saleId.replaceAll('-', ''), 'hex');
  return Buffer.concat([id, macOf(key, receipted)]).toString('base64url');
}

/** The sale a code says it is of, or undefined for what is no code. Whether it is right only the server can tell. */
export function saleOfReceiptCode(code: string): string | undefined {
  if (!RECEIPT_CODE_PATTERN.test(code)) return undefined;
  const hex = Buffer.from(code, 'base64url').subarray(0, ID_BYTES).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Whether a code is the one of this receipt. */
export function isReceiptCode(key: Uint8Array, receipted: Receipted, code: string): boolean {
  if (!RECEIPT_CODE_PATTERN.test(code)) return false;
  const told = Buffer.from(code, 'base64url').subarray(ID_BYTES);
  return (
    saleOfReceiptCode(code) === receipted.saleId.toLowerCase() && timingSafeEqual(told, macOf(key, receipted))
  );
}

function macOf(key: Uint8Array, { saleId, till, at }: Receipted): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify([saleId.toLowerCase(), till, at]))
    .digest()
    .subarray(0, MAC_BYTES);
}
