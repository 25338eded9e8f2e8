// A report descriptor is a little program; walking it gives the reports a device can send and where each field lies.
//
//   global items (page, logical range, size, count, id) ── kept, Push/Pop
//   local items  (usages)                               ── until the next main item
//   main items   (Input, Output, Feature)               ── a field of `count` elements of `bitSize` bits
//                (Collection, End Collection)           ── what the fields within belong to

/** What something is for: a page and an id of the HID Usage Tables. */
export interface HidUsage {
  readonly page: number;
  readonly id: number;
}

/** Consecutive usages of one page, both ends included. */
export interface HidUsageRange {
  readonly page: number;
  readonly first: number;
  readonly last: number;
}

export type HidReportKind = 'input' | 'output' | 'feature';

/** A collection that encloses a field. */
export interface HidCollection {
  /** 0 physical, 1 application, 2 logical, … (HID 1.11, section 6.2.2.6). */
  readonly type: number;
  /** Undefined where the descriptor gives none. */
  readonly usage: HidUsage | undefined;
}

/** One main item: `count` elements of `bitSize` bits, one after the other. */
export interface HidField {
  /** Of the first element, counted from the first bit of the report as it arrives: a report id counts as 8 bits. */
  readonly bitOffset: number;
  readonly bitSize: number;
  readonly count: number;
  /** Padding: what is in it means nothing. */
  readonly constant: boolean;
  /** True: each element is a value of its own usage. False (array): each element names a usage that is active. */
  readonly variable: boolean;
  readonly relative: boolean;
  /** A stream of bytes, not a number (HID 1.11, section 6.2.2.5, bit 8). */
  readonly bufferedBytes: boolean;
  readonly logicalMinimum: number;
  readonly logicalMaximum: number;
  /** In the order declared; for an element's own usage see {@link usageOfElement}. */
  readonly usages: readonly HidUsageRange[];
  /** Outermost first. */
  readonly collections: readonly HidCollection[];
}

export interface HidReport {
  readonly kind: HidReportKind;
  /** 0 where the device uses no report ids. */
  readonly id: number;
  /** Length on the wire, the report id included where there is one. */
  readonly bytes: number;
  readonly fields: readonly HidField[];
}

export interface ReportDescriptor {
  /** The first byte of each report is its id. */
  readonly usesReportIds: boolean;
  readonly reports: readonly HidReport[];
}

export type ReportDescriptorReading =
  | { readonly kind: 'read'; readonly descriptor: ReportDescriptor }
  /** It breaks the rules of the format, or exceeds what any device needs. */
  | { readonly kind: 'malformed'; readonly why: string; readonly atByte: number };

/** The bounds of the Linux kernel (include/linux/hid.h), which no device that works there exceeds. */
const limits = {
  descriptorBytes: 4096,
  stackDepth: 32,
  collectionDepth: 64,
  elementBits: 256,
  reportBits: 16_384 * 8,
} as const;

/** Reads a report descriptor (HID 1.11, section 6.2.2). Never throws, whatever the device says. */
export function readReportDescriptor(bytes: Uint8Array): ReportDescriptorReading {
  if (bytes.length > limits.descriptorBytes) return malformed('longer than 4096 bytes', 0);
  const walk = new Walk();
  let at = 0;
  while (at < bytes.length) {
    const item = itemAt(bytes, at);
    if (item === undefined) return malformed('an item is cut short', at);
    const why = item.long ? undefined : walk.take(item);
    if (why !== undefined) return malformed(why, at);
    at += item.bytes;
  }
  const why = walk.end();
  return why === undefined ? { kind: 'read', descriptor: walk.result() } : malformed(why, at);
}

/** The input report that arrived, found by its id; undefined when the descriptor knows none of that id. */
export function inputReportOf(descriptor: ReportDescriptor, report: Uint8Array): HidReport | undefined {
  const id = descriptor.usesReportIds ? report[0] : 0;
  return descriptor.reports.find((each) => each.kind === 'input' && each.id === id);
}

