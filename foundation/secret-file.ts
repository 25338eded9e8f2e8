import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { StammkundeError } from './errors.ts';
import type { Random } from './random.ts';

/** Bytes of a key. */
export const KEY_BYTES = 32;

/** Who may read a secret: keys belong to the service account alone, tokens also to the group of those who call. */
export type SecretProtection = 'owner' | 'group';

const FORBIDDEN_BITS = { owner: 0o077, group: 0o037 } as const satisfies Record<SecretProtection, number>;
const CREATE_MODE = { owner: 0o600, group: 0o640 } as const satisfies Record<SecretProtection, number>;

/**
 * The 32-byte key in a file: one line of base64url.
 * @throws StammkundeError KEY_UNREADABLE when missing or malformed · KEY_EXPOSED when group or others may read it
 */
export function readKeyFile(path: string): Buffer {
  const key = Buffer.from(readSecretText(path, 'owner'), 'base64url');
  if (key.length !== KEY_BYTES)
    throw new StammkundeError('KEY_UNREADABLE', `${path} does not hold ${KEY_BYTES} bytes in base64url`);
  return key;
}

/**
 * The token in a file, without the line end.
 * @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED when others may read it, or the group may write it
 */
export function readTokenFile(path: string): string {
  const token = readSecretText(path, 'group');
  if (!/^[\x21-\x7e]{16,512}$/.test(token)) {
    throw new StammkundeError(
      'KEY_UNREADABLE',
      `${path} does not hold a token of 16 to 512 printable characters`,
    );
  }
  return token;
}

/**
 * The text of a secret file, trimmed.
 * @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED
 */
export function readSecretText(path: string, protection: SecretProtection): string {
  let text: string;
  let mode: number;
  try {
    mode = statSync(path).mode;
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new StammkundeError('KEY_UNREADABLE', `${path} cannot be read`, { cause: error });
  }
  // Windows has no such bits; there the folder's access list protects the file.
  if (process.platform !== 'win32' && (mode & FORBIDDEN_BITS[protection]) !== 0) {
    const wanted = CREATE_MODE[protection].toString(8);
    throw new StammkundeError(
      'KEY_EXPOSED',
      `${path} has mode ${(mode & 0o777).toString(8)}, it must be ${wanted} or tighter`,
    );
  }
  if (text === '') throw new StammkundeError('KEY_UNREADABLE', `${path} is empty`);
  return text;
}

/**
 * The text of a secret whose place protects it, whatever its mode says; trimmed.
 * @throws StammkundeError KEY_UNREADABLE
 */
export function readUnguardedText(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new StammkundeError('KEY_UNREADABLE', `${path} cannot be read`, { cause: error });
  }
  if (text === '') throw new StammkundeError('KEY_UNREADABLE', `${path} is empty`);
  return text;
}

/**
 * Writes a secret that must not exist yet, and makes it durable.
 * @throws Error EEXIST when the file is there
 */
export function writeSecretFile(path: string, text: string, protection: SecretProtection): void {
  const file = openSync(path, 'wx', CREATE_MODE[protection]);
  try {
    writeSync(file, `${text}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  // The umask may have taken bits away that the group needs.
  chmodSync(path, CREATE_MODE[protection]);
}

/** 32 random bytes as base64url: the content of a key or token file. */
export function newSecret(random: Random): string {
  return Buffer.from(random.bytes(KEY_BYTES)).toString('base64url');
}
