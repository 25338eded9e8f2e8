import type { HidField, ReportDescriptor } from '../../hid/report-descriptor.ts';
import { usageOfElement, usageOfValue } from '../../hid/report-descriptor.ts';

/** Keys of an input report that are told in the same way. Bit offsets count from its first byte, a report id included. */
export interface KeyField {
  /**
   * `slots`: each holds the number of a key that is down, or none. `bits`: one for each key – the modifiers, and all
   * keys of keyboards with n-key rollover.
   */
  readonly kind: 'slots' | 'bits';
  readonly bitOffset: number;
  /** Bits of one slot; 1 for bits. */
  readonly bitSize: number;
  readonly count: number;
  /** Usages of the bits in turn, or of the slots' values from `valueMin`; 0 means no key. */
  readonly usages: readonly number[];
  readonly valueMin: number;
}

/** One input report that tells which keys are down. */
export interface KeyboardReportFormat {
  /** First byte of the report, for devices whose reports are numbered. */
  readonly reportId: number | undefined;
  readonly fields: readonly KeyField[];
}

/** Which keys a report says are down, in the report's order. */
export interface KeysDown {
  /** One bit each: left Control 01, Shift 02, Alt 04, GUI 08, the right ones 10 to 80. */
  readonly modifiers: number;
  readonly keys: readonly number[];
}

const MODIFIERS = [0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7];
const FIRST_MODIFIER = 0xe0;
/** Roll-over, failed self-test, undefined error: the keyboard cannot tell which keys are down (HUT 1.5, section 10). */
const ERROR_MAX = 0x03;

/** The boot protocol (HID 1.11, appendix B.1): `[modifiers][reserved][key 1] … [key 6]`. */
export const bootKeyboardReport: KeyboardReportFormat = {
  reportId: undefined,
  fields: [
    { kind: 'bits', bitOffset: 0, bitSize: 1, count: 8, usages: MODIFIERS, valueMin: 0 },
    {
      kind: 'slots',
      bitOffset: 16,
      bitSize: 8,
      count: 6,
      usages: Array.from({ length: 256 }, (_, usage) => usage),
      valueMin: 0,
    },
  ],
};

const KEYBOARD_PAGE = 0x07;
/** More than any keyboard has; a descriptor that declares more is not believed. */
const ELEMENTS_MAX = 512;

/** The reports in which a device tells of keys; empty when its descriptor knows none. */
export function keyboardReports(descriptor: ReportDescriptor): readonly KeyboardReportFormat[] {
  return descriptor.reports
    .filter(({ kind }) => kind === 'input')
    .map((report) => ({
      reportId: descriptor.usesReportIds ? report.id : undefined,
      fields: report.fields.filter(isKeyField).map(keyField),
    }))
    .filter(({ fields }) => fields.length > 0);
}

function isKeyField({ constant, relative, usages, count, bitSize, variable }: HidField): boolean {
  return (
    !constant &&
    !relative &&
    count <= ELEMENTS_MAX &&
    (variable ? bitSize === 1 : bitSize <= 16) &&
    usages.some(({ page }) => page === KEYBOARD_PAGE)
  );
}

function keyField(field: HidField): KeyField {
  const { bitOffset, bitSize, count, logicalMinimum, logicalMaximum, variable } = field;
  const values = variable ? count : Math.min(ELEMENTS_MAX, logicalMaximum - logicalMinimum + 1);
  return {
    kind: variable ? 'bits' : 'slots',
    bitOffset,
    bitSize,
    count,
    usages: Array.from({ length: Math.max(0, values) }, (_, i) => {
      const usage = variable ? usageOfElement(field, i) : usageOfValue(field, logicalMinimum + i);
      return usage?.page === KEYBOARD_PAGE ? usage.id : 0;
    }),
    valueMin: variable ? 0 : logicalMinimum,
  };
}

/** The keys a report says are down; undefined where it reports an error instead. */
export function readKeyboardReport(format: KeyboardReportFormat, report: Uint8Array): KeysDown | undefined {
  const keys: number[] = [];
  let modifiers = 0;
  for (const { kind, bitOffset, bitSize, count, usages, valueMin } of format.fields) {
    for (let i = 0; i < count; i += 1) {
      const value = bitsAt(report, bitOffset + i * bitSize, bitSize);
      if (kind === 'bits' && value === 0) continue;
      const usage = usages[kind === 'bits' ? i : value - valueMin] ?? 0;
      if (usage === 0) continue;
      if (usage <= ERROR_MAX) return undefined;
      const modifier = MODIFIERS.includes(usage) ? 1 << (usage - FIRST_MODIFIER) : 0;
      if (modifier !== 0) modifiers |= modifier;
      else if (!keys.includes(usage)) keys.push(usage);
    }
  }
  return { modifiers, keys };
}

/** Up to 16 bits, least significant first (HID 1.11, section 5.8); what a short report leaves out is zero. */
function bitsAt(report: Uint8Array, bitOffset: number, bitSize: number): number {
  const byte = bitOffset >> 3;
  const window = (report[byte] ?? 0) | ((report[byte + 1] ?? 0) << 8) | ((report[byte + 2] ?? 0) << 16);
  return (window >> (bitOffset & 7)) & ((1 << bitSize) - 1);
}
