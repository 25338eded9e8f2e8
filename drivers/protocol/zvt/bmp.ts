import { readTlvLength } from './tlv.ts';

/** One field of a message; `value` is a view into what was read, so that it can be overwritten there. */
export interface BmpField {
  readonly bmp: number;
  readonly value: Uint8Array;
}

/** BMP 06: the TLV container. */
export const TLV_CONTAINER = 0x06;

/**
 * Lengths of fields (PA00P015 rev. 13.11, summary of utilised BMPs). `ll` and `lll`: two or three bytes F0–F9 before
 * the data, one decimal digit each. 2E is `lll` by the specification; some implementations read `ll`.
 */
const lengths: Readonly<Record<number, number | 'll' | 'lll' | 'tlv'>> = {
  ...every(1, 0x01, 0x02, 0x03, 0x05, 0x19, 0x27, 0x72, 0x73, 0x74, 0x75, 0x8a, 0x8c, 0xa0),
  ...every(1, 0xd0, 0xd2, 0xd3, 0xe0, 0xe9, 0xea, 0xf0, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd),
  ...every(2, 0x0d, 0x0e, 0x17, 0x3a, 0x49, 0x87),
  ...every(3, 0x0b, 0x0c, 0x37, 0x3d, 0x88, 0xaa),
  ...every(4, 0x29, 0x70, 0x71),
  ...every(5, 0xba),
  ...every(6, 0x04),
  ...every(8, 0x3b, 0xeb),
  ...every(15, 0x2a),
  ...every('ll', 0x22, 0x23, 0x2d, 0x4c, 0x8b, 0xa7, 0xd1),
  ...every('ll', 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8),
  ...every('ll', 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8),
  ...every('lll', 0x24, 0x2e, 0x3c, 0x60, 0x9a, 0xaf),
  [TLV_CONTAINER]: 'tlv',
};

function every<T>(length: T, ...bmps: readonly number[]): Record<number, T> {
  return Object.fromEntries(bmps.map((bmp) => [bmp, length]));
}

/**
 * The fields of a message, in order; `complete` is false when what follows the last of them is no field this table
 * knows the length of: nothing behind it can be found.
 */
export function readBmpFields(data: Uint8Array): {
  readonly fields: readonly BmpField[];
  readonly complete: boolean;
} {
  const fields: BmpField[] = [];
  let at = 0;
  while (at < data.length) {
    const bmp = data[at] ?? 0;
    const extent = readLength(data, at + 1, lengths[bmp]);
    if (extent === undefined) return { fields, complete: false };
    const start = at + 1 + extent.bytes;
    const end = start + extent.length;
    if (end > data.length) return { fields, complete: false };
    fields.push({ bmp, value: data.subarray(start, end) });
    at = end;
  }
  return { fields, complete: true };
}

function readLength(
  data: Uint8Array,
  at: number,
  form: number | 'll' | 'lll' | 'tlv' | undefined,
): { readonly length: number; readonly bytes: number } | undefined {
  switch (form) {
    case undefined:
      return undefined;
    case 'll':
      return readDecimal(data, at, 2);
    case 'lll':
      return readDecimal(data, at, 3);
    case 'tlv':
      return readTlvLength(data, at);
    default:
      return { length: form, bytes: 0 };
  }
}

function readDecimal(
  data: Uint8Array,
  at: number,
  digits: number,
): { readonly length: number; readonly bytes: number } | undefined {
  let length = 0;
  for (let i = 0; i < digits; i += 1) {
    const byte = data[at + i];
    if (byte === undefined || byte < 0xf0 || byte > 0xf9) return undefined;
    length = length * 10 + (byte & 0x0f);
  }
  return { length, bytes: digits };
}

/** @throws RangeError when the value does not have the length this field has */
export function encodeBmp(bmp: number, value: Uint8Array): Uint8Array {
  const form = lengths[bmp];
  if (form === 'll' || form === 'lll') {
    const width = form.length;
    if (value.length >= 10 ** width) throw new RangeError('the value is too long for its field');
    const digits = Array.from(String(value.length).padStart(width, '0'), (digit) => 0xf0 | Number(digit));
    return Uint8Array.from([bmp, ...digits, ...value]);
  }
  if (form !== value.length) throw new RangeError('the value does not have the length of its field');
  return Uint8Array.from([bmp, ...value]);
}
