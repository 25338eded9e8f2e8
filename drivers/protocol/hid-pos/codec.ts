import type { Noise } from '../../framing/frame.ts';
import { bitsAt } from '../../hid/report-descriptor.ts';
import { readAim } from '../../symbology/aim.ts';
import type { Symbology } from '../../symbology/symbology.ts';
import { REPLY_CODE_ID, symbologyOfCodeId } from './honeywell-code-id.ts';
import type { ScanLayout } from './layout.ts';

export interface HidPosDecoding {
  readonly layout: ScanLayout;
  /** Longest scan in bytes; the rest of a longer one is noise until its last report. */
  readonly limitBytes: number;
  /** A CR, LF or CR LF the scanner was set up to add is taken off the end. */
  readonly stripSuffix: boolean;
  /** `auto`: data that begins with an AIM identifier is read so, where the layout has no place of its own for it. */
  readonly aimInData: 'auto' | 'none';
  /** What arrives before is left over from before the device was opened, perhaps another customer's. */
  readonly staleUntilMonotonicMs: number;
}

/** One complete scan. */
export interface HidPosScan {
  readonly kind: 'scan';
  readonly payload: Uint8Array;
  /** Three characters, such as `]E0`; undefined when the scanner sent none that is assigned. */
  readonly aim: string | undefined;
  /** Undefined where the scanner does not tell. */
  readonly symbology: Symbology | undefined;
}

/** A complete frame that is no scan: the scanner answers a command, or sends no data. */
export interface HidPosReply {
  readonly kind: 'reply';
}

export type HidPosPiece = HidPosScan | HidPosReply | Noise;

/** Parts of one scan follow each other at once; later than this, ms, they are of another. */
export const CHAIN_GAP_MS = 1000;

/**
 * Reports of a HID POS scanner become scans.
 *
 * ```
 *   report → part (data, AIM identifier, continued?)
 *     none ──continued──► collecting ──last──► scan or reply
 *       │                     └── other identifier, gap, malformed report: noise
 *       └──stale or overlong, continued──► skipping ──last──► none
 * ```
 */
export class HidPosDecoder {
  readonly #decoding: HidPosDecoding;
  #chain: Chain | undefined;

  constructor(decoding: HidPosDecoding) {
    this.#decoding = decoding;
  }

  /** Whether the next part of a scan is awaited. */
  get unfinished(): boolean {
    return this.#chain !== undefined;
  }

  /** @param atMonotonicMs when the report arrived */
  push(report: Uint8Array, atMonotonicMs: number): readonly HidPosPiece[] {
    const part = partOf(this.#decoding.layout, report);
    switch (part.kind) {
      case 'other':
        return [];
      case 'malformed':
        return [...this.discard(), ...noise('unframed', report.length)];
      case 'part':
        return this.#take(part, atMonotonicMs);
    }
  }

  /** Gives up a scan whose next part does not come. */
  discard(): readonly Noise[] {
    const chain = this.#chain;
    this.#chain = undefined;
    return chain?.kind === 'collecting' ? noise('unfinished', chain.bytes) : [];
  }

  #take(part: Part, atMonotonicMs: number): readonly HidPosPiece[] {
    const before = this.#belongs(part, atMonotonicMs) ? [] : this.discard();
    return [...before, ...this.#append(part, atMonotonicMs)];
  }

  #belongs(part: Part, atMonotonicMs: number): boolean {
    const chain = this.#chain;
    return (
      chain !== undefined && chain.aim === part.aim && atMonotonicMs - chain.lastAtMonotonicMs <= CHAIN_GAP_MS
    );
  }

  #append(part: Part, atMonotonicMs: number): readonly HidPosPiece[] {
    const { staleUntilMonotonicMs, limitBytes } = this.#decoding;
    const chain = this.#chain;
    if (atMonotonicMs < staleUntilMonotonicMs) {
      this.#skip(part, atMonotonicMs);
      return noise('unframed', part.data.length);
    }
    if (chain?.kind === 'skipping') {
      this.#skip(part, atMonotonicMs);
      return noise('excess', part.data.length);
    }
    const parts = chain?.parts ?? [];
    const bytes = (chain?.bytes ?? 0) + part.data.length;
    if (bytes > limitBytes) {
      this.#skip(part, atMonotonicMs);
      return noise('overlong', bytes);
    }
    if (part.data.length > 0) parts.push(part.data); // so their number is bounded as well
    if (part.continued) {
      this.#chain = { kind: 'collecting', aim: part.aim, parts, bytes, lastAtMonotonicMs: atMonotonicMs };
      return [];
    }
    this.#chain = undefined;
    return [this.#finished(part, Buffer.concat(parts, bytes))];
  }

