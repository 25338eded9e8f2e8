import { createHash } from 'node:crypto';
import type { ErrorCode } from '../../../foundation/error-codes.ts';
import { ProgrammerError } from '../../../foundation/errors.ts';

/**
 * What a customer's phone shows: "the holder of this key stood here at this second", signed. 82 bytes, all integers
 * big-endian, every field of fixed length:
 *
 *   offset  bytes  field
 *        0      1  version: 1. It fixes the signature, Ed25519; there is no field that could name another
 *        1      8  key id: the first 8 bytes of SHA-256 over the public key; it names device and key at once
 *        9      4  issued at: whole seconds since the Unix epoch
 *       13      1  window: how many seconds the code wants to be taken, 1–255
 *       14      4  nonce: random
 *       18     64  Ed25519 signature (RFC 8032), see `signature.ts`
 *
 * It names no person and no membership: who the key belongs to is known to the server and to the replicas alone.
 */
export interface AppCode {
  /** 16 hex digits in lower case. */
  readonly keyId: string;
  /** ms since the epoch, a whole second. */
  readonly issuedAt: number;
  readonly windowSeconds: number;
  /** The bytes the signature is over, besides its context: all but the signature. */
  readonly head: Uint8Array;
  readonly signature: Uint8Array;
}

const APP_CODE_VERSION = 1;
export const APP_CODE_BYTES = 82;
const HEAD_BYTES = 18;
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 4;
/** Bytes of an Ed25519 public key (RFC 8032, 5.1.5). */
export const PUBLIC_KEY_BYTES = 32;

export type AppCodeFault = Extract<ErrorCode, 'APP_CODE_MALFORMED' | 'APP_CODE_VERSION'>;

/** The key id of a public key: 16 hex digits. */
export function keyIdOf(publicKey: Uint8Array): string {
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new ProgrammerError(`a device key has ${PUBLIC_KEY_BYTES} bytes, got ${publicKey.length}`);
  }
  return createHash('sha256')
    .update(publicKey)
    .digest('hex')
    .slice(0, 2 * KEY_ID_BYTES);
}

/** What a phone's credential has in place of a card scheme's name. */
export const DEVICE_SCHEME = 'app-code';

/** What a device key's blind index is made of. No card scheme's number holds a colon, so none can stand for a device. */
export function deviceIdentifier(keyId: string): string {
  return `device:${keyId}`;
}

/** The bytes a phone signs, besides the context. @throws ProgrammerError when a field does not fit */
export function appCodeHead(fields: {
  readonly keyId: string;
  readonly issuedAt: number;
  readonly windowSeconds: number;
  readonly nonce: Uint8Array;
}): Uint8Array {
  const { keyId, windowSeconds, nonce } = fields;
  const seconds = Math.floor(fields.issuedAt / 1_000);
  if (
    !/^[0-9a-f]{16}$/.test(keyId) ||
    !(seconds >= 0 && seconds <= 0xffff_ffff) ||
    !(Number.isInteger(windowSeconds) && windowSeconds >= 1 && windowSeconds <= 255) ||
    nonce.length !== NONCE_BYTES
  ) {
    throw new ProgrammerError('an app code cannot hold these fields');
  }
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = APP_CODE_VERSION;
  head.write(keyId, 1, 'hex');
  head.writeUInt32BE(seconds, 9);
  head[13] = windowSeconds;
  head.set(nonce, 14);
  return head;
}

/**
 * Takes the bytes of a code apart. There is exactly one way to write a code: another length, another version or a
 * window of nothing is refused. Nothing is said about the signature yet.
 */
export function readAppCode(
  bytes: Uint8Array,
): { readonly ok: true; readonly code: AppCode } | { readonly ok: false; readonly fault: AppCodeFault } {
  const [version] = bytes;
  if (version !== undefined && version !== APP_CODE_VERSION) return { ok: false, fault: 'APP_CODE_VERSION' };
  const view = Buffer.from(bytes);
  const windowSeconds = view[13];
  if (view.length !== APP_CODE_BYTES || windowSeconds === undefined || windowSeconds === 0) {
    return { ok: false, fault: 'APP_CODE_MALFORMED' };
  }
  return {
    ok: true,
    code: {
      keyId: view.toString('hex', 1, 1 + KEY_ID_BYTES),
      issuedAt: view.readUInt32BE(9) * 1_000,
      windowSeconds,
      head: view.subarray(0, HEAD_BYTES),
      signature: view.subarray(HEAD_BYTES),
    },
  };
}
