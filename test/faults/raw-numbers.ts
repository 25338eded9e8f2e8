import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';

/** RFC 8878, 3.1.1: how a zstd frame begins. */
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** Whether a message holds one of the texts, compressed or not. */
export function holdsOneOf(payload: Buffer, texts: readonly Buffer[]): boolean {
  const plain = unpacked(payload);
  return texts.some((text) => plain.includes(text));
}

/** A connection that loses bytes may damage what is packed; then what is there is looked at as it is. */
function unpacked(payload: Buffer): Buffer {
  if (!payload.subarray(0, 4).equals(ZSTD_MAGIC)) return payload;
  try {
    return zstdDecompressSync(payload);
  } catch {
    return payload;
  }
}

/** Those files below a folder that hold one of the texts as it is, by their paths in it. */
export function filesHolding(folder: string, texts: readonly Buffer[]): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const content = readFileSync(path);
      return texts.some((text) => content.includes(text));
    })
    .map((path) => relative(folder, path));
}
