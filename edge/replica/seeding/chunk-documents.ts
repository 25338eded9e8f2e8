import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { ProgrammerError, StammkundeError } from '../../../foundation/errors.ts';
import { checkerOf } from '../../../foundation/schema-checker.ts';
import type { Checker } from '../../../foundation/schema-checker.ts';
import { replicaCollections } from '../../../sync/contract/replica-documents.ts';
import type { ReplicaDocuments } from '../../../sync/contract/replica-documents.ts';
import type { SnapshotChunk, SnapshotCollection } from '../../../sync/contract/snapshot.ts';
import { parseJson } from '../../../sync/contract/wire.ts';

const decompress = promisify(zstdDecompress);

const checkers: Readonly<Record<SnapshotCollection, Checker>> = {
  credentials: checkerOf(replicaCollections.credentials.document),
  customers: checkerOf(replicaCollections.customers.document),
};

/** A document of one of the collections, checked. */
export type SnapshotDocument = ReplicaDocuments[SnapshotCollection];

/**
 * The documents of one chunk, a few at a time, so that no slice of work is long. They are what the manifest says:
 * of the schema, in the strict order of their keys, from the first to the last.
 */
export class ChunkDocuments {
  readonly #chunk: SnapshotChunk;
  readonly #text: string;
  #at = 0;
  #taken = 0;
  #lastKey = '';

  private constructor(chunk: SnapshotChunk, text: string) {
    this.#chunk = chunk;
    this.#text = text;
  }

  /** Unpacks a chunk in another thread. @throws StammkundeError REP_CHUNK_WRONG */
  static async unpack(chunk: SnapshotChunk, bytes: Uint8Array): Promise<ChunkDocuments> {
    try {
      const text = await decompress(bytes, { maxOutputLength: chunk.unpackedBytes });
      if (text.length !== chunk.unpackedBytes) throw new RangeError('shorter than it should be');
      return new ChunkDocuments(chunk, text.toString());
    } catch (error) {
      throw new StammkundeError('REP_CHUNK_WRONG', `chunk ${chunk.sha256} cannot be unpacked`, {
        cause: error,
      });
    }
  }

  /** Documents that were taken or skipped. */
  get taken(): number {
    return this.#taken;
  }

  /** Passes over documents that were loaded before. @throws StammkundeError REP_CHUNK_WRONG */
  skip(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const line = this.#nextLine();
      // Only the last one's key is needed, for the order of what follows.
      if (n === count - 1) this.#lastKey = this.#keyOf(parseJson(line));
    }
  }

  /**
   * The next documents, fewer than `count` at the end only.
   * @throws StammkundeError REP_CHUNK_WRONG for one that does not fit, and for the chunk's end where it should not be
   */
  take(count: number): SnapshotDocument[] {
    const documents: SnapshotDocument[] = [];
    const check = checkers[this.#chunk.collection];
    while (documents.length < count && this.#at < this.#text.length) {
      const document = parseJson(this.#nextLine());
      if (!check(document)) throw this.#wrong(`document ${this.#taken} does not fit`);
      const key = this.#keyOf(document);
      if (this.#taken === 1 ? key !== this.#chunk.first : key <= this.#lastKey) {
        throw this.#wrong(`document ${this.#taken} is out of order`);
      }
      this.#lastKey = key;
      // Checked just above.
      documents.push(document as SnapshotDocument);
    }
    if (this.#at >= this.#text.length) this.#assertWhole();
    return documents;
  }

  #nextLine(): string {
    const end = this.#text.indexOf('\n', this.#at);
    if (end < 0) throw this.#wrong('it ends within a document');
    const line = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    this.#taken += 1;
    return line;
  }

  #keyOf(document: unknown): string {
    const { primaryKey } = replicaCollections[this.#chunk.collection];
    const key: unknown =
      typeof document === 'object' && document !== null && Reflect.get(document, primaryKey);
    if (typeof key !== 'string') throw new ProgrammerError('a document that was checked has no key');
    return key;
  }

  #assertWhole(): void {
    const { documents, last } = this.#chunk;
    if (this.#taken !== documents || this.#lastKey !== last) {
      throw this.#wrong(`it ends after ${this.#taken} of ${documents} documents`);
    }
  }

  #wrong(what: string): StammkundeError {
    return new StammkundeError('REP_CHUNK_WRONG', `chunk ${this.#chunk.sha256}: ${what}`);
  }
}