  #skip(part: Part, lastAtMonotonicMs: number): void {
    this.#chain = part.continued ? { kind: 'skipping', aim: part.aim, lastAtMonotonicMs } : undefined;
  }

  #finished({ aim, codeId }: Part, data: Uint8Array): HidPosPiece {
    const { stripSuffix, aimInData, layout } = this.#decoding;
    const payload = stripSuffix ? withoutSuffix(data) : data;
    const own = codeId === undefined ? undefined : symbologyOfCodeId(codeId);
    const reading =
      aim !== undefined
        ? readAim(Buffer.concat([Buffer.from(aim, 'latin1'), payload]))
        : layout.aim === undefined && aimInData === 'auto'
          ? readAim(payload)
          : ({ kind: 'none' } as const);
    if (codeId === REPLY_CODE_ID && (aim === undefined || aim === ']X0')) return { kind: 'reply' };
    switch (reading.kind) {
      case 'reply':
        return { kind: 'reply' };
      case 'none':
        return payload.length === 0
          ? { kind: 'reply' }
          : { kind: 'scan', payload, aim: undefined, symbology: own };
      case 'data':
        if (reading.payload.length === 0) return { kind: 'reply' };
        return {
          kind: 'scan',
          payload: reading.payload,
          aim: reading.aim,
          symbology: reading.symbology === 'unknown' ? own : reading.symbology,
        };
    }
  }
}

type Chain =
  | {
      readonly kind: 'collecting';
      readonly aim: string | undefined;
      readonly parts: Uint8Array[];
      readonly bytes: number;
      readonly lastAtMonotonicMs: number;
    }
  | {
      /** Reports that belong to something already given up. */
      readonly kind: 'skipping';
      readonly aim: string | undefined;
      readonly lastAtMonotonicMs: number;
      readonly parts?: undefined;
      readonly bytes?: undefined;
    };

interface Part {
  readonly kind: 'part';
  readonly aim: string | undefined;
  readonly data: Uint8Array;
  readonly continued: boolean;
  readonly codeId: number | undefined;
}

/** What one report says. `other`: a report that carries no scans. */
function partOf(
  layout: ScanLayout,
  report: Uint8Array,
): Part | { readonly kind: 'other' } | { readonly kind: 'malformed' } {
  if (layout.reportId !== undefined && report[0] !== layout.reportId && report.length > 0)
    return { kind: 'other' };
  const continued = layout.continued === undefined ? 0 : at(report, layout.continued);
  const byteCount = layout.byteCount === undefined ? undefined : at(report, layout.byteCount);
  if (continued === undefined || (layout.byteCount !== undefined && byteCount === undefined))
    return { kind: 'malformed' };
  const goesOn = continued !== 0;
  const data = dataIn(layout, report, byteCount, goesOn);
  if (data === undefined) return { kind: 'malformed' };
  return {
    kind: 'part',
    aim: aimIn(layout, report),
    data,
    continued: goesOn,
    codeId: layout.codeId === undefined ? undefined : bitsAt(report, layout.codeId, 8),
  };
}

function at(
  report: Uint8Array,
  bits: { readonly bitOffset: number; readonly bitSize: number },
): number | undefined {
  return bitsAt(report, bits.bitOffset, bits.bitSize);
}

/** Undefined when the report ends before what it claims to hold. */
function dataIn(
  layout: ScanLayout,
  report: Uint8Array,
  byteCount: number | undefined,
  continued: boolean,
): Uint8Array | undefined {
  const { bitOffset, bytes } = layout.data;
  const length = byteCount ?? bytes;
  if (length > bytes || bitOffset + length * 8 > report.length * 8) return undefined;
  const data =
    bitOffset % 8 === 0
      ? report.slice(bitOffset / 8, bitOffset / 8 + length)
      : Uint8Array.from({ length }, (_, index) => bitsAt(report, bitOffset + index * 8, 8) ?? 0);
  // Without a count the last report is filled up with NUL; one that goes on is full.
  return byteCount === undefined && !continued ? withoutNuls(data) : data;
}

function aimIn({ aim }: ScanLayout, report: Uint8Array): string | undefined {
  if (aim === undefined) return undefined;
  const text = String.fromCharCode(...aim.map((bitOffset) => bitsAt(report, bitOffset, 8) ?? 0));
  return text.startsWith(']') ? text : undefined;
}

function withoutNuls(data: Uint8Array): Uint8Array {
  let length = data.length;
  while (length > 0 && data[length - 1] === 0) length -= 1;
  return data.subarray(0, length);
}

function withoutSuffix(data: Uint8Array): Uint8Array {
  let length = data.length;
  if (data[length - 1] === 0x0a) length -= 1;
  if (data[length - 1] === 0x0d) length -= 1;
  return data.subarray(0, length);
}

function noise(reason: Noise['reason'], bytes: number): readonly Noise[] {
  return bytes === 0 ? [] : [{ kind: 'noise', reason, bytes }];
}
