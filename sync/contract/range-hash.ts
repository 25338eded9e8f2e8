import { hash } from 'node:crypto';
import { ProgrammerError } from '../../foundation/errors.ts';
import { replicaCollections } from './replica-documents.ts';
import type { ReplicaCollection } from './replica-documents.ts';

/**
 * Till and server compare what they hold by hashes of ranges: every document has a 64-bit hash, every key one of 256
 * buckets, and a bucket is the XOR of its documents' hashes and their count. XOR is its own inverse, so a document that
 * is written, changed or deleted changes its bucket without the others being looked at.
 *
 * MD5 is a checksum here, against what gets lost, and no defence: that it is the server who answers is proved by the
 * signature. The database must compute the same hash, and MD5 is what every PostgreSQL has built in.
 */
export const RANGE_BUCKETS = 256;

/** A bucket: XOR of the hashes of its documents, 64 bits unsigned, and how many they are. */
export interface RangeBucket {
  readonly hash: bigint;
  readonly count: number;
}

export const EMPTY_BUCKET: RangeBucket = { hash: 0n, count: 0 };

/** A document as tills get it; fields whose names begin with an underscore are the replication's own. */
export type HashedDocument = Readonly<Record<string, unknown>>;

/**
 * The hash of a document: the first 8 bytes, big-endian, of the MD5 over its {@link canonicalText} in UTF-8.
 * Deleted documents have none: they do not count.
 */
export function documentHash(collection: ReplicaCollection, document: HashedDocument): bigint {
  // As hex: a buffer made for each of a million documents costs more than their hashes.
  return hashOfHex(hash('md5', canonicalText(collection, document)).slice(0, 16));
}

/** The bucket of a primary key, 0 to 255: the first byte of its MD5. */
export function bucketOf(key: string): number {
  return Number.parseInt(hash('md5', key).slice(0, 2), 16);
}

/** The primary key of a document as the text that buckets go by. */
export function keyOf(collection: ReplicaCollection, document: HashedDocument): string {
  const key = document[replicaCollections[collection].primaryKey];
  if (typeof key !== 'string') throw new ProgrammerError(`a document of ${collection} has no key`);
  return key;
}

/** A bucket after documents of these hashes came (`count` above zero) or went (below). */
export function combine(bucket: RangeBucket, change: RangeBucket): RangeBucket {
  return { hash: bucket.hash ^ change.hash, count: bucket.count + change.count };
}

/** 64 bits as 16 hex digits. */
export function hashToHex(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}

/** The hash of 16 hex digits. */
export function hashOfHex(hex: string): bigint {
  return BigInt(`0x${hex}`);
}

/**
 * What is hashed: every value says its kind and, where it is text, its length in bytes of UTF-8, so that no two
 * different documents have one text.
 *
 * | value | written as |
 * |---|---|
 * | text | `s`, bytes, `:`, the text |
 * | whole number | `i`, decimal digits, `;` |
 * | yes, no, null | `t`, `f`, `n` |
 * | texts only | `[`, each in the order of its bytes, `]`: such lists are sets |
 * | other list | `[`, each, `]`, in its order |
 * | object | `{`, name and value of each field in the order of the names, `}`; absent fields are left out |
 *
 * The whole begins with the collection's name. `migrations/0006-range-hashes.ts` writes the same in SQL.
 * @throws ProgrammerError for what no document holds: fractions, functions, …
 */
export function canonicalText(collection: ReplicaCollection, document: HashedDocument): string {
  return `${collection}${objectText(document)}`;
}

function objectText(value: Readonly<Record<string, unknown>>): string {
  let text = '{';
  for (const name of Object.keys(value).sort()) {
    const field = value[name];
    if (field === undefined || name.startsWith('_')) continue;
    text += stringText(name) + valueText(field);
  }
  return `${text}}`;
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return stringText(value);
  if (value === null) return 'n';
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new ProgrammerError('a document holds a number that is not whole');
    // Minus zero is zero.
    return `i${value === 0 ? 0 : value};`;
  }
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (Array.isArray(value)) return listText(value);
  if (typeof value === 'object') {
    // An object of a document came as JSON: text names, and values this function takes apart.
    return objectText(value as Readonly<Record<string, unknown>>);
  }
  throw new ProgrammerError(`a document holds a ${typeof value}`);
}

function listText(list: readonly unknown[]): string {
  const isSet = list.every((each) => typeof each === 'string');
  const ordered = isSet && list.length > 1 ? list.toSorted(byBytes) : list;
  return `[${ordered.map(valueText).join('')}]`;
}

/** The order of UTF-8, as the database's collation "C" has it; JavaScript's own is that of UTF-16. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function stringText(text: string): string {
  return `s${Buffer.byteLength(text)}:${text}`;
}
