/**
 * The order of Mango values, laid onto the order of SQLite values, so that an index of SQLite is an index of RxDB.
 *
 *   Mango   undefined < null   < number < string < object, array < boolean
 *   SQLite  NULL      < -Inf   < REAL   < TEXT   < X'01'         < X'02' false < X'03' true
 *
 * -Infinity is free to stand for null because JSON knows no infinity. Objects and arrays have no place in an index
 * of RxDB (its schemas allow strings, numbers and booleans); where one turns up, {@link encodeValue} says so and the
 * column is no longer trusted to decide anything.
 */
export type SqlValue = null | number | string | Buffer;

export const NULL_VALUE = Number.NEGATIVE_INFINITY;
const FALSE_VALUE: Buffer = Buffer.from([2]);
const TRUE_VALUE: Buffer = Buffer.from([3]);
const OPAQUE_VALUE: Buffer = Buffer.from([1]);

/**
 * JavaScript compares strings by UTF-16 code unit, SQLite by UTF-8 byte. The two differ only where a surrogate meets
 * a unit above it (U+E000–U+FFFF), and a lone surrogate has no UTF-8 at all. So each unit from 0xD800 on is moved
 * to the code point 0x100000 + unit (plane 16, four bytes, above all units left in place). The map is one to one,
 * keeps the order of code units, and its result is always well-formed. All other strings stay as they are.
 */
export function encodeText(text: string): string {
  if (!HIGH_UNIT.test(text)) return text;
  let encoded = '';
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    encoded += unit < 0xd800 ? text.charAt(i) : String.fromCodePoint(0x100000 + unit);
  }
  return encoded;
}

const HIGH_UNIT = /[\ud800-\uffff]/;

/** A string, finite number, boolean, null or undefined as SQLite shall see it; undefined for what has no exact place. */
export function encodeScalar(value: unknown): SqlValue | undefined {
  if (typeof value === 'string') return encodeText(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value === 'boolean') return value ? TRUE_VALUE : FALSE_VALUE;
  if (value === undefined) return null;
  return value === null ? NULL_VALUE : undefined;
}

/** Reads one dotted path of a document for its column. */
export class ColumnReader {
  readonly #segments: readonly string[];

  constructor(path: string) {
    this.#segments = path.split('.');
  }

  /** The column's value; `onOpaque` is told when the document holds something there that has no exact place in the order. */
  read(document: object, onOpaque: () => void): SqlValue {
    let value: unknown = document;
    for (const segment of this.#segments) {
      if (value === undefined || value === null) return null;
      if (typeof value !== 'object' || Array.isArray(value)) {
        onOpaque();
        return OPAQUE_VALUE;
      }
      value = Object.hasOwn(value, segment) ? Reflect.get(value, segment) : undefined;
    }
    // JSON writes NaN and the infinities as null; the column must say the same as the document read back.
    if (typeof value === 'number' && !Number.isFinite(value)) return NULL_VALUE;
    const encoded = encodeScalar(value);
    if (encoded !== undefined) return encoded;
    onOpaque();
    return OPAQUE_VALUE;
  }
}