/**
 * The usage of a variable field's element `index`. With fewer usages than elements the last one goes for all that are
 * left (HID 1.11, section 6.2.2.8); undefined when there is none, or no such element.
 */
export function usageOfElement(field: HidField, index: number): HidUsage | undefined {
  if (index < 0 || index >= field.count) return undefined;
  return usageAt(field.usages, index) ?? lastOf(field.usages);
}

/** The usage an array field's element selects by its value; undefined for a value out of range, which means none. */
export function usageOfValue(field: HidField, value: number): HidUsage | undefined {
  if (value < field.logicalMinimum || value > field.logicalMaximum) return undefined;
  return usageAt(field.usages, value - field.logicalMinimum);
}

/** Index of the first element with this usage; -1 when the field has none. Only variable fields have usages to find. */
export function elementWithUsage(field: HidField, usage: HidUsage): number {
  if (!field.variable) return -1;
  let before = 0;
  for (const range of field.usages) {
    if (before >= field.count) return -1;
    if (range.page === usage.page && range.first <= usage.id && usage.id <= range.last) {
      const index = before + usage.id - range.first;
      return index < field.count ? index : -1;
    }
    before += range.last - range.first + 1;
  }
  return -1;
}

/**
 * The value of a field's element: little endian, two's complement where the logical minimum is negative (HID 1.11,
 * sections 5.8 and 8). Undefined when the report ends before, there is no such element, or it has more than 32 bits.
 */
export function elementValue(report: Uint8Array, field: HidField, index: number): number | undefined {
  if (index < 0 || index >= field.count) return undefined;
  const value = bitsAt(report, field.bitOffset + index * field.bitSize, field.bitSize);
  if (value === undefined || field.logicalMinimum >= 0 || field.bitSize === 0) return value;
  return value >= 2 ** (field.bitSize - 1) ? value - 2 ** field.bitSize : value;
}

/** An unsigned little-endian number of up to 32 bits at any bit; undefined beyond the report's end. */
export function bitsAt(report: Uint8Array, bitOffset: number, bitSize: number): number | undefined {
  if (bitSize > 32 || bitOffset + bitSize > report.length * 8) return undefined;
  let value = 0;
  let taken = 0;
  while (taken < bitSize) {
    const bit = bitOffset + taken;
    const inByte = bit & 7;
    const take = Math.min(8 - inByte, bitSize - taken);
    const part = ((report[bit >> 3] ?? 0) >> inByte) & ((1 << take) - 1);
    value += part * 2 ** taken;
    taken += take;
  }
  return value;
}

function malformed(why: string, atByte: number): ReportDescriptorReading {
  return { kind: 'malformed', why, atByte };
}

interface Item {
  readonly long: boolean;
  /** Prefix without its size bits: tag and type. */
  readonly prefix: number;
  /** Bytes of its data, 0, 1, 2 or 4. */
  readonly size: number;
  readonly unsigned: number;
  readonly signed: number;
  /** All of it, prefix included. */
  readonly bytes: number;
}

const LONG_ITEM = 0xfe;
const sizes = [0, 1, 2, 4] as const;

function itemAt(bytes: Uint8Array, at: number): Item | undefined {
  const prefix = bytes[at] ?? 0;
  if (prefix === LONG_ITEM) {
    // HID 1.11, section 6.2.2.3: size, tag, data. None is assigned, so it is stepped over.
    const size = bytes[at + 1];
    if (size === undefined || at + 3 + size > bytes.length) return undefined;
    return { long: true, prefix, size, unsigned: 0, signed: 0, bytes: 3 + size };
  }
  const size = sizes[prefix & 3] ?? 0;
  if (at + 1 + size > bytes.length) return undefined;
  let unsigned = 0;
  for (let i = 0; i < size; i += 1) unsigned += (bytes[at + 1 + i] ?? 0) * 2 ** (8 * i);
  const signed = size > 0 && unsigned >= 2 ** (8 * size - 1) ? unsigned - 2 ** (8 * size) : unsigned;
  return { long: false, prefix: prefix & 0xfc, size, unsigned, signed, bytes: 1 + size };
}

