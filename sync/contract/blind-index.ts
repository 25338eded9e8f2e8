import { createHmac, hkdfSync } from 'node:crypto';
import { ProgrammerError } from '../../foundation/errors.ts';
import { identifierKinds } from './credential.ts';
import type { Credential, IdentifierKind } from './credential.ts';

/** Bytes of an identifier key file and of every key derived from it. */
const INDEX_KEY_BYTES = 32;

/** The form in which an identifier rests: HMAC-SHA-256 under its kind's key, base64url, 43 characters. */
export type BlindIndex = string;

/** Characters of a {@link BlindIndex}. */
export const BLIND_INDEX_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/**
 * Turns identifiers into blind indexes: a keyed hash shows equality and nothing else, where a plain hash of a 13-digit
 * number is undone in minutes. Server and till hold the same identifier key and must agree bit for bit.
 */
export class BlindIndexer {
  readonly #keys: ReadonlyMap<IdentifierKind, Buffer>;

  /**
   * Derives one key per kind: HKDF-SHA-256 (RFC 5869) with salt `stammkunde` and info `bi/v1/{tenant}/{kind}`.
   * @param identifierKey 32 random bytes, the tenant's secret
   */
  constructor(identifierKey: Uint8Array, tenant: string) {
    if (identifierKey.length !== INDEX_KEY_BYTES) {
      throw new ProgrammerError(
        `an identifier key has ${INDEX_KEY_BYTES} bytes, got ${identifierKey.length}`,
      );
    }
    this.#keys = new Map(
      identifierKinds.map((kind) => [
        kind,
        Buffer.from(
          hkdfSync('sha256', identifierKey, 'stammkunde', `bi/v1/${tenant}/${kind}`, INDEX_KEY_BYTES),
        ),
      ]),
    );
  }

  /** The blind index of a canonical number. The length is part of the input, so no two inputs run together. */
  index(kind: IdentifierKind, canonical: string): BlindIndex {
    const key = this.#keys.get(kind);
    if (key === undefined) throw new ProgrammerError(`no index key for kind ${kind}`);
    return createHmac('sha256', key).update(`${kind}\0${canonical.length}\0${canonical}`).digest('base64url');
  }

  indexOf(credential: Credential): BlindIndex {
    return this.index(credential.kind, credential.reveal());
  }
}
