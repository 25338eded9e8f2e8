import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Random } from '../../foundation/random.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts secrets that must be read again: AES-256-GCM (NIST SP 800-38D) under a key derived from the server's secret,
 * each bound to whose it is. Random nonces are good for 2³² secrets under one key.
 */
export class Seal {
  readonly #key: Buffer;
  readonly #random: Random;

  /** @param purpose names the key; secrets of different purposes cannot be exchanged */
  constructor(serverSecret: Uint8Array, purpose: string, random: Random) {
    this.#key = Buffer.from(hkdfSync('sha256', serverSecret, 'stammkunde', `${purpose}/v1`, 32));
    this.#random = random;
  }

  /** @param of whose it is; it opens for the same alone */
  close(secret: Uint8Array, of: string): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(of, 'utf8'));
    const sealed = Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
    return sealed.toString('base64url');
  }

  /** @throws StammkundeError KEY_UNREADABLE when the server's secret is not the one it was closed with */
  open(sealed: string, of: string): Buffer {
    const bytes = Buffer.from(sealed, 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES));
      decipher.setAAD(Buffer.from(of, 'utf8'));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    } catch (error) {
      throw new StammkundeError(
        'KEY_UNREADABLE',
        'a stored secret cannot be opened with the server’s secret',
        {
          cause: error,
        },
      );
    }
  }
}
