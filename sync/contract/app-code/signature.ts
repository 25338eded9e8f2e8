import { createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { AppCode } from './app-code.ts';

/** Keeps what a phone signs here from meaning anything anywhere else. */
const CONTEXT = 'stammkunde/app-code/v1';

/**
 * What is signed: the context, the programme and the code's first 18 bytes, with a NUL after each text. A code for one
 * programme is none for another, even where a phone used one key for both.
 */
function signedBytes(tenant: string, head: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${CONTEXT}\0${tenant}\0`, 'utf8'), head]);
}

/** Completes a code. @returns its 82 bytes */
export function signAppCode(tenant: string, head: Uint8Array, privateKey: KeyObject): Uint8Array {
  return Buffer.concat([head, sign(null, signedBytes(tenant, head), privateKey)]);
}

/** Ed25519 (RFC 8032, 5.1.7). OpenSSL refuses an S beyond the group order, so a signature cannot be altered into another. */
export function isSignedBy(code: AppCode, tenant: string, publicKey: KeyObject): boolean {
  return verify(null, signedBytes(tenant, code.head), publicKey, code.signature);
}

/**
 * A key to verify with. Whether it is a sound one is judged once, when it is enrolled: see `device-key.ts`.
 * @param publicKey the 32 bytes in base64url, 43 characters
 */
export function verifyingKey(publicKey: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
}
