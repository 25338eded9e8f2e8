import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { StammkundeError } from '../foundation/errors.ts';
import type { Random } from '../foundation/random.ts';
import { makeFolder } from '../foundation/folder.ts';
import {
  newSecret,
  readKeyFile,
  readSecretText,
  readTokenFile,
  writeSecretFile,
} from '../foundation/secret-file.ts';
import type { TenantId, TillId } from '../sync/contract/ids.ts';

/** Where the server's secrets lie. */
export interface KeyFiles {
  readonly identifierKeyFile: string;
  /** Keys that rotations added, oldest first; none when absent. */
  readonly addedIdentifierKeyFiles?: readonly string[];
  readonly signingKeyFile: string;
  readonly secretFile: string;
}

export interface ServerKeys {
  /** 32 bytes: the tenant's first key of all blind indexes; every till has the same. */
  readonly identifierKey: Buffer;
  /** The first and those that rotations added, oldest first. */
  readonly identifierKeys: readonly Buffer[];
  /** Ed25519: signs what the server says to tills. */
  readonly signingKey: KeyObject;
  /** 32 bytes: till tokens are derived from it. */
  readonly secret: Buffer;
}

/** User name of the server itself at the embedded broker. */
export const SERVER_USER = 'server';

/** Where the public half of the signing key is written, for the tills' configuration. */
export function publicKeyFileOf(files: KeyFiles): string {
  return `${files.signingKeyFile.replace(/\.pem$/, '')}.pub.pem`;
}

/**
 * Creates the key files that do not exist, readable by the service account alone, and the public key beside the
 * signing key.
 * @returns the paths of those that were created
 * @throws StammkundeError DATA_UNWRITABLE · KEY_UNREADABLE · KEY_EXPOSED
 */
export function createMissingKeys(files: KeyFiles, apiTokenFile: string, random: Random): readonly string[] {
  const created: string[] = [];
  const create = (path: string, make: () => string, protection: 'owner' | 'group'): void => {
    if (existsSync(path)) return;
    try {
      makeFolder(dirname(path));
      writeSecretFile(path, make(), protection);
    } catch (error) {
      throw new StammkundeError('DATA_UNWRITABLE', `${path} cannot be created`, { cause: error });
    }
    created.push(path);
  };
  create(files.identifierKeyFile, () => newSecret(random), 'owner');
  for (const path of files.addedIdentifierKeyFiles ?? []) create(path, () => newSecret(random), 'owner');
  create(files.secretFile, () => newSecret(random), 'owner');
  create(files.signingKeyFile, newSigningKey, 'owner');
  create(apiTokenFile, () => newSecret(random), 'group');
  const publicKey = createPublicKey(readSigningKey(files.signingKeyFile)).export({
    type: 'spki',
    format: 'pem',
  });
  writeFileSync(publicKeyFileOf(files), publicKey, { mode: 0o644 });
  return created;
}

/** @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED */
export function loadKeys(files: KeyFiles): ServerKeys {
  const identifierKey = readKeyFile(files.identifierKeyFile);
  return {
    identifierKey,
    identifierKeys: [identifierKey, ...(files.addedIdentifierKeyFiles ?? []).map(readKeyFile)],
    signingKey: readSigningKey(files.signingKeyFile),
    secret: readKeyFile(files.secretFile),
  };
}

/** @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED */
export function loadApiToken(path: string): string {
  return readTokenFile(path);
}

/** The token a till shows at the broker. It follows from the secret, so the server keeps no list of them. */
export function tillToken(secret: Uint8Array, tenant: TenantId, till: TillId): string {
  return createHmac('sha256', secret).update(`till-token/v1/${tenant}/${till}`).digest('base64url');
}

/** The token the server itself shows at its embedded broker; no till's name leads to it. */
export function serverToken(secret: Uint8Array, tenant: TenantId): string {
  return createHmac('sha256', secret).update(`server-token/v1/${tenant}`).digest('base64url');
}

/** The group in which all servers subscribe; no till can name it, so none can take what is for them. */
export function shareGroup(secret: Uint8Array, tenant: TenantId): string {
  return createHmac('sha256', secret).update(`share-group/v1/${tenant}`).digest('hex').slice(0, 16);
}

function newSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim();
}

function readSigningKey(path: string): KeyObject {
  const pem = readSecretText(path, 'owner');
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new StammkundeError('KEY_UNREADABLE', `${path} is no PKCS #8 key in PEM`, { cause: error });
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new StammkundeError('KEY_UNREADABLE', `${path} is no Ed25519 key`);
  }
  return key;
}
