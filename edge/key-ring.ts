import { createPublicKey, hkdfSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ProgrammerError, StammkundeError } from '../foundation/errors.ts';
import type { Random } from '../foundation/random.ts';
import { KEY_BYTES } from '../foundation/secret-file.ts';
import { keySourceOf, weakestProtection } from '../foundation/secret-source.ts';
import type { KeyProtection, SecretSource } from '../foundation/secret-source.ts';
import { identifierKeyName } from '../sync/contract/blind-index.ts';
import { withWipeKey } from './wipe-key.ts';

/** The keys a till works with, in memory only. */
export interface KeyRing {
  /** Encrypts the replica's files. */
  readonly replica: Buffer;
  /** Encrypts the journal's file. */
  readonly journal: Buffer;
  /** Encrypts the file of the app codes seen. */
  readonly appCodes: Buffer;
  /** The tenant's identifier keys, oldest first, from which the blind-index keys are derived. */
  readonly identifier: readonly Buffer[];
  /** What the server's messages must be signed with. */
  readonly server: KeyObject;
  /** How the till's secrets rest, as the weakest of them does. */
  readonly protection: KeyProtection;
  /** The names of the identifier keys, as the server compares them with its own. */
  readonly identifierNames: readonly string[];
}

/** Where the keys of a till rest. */
export interface KeyPlaces {
  readonly tillKeyFile: SecretSource;
  readonly identifierKeyFile: SecretSource;
  /** None when absent. */
  readonly addedIdentifierKeyFiles?: readonly SecretSource[];
  readonly serverPublicKeyFile: string;
}

/** What a key ring needs of where the till runs. */
export interface Machine {
  /** What `$CREDENTIALS_DIRECTORY` says, where systemd started the program. */
  readonly credentialsFolder?: string | undefined;
  /** Where the second half of a sealed key lies, or is made; without it a sealed key is used as it is. */
  readonly dataFolder?: string;
  readonly random?: Random;
}

/**
 * Reads the keys. The till key never encrypts anything itself: replica, journal and app codes each get a key derived
 * from it (HKDF-SHA-256, RFC 5869).
 * @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED
 */
export function readKeyRing(places: KeyPlaces, machine: Machine = {}): KeyRing {
  const [till, ...identifiers] = [
    places.tillKeyFile,
    places.identifierKeyFile,
    ...(places.addedIdentifierKeyFiles ?? []),
  ].map((place) => keySourceOf(place, machine.credentialsFolder));
  if (till === undefined) throw new ProgrammerError('a till has a key');
  const { dataFolder, random } = machine;
  const read = till.read();
  const tillKey =
    till.protection === 'file' || dataFolder === undefined || random === undefined
      ? read
      : withWipeKey(read, dataFolder, random);
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', tillKey, 'stammkunde', `${purpose}/v1`, KEY_BYTES));
  const identifier = identifiers.map((source) => source.read());
  return {
    replica: derive('replica'),
    journal: derive('journal'),
    appCodes: derive('app-codes'),
    identifier,
    identifierNames: identifier.map(identifierKeyName),
    server: readPublicKey(places.serverPublicKeyFile),
    protection: weakestProtection([till, ...identifiers]),
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
