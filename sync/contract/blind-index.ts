import { createHmac, hkdfSync } from 'node:crypto';
import { ProgrammerError } from '../../foundation/errors.ts';
import { identifierKinds } from './credential.ts';
import type { Credential, IdentifierKind } from './credential.ts';

/** Bytes of an identifier key file and of every key derived from it. */
const INDEX_KEY_BYTES = 32;
/** Most keys a chain may have: more rotations than a programme lives through. */
export const IDENTIFIER_KEYS_MAX = 16;

/**
 * The form in which an identifier rests: HMAC-SHA-256, base64url, 43 characters. 43 characters hold 258 bits and the
 * digest 256; the two bits to spare, the lowest of the last character, say under how many keys it was made: 0 for the
 * first key alone, 1 for two, and so on modulo 4.
 */
export type BlindIndex = string;

/** Characters of a {@link BlindIndex}. */
export const BLIND_INDEX_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** RFC 4648, 5. */
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const VERSIONS_TOLD_APART = 4;

/**
 * Turns identifiers into blind indexes: a keyed hash shows equality and nothing else, where a plain hash of a 13-digit
 * number is undone in minutes. Server and till hold the same identifier keys and must agree bit for bit.
 *
 * Keys are a chain, oldest first; a rotation adds one at its end:
 *
 *   number ──key 1──▶ index of version 1 ──key 2──▶ index of version 2 ──▶ …
 *
 * So an index can be lifted to a later version by who holds the later key, without the number, which nobody keeps. All
 * forms of a number from the version in which something has it to the newest are found this way, and never one before.
 */
export class BlindIndexer {
  /** How many keys there are: the version of the indexes made now. */
  readonly version: number;
  readonly #firstKeys: ReadonlyMap<IdentifierKind, Buffer>;
  /** What leads from version i + 1 to i + 2. */
  readonly #steps: readonly Buffer[];

  /**
   * Derives one key per kind of the first key: HKDF-SHA-256 (RFC 5869) with salt `stammkunde` and info
   * `bi/v1/{tenant}/{kind}`; one of every further key with info `bi-step/v1/{tenant}`.
   * @param identifierKeys 32 random bytes each, the tenant's secrets, oldest first; one key is a chain of one
   */
  constructor(identifierKeys: Uint8Array | readonly Uint8Array[], tenant: string) {
    const [first, ...added] = identifierKeys instanceof Uint8Array ? [identifierKeys] : identifierKeys;
    if (first === undefined || added.length >= IDENTIFIER_KEYS_MAX) {
      throw new ProgrammerError(`there are 1 to ${IDENTIFIER_KEYS_MAX} identifier keys`);
    }
    this.#firstKeys = new Map(
      identifierKinds.map((kind) => [kind, derive(first, `bi/v1/${tenant}/${kind}`)]),
    );
    this.#steps = added.map((key) => derive(key, `bi-step/v1/${tenant}`));
    this.version = 1 + added.length;
  }

  /** The newest blind index of a canonical number. */
  index(kind: IdentifierKind, canonical: string): BlindIndex {
    return newestOf(this.forms(kind, canonical));
  }

  indexOf(credential: Credential): BlindIndex {
    return this.index(credential.kind, credential.reveal());
  }

  /** All blind indexes of a canonical number, oldest first, one for each version. */
  forms(kind: IdentifierKind, canonical: string): readonly BlindIndex[] {
    const key = this.#firstKeys.get(kind);
    if (key === undefined) throw new ProgrammerError(`no index key for kind ${kind}`);
    // The length is part of the input, so no two inputs run together.
    const first = digest(key, `${kind}\0${canonical.length}\0${canonical}`, 1);
    return this.#lifted(first, 1);
  }

  formsOf(credential: Credential): readonly BlindIndex[] {
    return this.forms(credential.kind, credential.reveal());
  }

  /**
   * The same number's blind indexes from this one's version to the newest, this one first. One of a version not known
   * here has no other.
   */
  formsFrom(index: BlindIndex): readonly BlindIndex[] {
    const version = this.versionOf(index);
    return version === undefined ? [index] : this.#lifted(index, version);
  }

  /** The newest blind index of the number that has this one. */
  newest(index: BlindIndex): BlindIndex {
    return newestOf(this.formsFrom(index));
  }

  /** Of the versions told apart the newest it can be of; undefined for one made with a key not known here. */
  versionOf(index: BlindIndex): number | undefined {
    const tag = BASE64URL.indexOf(index.at(-1) ?? '') % VERSIONS_TOLD_APART;
    const newestTag = (this.version - 1) % VERSIONS_TOLD_APART;
    const behind = (newestTag - tag + VERSIONS_TOLD_APART) % VERSIONS_TOLD_APART;
    return behind < this.version ? this.version - behind : undefined;
  }

  #lifted(index: BlindIndex, version: number): readonly BlindIndex[] {
    const forms = [index];
    let form = index;
    for (const [i, step] of this.#steps.slice(version - 1).entries()) {
      form = digest(step, form, version + i + 1);
      forms.push(form);
    }
    return forms;
  }
}

/** What can be said of an index without the number. */
export type IndexForms = Pick<BlindIndexer, 'version' | 'formsFrom' | 'newest'>;

/** The forms while there is but one key. */
export const singleForm: IndexForms = {
  version: 1,
  formsFrom: (index) => [index],
  newest: (index) => index,
};

/** Names an identifier key without telling it: server and till compare what they hold. 16 hexadecimal characters. */
export function identifierKeyName(identifierKey: Uint8Array): string {
  return derive(identifierKey, 'bi-name/v1').toString('hex').slice(0, 16);
}

function derive(key: Uint8Array, info: string): Buffer {
  if (key.length !== INDEX_KEY_BYTES) {
    throw new ProgrammerError(`an identifier key has ${INDEX_KEY_BYTES} bytes, got ${key.length}`);
  }
  return Buffer.from(hkdfSync('sha256', key, 'stammkunde', info, INDEX_KEY_BYTES));
}

function digest(key: Uint8Array, text: string, version: number): BlindIndex {
  const plain = createHmac('sha256', key).update(text).digest('base64url');
  const tag = (version - 1) % VERSIONS_TOLD_APART;
  return tag === 0 ? plain : plain.slice(0, -1) + BASE64URL.charAt(BASE64URL.indexOf(plain.slice(-1)) + tag);
}

function newestOf(forms: readonly BlindIndex[]): BlindIndex {
  const newest = forms.at(-1);
  if (newest === undefined) throw new ProgrammerError('a blind index has at least the form it has');
  return newest;
}
