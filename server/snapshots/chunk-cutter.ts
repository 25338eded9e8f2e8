import { hash } from 'node:crypto';

/** Where the cuts between chunks lie. */
export interface CutRule {
  /** No cut before so many documents, save at the end. */
  readonly documentsMin: number;
  /** Beyond those, documents to the next cut on average. */
  readonly documentsMean: number;
  /** A cut at the latest after so many documents. */
  readonly documentsMax: number;
  /** A cut at the latest before the text grows beyond so many bytes. */
  readonly textBytesMax: number;
}

/** Some 6,000 documents, a good megabyte of text. */
export const CUT_RULE: CutRule = {
  documentsMin: 2_048,
  documentsMean: 4_096,
  documentsMax: 16_384,
  textBytesMax: 4 * 1024 * 1024,
};

/** A chunk before it is compressed. */
export interface CutChunk {
  readonly text: string;
  readonly documents: number;
  readonly first: string;
  readonly last: string;
}

/**
 * Cuts documents, given in the order of their keys, into chunks. Where it cuts is decided by the key at that place, not
 * by counting from the beginning: a customer who comes or goes changes the chunk they belong to and at most a few
 * after it, until the next key both cut at. So the snapshots of two days share what did not change.
 */
export class ChunkCutter {
  readonly #rule: CutRule;
  #lines: string[] = [];
  #bytes = 0;
  #first = '';
  #last = '';

  constructor(rule: CutRule = CUT_RULE) {
    this.#rule = rule;
  }

  /** Adds a document; returns the chunk that ends before it, if one does. */
  add(key: string, document: object): CutChunk | undefined {
    const line = `${JSON.stringify(document)}\n`;
    const bytes = Buffer.byteLength(line);
    const cut = this.#cutsBefore(key, bytes) ? this.end() : undefined;
    if (this.#lines.length === 0) this.#first = key;
    this.#lines.push(line);
    this.#bytes += bytes;
    this.#last = key;
    return cut;
  }

  /** What is left, if anything is. */
  end(): CutChunk | undefined {
    if (this.#lines.length === 0) return undefined;
    const chunk = {
      text: this.#lines.join(''),
      documents: this.#lines.length,
      first: this.#first,
      last: this.#last,
    };
    this.#lines = [];
    this.#bytes = 0;
    return chunk;
  }

  #cutsBefore(key: string, bytes: number): boolean {
    const { documentsMin, documentsMean, documentsMax, textBytesMax } = this.#rule;
    const count = this.#lines.length;
    if (count === 0) return false;
    if (count >= documentsMax || this.#bytes + bytes > textBytesMax) return true;
    return count >= documentsMin && hash('md5', key, 'buffer').readUInt32LE(4) % documentsMean === 0;
  }
}
