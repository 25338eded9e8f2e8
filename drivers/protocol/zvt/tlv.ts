/** One data object; `value` is a view into what was read, so that it can be overwritten there. */
export interface TlvObject {
  readonly tag: number;
  readonly constructed: boolean;
  readonly value: Uint8Array;
}

export interface TlvLength {
  readonly length: number;
  /** Bytes the length itself takes. */
  readonly bytes: number;
}

/** ZVT’s form of BER lengths: up to 127 | 81 n | 82 hi lo (PA00P015, TLV container). */
export function readTlvLength(bytes: Uint8Array, at: number): TlvLength | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first <= 0x7f) return { length: first, bytes: 1 };
  const second = bytes[at + 1];
  if (first === 0x81 && second !== undefined) return { length: second, bytes: 2 };
  const third = bytes[at + 2];
  if (first === 0x82 && second !== undefined && third !== undefined) {
    return { length: (second << 8) | third, bytes: 3 };
  }
  return undefined;
}

/** Longest tag: 1F 80 xx. */
const TAG_BYTES_MAX = 3;

/**
 * The data objects of one level; `complete` is false when what follows the last of them is none. A tag has one to three
 * bytes: low five bits 1F, or the top bit of a further byte, mean that there is another.
 */
export function readTlvObjects(bytes: Uint8Array): {
  readonly objects: readonly TlvObject[];
  readonly complete: boolean;
} {
  const objects: TlvObject[] = [];
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] ?? 0;
    let tag = first;
    let tagBytes = 1;
    if ((first & 0x1f) === 0x1f) {
      let next: number | undefined;
      do {
        next = bytes[at + tagBytes];
        if (next === undefined || tagBytes === TAG_BYTES_MAX) return { objects, complete: false };
        tag = (tag << 8) | next;
        tagBytes += 1;
      } while ((next & 0x80) !== 0);
    }
    const length = readTlvLength(bytes, at + tagBytes);
    if (length === undefined) return { objects, complete: false };
    const start = at + tagBytes + length.bytes;
    const end = start + length.length;
    if (end > bytes.length) return { objects, complete: false };
    objects.push({ tag, constructed: (first & 0x20) !== 0, value: bytes.subarray(start, end) });
    at = end;
  }
  return { objects, complete: true };
}

/** @param tag such as 0x4e, 0x1f14 or 0x1f8007 */
export function encodeTlv(tag: number, value: Uint8Array): Uint8Array {
  const tagBytes = [tag >> 16, (tag >> 8) & 0xff, tag & 0xff].slice(tag > 0xffff ? 0 : tag > 0xff ? 1 : 2);
  return Uint8Array.from([...tagBytes, ...encodeTlvLength(value.length), ...value]);
}

export function encodeTlvLength(length: number): number[] {
  if (length <= 0x7f) return [length];
  if (length <= 0xff) return [0x81, length];
  return [0x82, length >> 8, length & 0xff];
}
