import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { StammkundeError } from './errors.ts';
import { KEY_BYTES, readKeyFile, readUnguardedText } from './secret-file.ts';

/** systemd.exec(5), `LoadCredential=`: an id is a file name; this is narrower, so that no path can be made of it. */
const CREDENTIAL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Where a key comes from, as a configuration says it: a path, or the name of a systemd credential. */
export const SecretSource = z.union([
  z.string().min(1).max(4_096),
  z.strictObject({
    credential: z
      .string()
      .regex(CREDENTIAL_NAME, 'must be a name of letters, digits, dot, hyphen and underscore')
      .describe('In place of a path: the name of a systemd credential (LoadCredentialEncrypted=)'),
  }),
]);
export type SecretSource = z.infer<typeof SecretSource>;

/**
 * How a key rests when the program does not run. `file`: in the clear, and who takes the disk has it. `credential`:
 * systemd decrypts it at the start, with a key that does not leave the machine when it was made with a TPM.
 */
export const keyProtections = ['file', 'credential'] as const;
export type KeyProtection = (typeof keyProtections)[number];

/** Where a 32-byte key rests. A further kind of protection is one more implementation; docs/keys.md says what it does. */
export interface KeySource {
  readonly protection: KeyProtection;
  /** For messages. */
  readonly place: string;
  /** The file that a wipe can destroy; null where the key is not in a file this program may write. */
  readonly file: string | null;
  /** @throws StammkundeError KEY_UNREADABLE · KEY_EXPOSED */
  read(): Buffer;
}

/** A key in a file that only its owner may read. */
class FileKeySource implements KeySource {
  readonly protection = 'file';
  readonly place: string;
  readonly file: string;

  constructor(path: string) {
    this.place = path;
    this.file = path;
  }

  read(): Buffer {
    return readKeyFile(this.file);
  }
}

/**
 * A key handed over by systemd: a file in a folder of this unit alone, in memory that is never swapped. Its mode is
 * not looked at, because systemd may grant it to the service's account by an access list, which shows as a group's bits.
 */
class CredentialKeySource implements KeySource {
  readonly protection = 'credential';
  readonly place: string;
  readonly file = null;
  readonly #name: string;
  readonly #folder: string | undefined;

  /** @param folder what `$CREDENTIALS_DIRECTORY` says; undefined when the program was not started by systemd */
  constructor(name: string, folder: string | undefined) {
    this.#name = name;
    this.#folder = folder;
    this.place = `credential ${name}`;
  }

  read(): Buffer {
    const folder = this.#folder;
    if (folder === undefined || !isAbsolute(folder)) {
      throw new StammkundeError(
        'KEY_UNREADABLE',
        `${this.place}: there is no $CREDENTIALS_DIRECTORY, so the program was not started by a unit with LoadCredentialEncrypted=; for a command see docs/journal.md`,
      );
    }
    const path = join(folder, this.#name);
    const key = Buffer.from(readUnguardedText(path), 'base64url');
    if (key.length !== KEY_BYTES) {
      throw new StammkundeError(
        'KEY_UNREADABLE',
        `${this.place} does not hold ${KEY_BYTES} bytes in base64url`,
      );
    }
    return key;
  }
}

/** @param credentialsFolder what `$CREDENTIALS_DIRECTORY` says */
export function keySourceOf(source: SecretSource, credentialsFolder: string | undefined): KeySource {
  return typeof source === 'string'
    ? new FileKeySource(source)
    : new CredentialKeySource(source.credential, credentialsFolder);
}

/** The same source with a relative path made absolute. */
export function withAbsolutePath(source: SecretSource, at: (file: string) => string): SecretSource {
  return typeof source === 'string' ? at(source) : source;
}

/** Of several keys: as weak as the weakest. */
export function weakestProtection(sources: readonly KeySource[]): KeyProtection {
  return sources.every(({ protection }) => protection === 'credential') ? 'credential' : 'file';
}