interface Globals {
  page: number;
  logicalMinimum: number;
  /** Kept both ways: which is meant depends on the minimum. */
  logicalMaximum: { readonly signed: number; readonly unsigned: number };
  reportSize: number;
  reportCount: number;
  reportId: number;
}

/** A usage as declared: only 4-byte ones carry their page, the others get the one in force at the main item. */
interface LocalUsage {
  readonly first: number;
  readonly last: number;
  readonly page: number | undefined;
}

interface ReportInProgress {
  readonly kind: HidReportKind;
  readonly id: number;
  bits: number;
  readonly fields: HidField[];
}

class Walk {
  #globals: Globals = {
    page: 0,
    logicalMinimum: 0,
    logicalMaximum: { signed: 0, unsigned: 0 },
    reportSize: 0,
    reportCount: 0,
    reportId: 0,
  };
  readonly #stack: Globals[] = [];
  #collections: readonly HidCollection[] = [];
  #usages: LocalUsage[] = [];
  #minimum: { readonly id: number; readonly page: number | undefined } | undefined;
  #delimited: 'no' | 'first' | 'rest' = 'no';
  readonly #reports = new Map<string, ReportInProgress>();
  #usesReportIds = false;

  /** @returns why the item is against the rules */
  take(item: Item): string | undefined {
    switch (item.prefix) {
      case 0x80:
        return this.#field('input', item.unsigned);
      case 0x90:
        return this.#field('output', item.unsigned);
      case 0xb0:
        return this.#field('feature', item.unsigned);
      case 0xa0:
        return this.#open(item.unsigned);
      case 0xc0:
        return this.#shut();
      case 0x04:
        this.#globals.page = item.unsigned & 0xffff;
        return undefined;
      case 0x14:
        this.#globals.logicalMinimum = item.signed;
        return undefined;
      case 0x24:
        this.#globals.logicalMaximum = { signed: item.signed, unsigned: item.unsigned };
        return undefined;
      case 0x74:
        this.#globals.reportSize = item.unsigned;
        return item.unsigned > limits.elementBits ? 'an element of more than 256 bits' : undefined;
      case 0x84:
        this.#globals.reportId = item.unsigned;
        this.#usesReportIds = true;
        return item.unsigned < 1 || item.unsigned > 255 ? 'a report id out of 1 to 255' : undefined;
      case 0x94:
        this.#globals.reportCount = item.unsigned;
        return item.unsigned > limits.reportBits ? 'more elements than a report holds' : undefined;
      case 0xa4:
        this.#stack.push({ ...this.#globals });
        return this.#stack.length > limits.stackDepth ? 'Push nested too deep' : undefined;
      case 0xb4: {
        const popped = this.#stack.pop();
        if (popped === undefined) return 'Pop without Push';
        this.#globals = popped;
        return undefined;
      }
      case 0x08:
        this.#usage({ first: idOf(item), last: idOf(item), page: pageOf(item) });
        return undefined;
      case 0x18:
        this.#minimum = { id: idOf(item), page: pageOf(item) };
        return undefined;
      case 0x28:
        return this.#range(item);
      case 0xa8:
        return this.#delimiter(item.unsigned);
      default:
        return undefined; // physical range, units, strings, what is reserved: nothing that moves a field
    }
  }

  end(): string | undefined {
    if (this.#collections.length > 0) return 'a collection is not ended';
    return undefined;
  }

  result(): ReportDescriptor {
    return {
      usesReportIds: this.#usesReportIds,
      reports: [...this.#reports.values()].map(({ kind, id, bits, fields }) => ({
        kind,
        id,
        bytes: Math.ceil(bits / 8),
        fields,
      })),
    };
  }

  #field(kind: HidReportKind, flags: number): string | undefined {
    const { reportSize, reportCount, reportId, logicalMinimum, logicalMaximum, page } = this.#globals;
    const key = `${kind} ${reportId}`;
    const report = this.#reports.get(key) ?? { kind, id: reportId, bits: reportId > 0 ? 8 : 0, fields: [] };
    this.#reports.set(key, report);
    const bits = reportSize * reportCount;
    if (report.bits + bits > limits.reportBits) return 'a report of more than 16384 bytes';
    if (bits > 0) {
      report.fields.push({
        bitOffset: report.bits,
        bitSize: reportSize,
        count: reportCount,
        constant: (flags & 0x01) !== 0,
        variable: (flags & 0x02) !== 0,
        relative: (flags & 0x04) !== 0,
        bufferedBytes: (flags & 0x100) !== 0,
        logicalMinimum,
        // 25 FF is meant as 255 wherever the minimum is not negative: what devices do, and what kernels understand.
        logicalMaximum: logicalMinimum < 0 ? logicalMaximum.signed : logicalMaximum.unsigned,
        usages: this.#usages.map((usage) => ({
          page: usage.page ?? page,
          first: usage.first,
          last: usage.last,
        })),
        collections: this.#collections,
      });
    }
    report.bits += bits;
    this.#forgetLocals();
    return undefined;
  }

  #open(type: number): string | undefined {
    const [usage] = this.#usages;
    this.#collections = [
      ...this.#collections,
      {
        type: type & 0xff,
        usage: usage === undefined ? undefined : { page: usage.page ?? this.#globals.page, id: usage.first },
      },
    ];
    this.#forgetLocals();
    return this.#collections.length > limits.collectionDepth ? 'collections nested too deep' : undefined;
  }

  #shut(): string | undefined {
    if (this.#collections.length === 0) return 'End Collection without Collection';
    this.#collections = this.#collections.slice(0, -1);
    this.#forgetLocals();
    return undefined;
  }

  /** Of alternatives for one control the first is the preferred one (HID 1.11, section 6.2.2.8), and enough. */
  #usage(usage: LocalUsage): void {
    if (this.#delimited === 'rest') return;
    if (this.#delimited === 'first') this.#delimited = 'rest';
    this.#usages.push(usage);
  }

  #range(item: Item): string | undefined {
    const minimum = this.#minimum;
    if (minimum === undefined) return 'Usage Maximum without Usage Minimum';
    this.#minimum = undefined;
    const last = idOf(item);
    if (last < minimum.id) return 'Usage Maximum below Usage Minimum';
    this.#usage({ first: minimum.id, last, page: pageOf(item) ?? minimum.page });
    return undefined;
  }

  #delimiter(open: number): string | undefined {
    if ((open === 1) === (this.#delimited !== 'no')) return 'delimiters do not pair';
    this.#delimited = open === 1 ? 'first' : 'no';
    return undefined;
  }

  #forgetLocals(): void {
    this.#usages = [];
    this.#minimum = undefined;
    this.#delimited = 'no';
  }
}

function idOf(item: Item): number {
  return item.unsigned & 0xffff;
}

function pageOf(item: Item): number | undefined {
  return item.size === 4 ? item.unsigned >>> 16 : undefined;
}

function usageAt(ranges: readonly HidUsageRange[], index: number): HidUsage | undefined {
  let left = index;
  for (const { page, first, last } of ranges) {
    const length = last - first + 1;
    if (left < length) return { page, id: first + left };
    left -= length;
  }
  return undefined;
}

function lastOf(ranges: readonly HidUsageRange[]): HidUsage | undefined {
  const last = ranges.at(-1);
  return last === undefined ? undefined : { page: last.page, id: last.last };
}
