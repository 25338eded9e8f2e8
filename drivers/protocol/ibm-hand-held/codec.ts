import type { Noise } from '../../framing/frame.ts';
import type { Symbology } from '../../symbology/symbology.ts';

/** One scan. */
export interface IbmScan {
  readonly kind: 'scan';
  readonly symbology: Symbology;
  readonly payload: Uint8Array;
}

/** A complete frame that is no scan: a status, or no data. */
export interface IbmStatus {
  readonly kind: 'status';
}

export type IbmReading = IbmScan | IbmStatus | Noise;

/**
 * Reads one report of IBM hand-held mode:
 *
 * ```
 *   length 10 03 00 data… type           type of UPC and EAN: 0D, 0A, 0C, 16; data digits, as ASCII or as 0 to 9
 *   length 10 03 00 data… 00 type 0B     any other
 * ```
 * `length` counts the whole frame, itself included; what follows it in the report is padding. One frame a report.
 * Source: frames captured from Symbol 05E0:1300 in pteich/usbsymbolreader.
 * @param report without report id
 */
export function readIbmReport(report: Uint8Array): IbmReading {
  const length = report[0] ?? 0;
  if (length < HEADER.length + 1 || length > report.length) return unframed(report);
  if (HEADER.some((byte, index) => report[index + 1] !== byte)) return unframed(report);
  const frame = report.subarray(HEADER.length + 1, length);
  if (frame.length === 0) return { kind: 'status' };
  return withLongType(frame) ?? withShortType(frame) ?? unframed(report);
}

const HEADER = [0x10, 0x03, 0x00] as const;
const LONG_TYPE_END = 0x0b;

const shortTypes: ReadonlyMap<number, { readonly symbology: Symbology; readonly digits: readonly number[] }> =
  new Map([
    [0x16, { symbology: 'ean-13', digits: [13] }],
    [0x0c, { symbology: 'ean-8', digits: [8] }],
    [0x0d, { symbology: 'upc-a', digits: [11, 12] }],
    [0x0a, { symbology: 'upc-e', digits: [6, 7, 8] }],
  ]);

const longTypes: ReadonlyMap<number, Symbology> = new Map<number, Symbology>([
  [0x0a, 'code-39'],
  [0x0c, 'ean-8'],
  [0x0d, 'itf'],
  [0x0e, 'codabar'],
  [0x18, 'code-128'],
  [0x2e, 'pdf417'],
  [0x32, 'data-matrix'],
]);

function withLongType(frame: Uint8Array): IbmScan | IbmStatus | undefined {
  const [zero, type, end] = frame.subarray(-3);
  if (frame.length < 3 || zero !== 0x00 || end !== LONG_TYPE_END || type === undefined) return undefined;
  const data = frame.slice(0, -3);
  if (data.length === 0) return { kind: 'status' };
  const symbology = longTypes.get(type) ?? 'unknown';
  return { kind: 'scan', symbology, payload: symbology === 'ean-8' ? (asDigits(data) ?? data) : data };
}

/** Undefined for a type that is not known, or data that cannot be of it. */
function withShortType(frame: Uint8Array): IbmScan | undefined {
  const type = shortTypes.get(frame[frame.length - 1] ?? 0);
  const payload = asDigits(frame.subarray(0, -1));
  if (type === undefined || payload === undefined || !type.digits.includes(payload.length)) return undefined;
  return { kind: 'scan', symbology: type.symbology, payload };
}

/** ASCII digits from ASCII digits, or from bytes 0 to 9; undefined for anything else, also for a mixture. */
function asDigits(data: Uint8Array): Uint8Array | undefined {
  if (data.every((byte) => byte >= 0x30 && byte <= 0x39)) return data.slice();
  if (data.every((byte) => byte <= 9)) return data.map((byte) => byte + 0x30);
  return undefined;
}

function unframed(report: Uint8Array): Noise {
  return { kind: 'noise', reason: 'unframed', bytes: report.length };
}
