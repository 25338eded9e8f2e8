import { createPublicKey, hkdfSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StammkundeError } from '../foundation/errors.ts';
import { KEY_BYTES, readKeyFile } from '../foundation/secret-file.ts';

/** The keys a till works with, in memory only. */
export interface KeyRing {
  /** Encrypts the replica's files. */
  readonly replica: Buffer;
  /** Encrypts the journal's file. */
  readonly journal: Buffer;
  /** Encrypts the file of the app codes seen. */
  readonly appCodes: Buffer;
  /** The tenant's identifier key, from which the blind-index keys are derived. */
  readonly identifier: Buffer;
  /** What the server's messages must be signed with. */
  readonly server: KeyObject;
}

/**
 * Reads the key files. The till key never encrypts anything itself: replica, journal and app codes each get a key derived from it
 * (HKDF-SHA-256, RFC 5869).
 * @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED
 */
export function readKeyRing(files: {
  readonly tillKeyFile: string;
  readonly identifierKeyFile: string;
  readonly serverPublicKeyFile: string;
}): KeyRing {
  const tillKey = readKeyFile(files.tillKeyFile);
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', tillKey, 'stammkunde', `${purpose}/v1`, KEY_BYTES));
  return {
    replica: derive('replica'),
    journal: derive('journal'),
    appCodes: derive('app-codes'),
    identifier: readKeyFile(files.identifierKeyFile),
    server: readPublicKey(files.serverPublicKeyFile),
  };
}

function readPublicKey(path: string): KeyObject {
  try {
    const key = createPublicKey(readFileSync(path));
    if (key.asymmetricKeyType !== 'ed25519')
      throw new TypeError(`an Ed25519 key is needed, this is ${key.asymmetricKeyType ?? 'none'}`);
    return key;
  } catch (error) {
    throw new StammkundeError('KEY_UNREADABLE', `${path} is no Ed25519 public key in PEM`, { cause: error });
  }
}
