import { ProgrammerError, StammkundeError } from '../../../foundation/errors.ts';
import type { SqliteDatabase } from './database.ts';
import type { TableLayout } from './schema-tables.ts';

/** Buckets of a collection's digests. */
const DIGEST_BUCKETS = 256;

/** Where a document counts, and with which hash. */
export interface DocumentDigest {
  /** 0 to 255; depends on the primary key alone. */
  readonly bucket: number;
  /** 64 bits, unsigned. */
  readonly hash: bigint;
}

/**
 * Gives the digest of a document; must be pure. It is called inside write transactions, with a document as RxDB hands
 * it over or as it was read back: `_deleted`, `_attachments`, `_meta` and `_rev` are on it and must not count, and a
 * field that is `undefined` must count as one that is absent. Never called for deleted documents. What it throws
 * poisons the database like any other fault of a write.
 */
export type DigestOf = (document: Readonly<Record<string, unknown>>) => DocumentDigest;

/** One bucket: the XOR of its documents' hashes, and how many documents they are. Deleted ones do not count. */
export interface BucketDigest {
  readonly hash: bigint;
  readonly count: number;
}

/** The numbers of buckets in which two digests differ. */
export function differingBuckets(
  ours: readonly BucketDigest[],
  theirs: readonly BucketDigest[],
): readonly number[] {
  return Array.from({ length: DIGEST_BUCKETS }, (_, bucket) => bucket).filter((bucket) => {
    const [a, b] = [ours[bucket], theirs[bucket]];
    return a?.hash !== b?.hash || a?.count !== b?.count;
  });
}

const HASHES_BYTES = DIGEST_BUCKETS * 8;
const COUNTS_BYTES = DIGEST_BUCKETS * 4;

/**
 * 256 hashes and counts, changed by XOR and one at a time. As bytes: the hashes, then the counts, in the order of the
 * machine that wrote them, as are all machines Node.js is made for: little-endian.
 */
export class BucketTotals {
  readonly #bytes = new Uint8Array(HASHES_BYTES + COUNTS_BYTES);
  readonly #hashes = new BigUint64Array(this.#bytes.buffer, 0, DIGEST_BUCKETS);
  readonly #counts = new Uint32Array(this.#bytes.buffer, HASHES_BYTES, DIGEST_BUCKETS);

  /** @throws StammkundeError REP_CORRUPT for bytes of another length */
  static from(bytes: Uint8Array): BucketTotals {
    const totals = new BucketTotals();
    if (bytes.length !== totals.#bytes.length) {
      throw new StammkundeError('REP_CORRUPT', `digests of ${bytes.length} bytes`);
    }
    totals.#bytes.set(bytes);
    return totals;
  }

  add(digest: DocumentDigest): void {
    this.#change(digest, 1);
  }

  remove(digest: DocumentDigest): void {
    this.#change(digest, -1);
  }

  #change({ bucket, hash }: DocumentDigest, by: number): void {
    const [before, count] = [this.#hashes[bucket], this.#counts[bucket]];
    if (before === undefined || count === undefined)
      throw new ProgrammerError(`there is no bucket ${bucket}`);
    this.#hashes[bucket] = before ^ hash;
    this.#counts[bucket] = count + by;
  }

