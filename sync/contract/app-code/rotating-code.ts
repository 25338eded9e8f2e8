import { createHmac, timingSafeEqual } from 'node:crypto';
import { ProgrammerError } from '../../../foundation/errors.ts';

/**
 * A rotating bar code as Google Wallet shows it: `{member number}-{timestamp}-{one-time password}`, the pattern
 * `…-{totp_timestamp_seconds}-{totp_value_0}` (or `_millis`) of a pass class, RFC 6238 with SHA-1
 * (https://developers.google.com/wallet/retail/loyalty-cards/resources/rotating-barcodes).
 */
export interface RotatingCode {
  readonly number: string;
  /** ms since the epoch: the start of the period the password is of, as the phone has it. */
  readonly at: number;
  readonly password: string;
}

const FORM = /^([0-9A-Za-z]{4,64})-([0-9]{10}|[0-9]{13})-([0-9]{6,8})$/;

/** The rotating code in a text, or undefined. Whether its number is one of a card scheme is the caller's to ask. */
export function readRotatingCode(text: string): RotatingCode | undefined {
  const [, number, timestamp, password] = FORM.exec(text) ?? [];
  if (number === undefined || timestamp === undefined || password === undefined) return undefined;
  return { number, at: Number(timestamp) * (timestamp.length === 10 ? 1_000 : 1), password };
}

export const totpAlgorithms = ['sha1', 'sha256', 'sha512'] as const;
export type TotpAlgorithm = (typeof totpAlgorithms)[number];

/**
 * The one-time password of a time step: RFC 6238, 4.2, over RFC 4226, 5.3.
 * @param step whole periods since the epoch
 * @param digits 6 to 8
 */
export function oneTimePassword(
  secret: Uint8Array,
  step: number,
  { digits, algorithm }: { readonly digits: number; readonly algorithm: TotpAlgorithm },
): string {
  if (!Number.isSafeInteger(step) || step < 0 || !(digits >= 6 && digits <= 8)) {
    throw new ProgrammerError('a one-time password has 6 to 8 digits and a step that is a whole number');
  }
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac(algorithm, secret).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0x0f;
  const truncated = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(truncated % 10 ** digits).padStart(digits, '0');
}

/** Compares in the same time whatever differs. */
export function isSamePassword(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
