import { createHash } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';

/** RFC 8878, 3.1.1. */
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * What happened, line by line, and a hash of it: two runs of a world are the same if their hashes are. Numbers of
 * transactions count from the beginning of the world, for the engine below goes on counting from world to world; what its
 * own clock says of them is left out.
 */
export class Trace {
  readonly #hash = createHash('sha256');
  readonly #nowMs: () => number;
  readonly #tell: ((line: string) => void) | undefined;
  #firstXid = 0n;
  lines = 0;

  constructor(nowMs: () => number, tell?: (line: string) => void) {
    this.#nowMs = nowMs;
    this.#tell = tell;
  }

  /** The number of the first transaction of this world. */
  begin(firstXid: string): void {
    this.#firstXid = BigInt(firstXid);
  }

  add(what: string): void {
    const line = `${this.#nowMs().toFixed(3)} ${this.plain(what)}`;
    this.lines += 1;
    this.#hash.update(line).update('\n');
    this.#tell?.(line);
  }

  /** The SHA-256 of all lines so far, as 64 hexadecimal digits. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }

  /** With numbers of transactions counted from the beginning of the world, and without times of the engine's own. */
  plain(text: string): string {
    return text
      .replaceAll(/(\\?"xid\\?":\\?")(\d+)/g, (_all, name: string, xid: string) => {
        const no = BigInt(xid);
        return `${name}${String(no < this.#firstXid ? no : no - this.#firstXid)}`;
      })
      .replaceAll(/"signature":"[^"]*"/g, '"signature":""')
      .replaceAll(/"(since|preparedAt)":"[^"]*"/g, (_all, name: string) => `"${name}":""`);
  }
}

/** What a payload says, as text. */
export function textOf(payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return (bytes.subarray(0, 4).equals(ZSTD_MAGIC) ? zstdDecompressSync(bytes) : bytes).toString('utf8');
}