  list(): readonly BucketDigest[] {
    return Array.from(this.#hashes, (hash, bucket) => ({ hash, count: this.#counts[bucket] ?? 0 }));
  }

  toBytes(): Uint8Array {
    return this.#bytes;
  }
}

export const DIGESTS_TABLE = `CREATE TABLE IF NOT EXISTS rx_digest(
  collection INTEGER PRIMARY KEY, version INTEGER NOT NULL, totals BLOB NOT NULL) STRICT`;

/** Changes of one transaction to a collection's digests. */
export interface DigestChanges {
  /** False where the collection keeps no digests, and nothing below does anything. */
  readonly kept: boolean;
  /** A document is not deleted any more, or is new. */
  added(id: string, document: object): void;
  /** A document that counted so far is deleted or becomes another. */
  removed(id: string, document: object): void;
}

/** Changes that concern no one: the collection keeps no digests. */
const NOTHING_KEPT: DigestChanges = { kept: false, added: () => {}, removed: () => {} };

/** Told of each change to a document, in the transaction that makes it. */
export interface DigestListener {
  changed(id: string, digest: DocumentDigest, how: 'added' | 'removed'): void;
}

/**
 * The digests of one collection: a row of 3 KiB that is read and written with each transaction that changes a document.
 */
export class CollectionDigests {
  readonly #database: SqliteDatabase;
  readonly #layout: TableLayout;
  readonly #of: DigestOf | undefined;

  /** Makes the row where there is none, or none by this function's version: that reads through the whole collection. */
  constructor(database: SqliteDatabase, layout: TableLayout, name: string) {
    this.#database = database;
    this.#layout = layout;
    const { digests, digestVersion } = database.settings;
    const of = digests !== undefined && Object.hasOwn(digests, name) ? digests[name] : undefined;
    this.#of = of;
    database.transact(name, () => {
      database.before('open', name);
      const version = database
        .prepare('SELECT version FROM rx_digest WHERE collection=?', 'pluck')
        .get(layout.id);
      if (of === undefined) {
        // Nobody would keep them up from here on.
        if (version !== undefined)
          database.prepare('DELETE FROM rx_digest WHERE collection=?').run(layout.id);
      } else if (version !== digestVersion) {
        const totals = new BucketTotals();
        const texts = database
          .prepare(`SELECT doc FROM ${layout.documents} WHERE deleted=0`, 'pluck')
          .iterate();
        // Column doc holds what JSON.stringify made of an object.
        for (const text of texts) totals.add(of(JSON.parse(text as string) as Record<string, unknown>));
        database
          .prepare('INSERT OR REPLACE INTO rx_digest(collection, version, totals) VALUES(?,?,?)')
          .run(layout.id, digestVersion, totals.toBytes());
      }
    });
  }

  /** Runs work that changes documents and writes down what became of the digests, in the transaction of the work. */
  keepUp<R>(work: (changes: DigestChanges) => R): R {
    const of = this.#of;
    if (of === undefined) return work(NOTHING_KEPT);
    const totals = this.#read();
    const listener = this.#layout.digestListener;
    let changed = false;
    const result = work({
      kept: true,
      added: (id, document) => {
        // Documents are JSON objects; their fields are the function's own business.
        const digest = of(document as Record<string, unknown>);
        totals.add(digest);
        listener.current?.changed(id, digest, 'added');
        changed = true;
      },
      removed: (id, document) => {
        const digest = of(document as Record<string, unknown>);
        totals.remove(digest);
        listener.current?.changed(id, digest, 'removed');
        changed = true;
      },
    });
    if (changed) {
      this.#database
        .prepare('UPDATE rx_digest SET totals=? WHERE collection=?')
        .run(totals.toBytes(), this.#layout.id);
    }
    return result;
  }

  /** The 256 buckets as they stand. @throws ProgrammerError when the storage was given no function for the collection */
  list(): readonly BucketDigest[] {
    this.of();
    return this.#read().list();
  }

  /** The collection's function. @throws ProgrammerError when there is none */
  of(): DigestOf {
    if (this.#of === undefined) throw new ProgrammerError('this collection keeps no digests');
    return this.#of;
  }

  #read(): BucketTotals {
    const bytes = this.#database
      .prepare('SELECT totals FROM rx_digest WHERE collection=?', 'pluck')
      .get(this.#layout.id);
    if (!(bytes instanceof Uint8Array)) throw new StammkundeError('REP_CORRUPT', 'the digests are gone');
    return BucketTotals.from(bytes);
  }
}
