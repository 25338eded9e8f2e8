import type { HidField, HidReport, ReportDescriptor } from '../../hid/report-descriptor.ts';
import { elementWithUsage } from '../../hid/report-descriptor.ts';

/** Where the parts of a scan lie in a report, in bits from its first one, a report id included. */
export interface ScanLayout {
  /** The report that carries scans; undefined where the device uses no report ids. */
  readonly reportId: number | undefined;
  /** Decoded data, bytes one after the other. */
  readonly data: { readonly bitOffset: number; readonly bytes: number };
  /** How many of the data bytes are meant; absent: as far as they are not NUL. */
  readonly byteCount?: { readonly bitOffset: number; readonly bitSize: number };
  /** The three characters of an AIM identifier. */
  readonly aim?: readonly [number, number, number];
  /** Set when the scan goes on in the next report. */
  readonly continued?: { readonly bitOffset: number; readonly bitSize: number };
  /** Honeywell's own letter for the symbology. */
  readonly codeId?: number;
}

/** Generic Desktop, Byte Count. */
const BYTE_COUNT = { page: 0x01, id: 0x3b };
const BARCODE = 0x8c;
const SYMBOLOGY_IDENTIFIERS = [0xfb, 0xfc, 0xfd] as const;
const DECODED_DATA = { page: BARCODE, id: 0xfe };
const DECODED_DATA_CONTINUED = { page: BARCODE, id: 0xff };
/** Honeywell's vendor page, Code ID. */
const HONEYWELL_CODE_ID = { page: 0xff66, id: 4 };

/**
 * Reads off a report descriptor how a scanner lays out what it decoded (HID Usage Tables, Bar Code Scanner Page).
 * Undefined when no input report has Decoded Data in bytes: it is no HID POS scanner.
 */
export function scanLayoutOf(descriptor: ReportDescriptor): ScanLayout | undefined {
  for (const report of descriptor.reports) {
    if (report.kind !== 'input') continue;
    const data = report.fields.find(
      (field) => field.bitSize === 8 && elementWithUsage(field, DECODED_DATA) >= 0,
    );
    if (data === undefined) continue;
    const first = elementWithUsage(data, DECODED_DATA);
    const byteCount = bitsOf(report, BYTE_COUNT);
    const aim = aimIn(report);
    const continued = bitsOf(report, DECODED_DATA_CONTINUED);
    const codeId = bitsOf(report, HONEYWELL_CODE_ID);
    return {
      reportId: report.id === 0 ? undefined : report.id,
      data: { bitOffset: data.bitOffset + 8 * first, bytes: data.count - first },
      ...(byteCount === undefined ? {} : { byteCount }),
      ...(aim === undefined ? {} : { aim }),
      ...(continued === undefined ? {} : { continued }),
      ...(codeId?.bitSize === 8 ? { codeId: codeId.bitOffset } : {}),
    };
  }
  return undefined;
}

interface Bits {
  readonly bitOffset: number;
  readonly bitSize: number;
}

function bitsOf(report: HidReport, usage: { readonly page: number; readonly id: number }): Bits | undefined {
  for (const field of report.fields) {
    const index = elementWithUsage(field, usage);
    if (index >= 0 && field.bitSize <= 32) return bitsOfElement(field, index);
  }
  return undefined;
}

function bitsOfElement(field: HidField, index: number): Bits {
  return { bitOffset: field.bitOffset + index * field.bitSize, bitSize: field.bitSize };
}

/** Three fields of one byte each, or one of three bytes that names only the first of the usages. */
function aimIn(report: HidReport): readonly [number, number, number] | undefined {
  const [first, second, third] = SYMBOLOGY_IDENTIFIERS.map((id) => bitsOf(report, { page: BARCODE, id }));
  if (first === undefined || first.bitSize !== 8) return undefined;
  if (second?.bitSize === 8 && third?.bitSize === 8)
    return [first.bitOffset, second.bitOffset, third.bitOffset];
  const whole = report.fields.some(
    (field) =>
      field.bitOffset <= first.bitOffset &&
      first.bitOffset + 24 <= field.bitOffset + field.bitSize * field.count,
  );
  return whole ? [first.bitOffset, first.bitOffset + 8, first.bitOffset + 16] : undefined;
}
