import type { Noise } from '../../framing/frame.ts';
import type { StripeReading, StripeTrack } from './stripe-reading.ts';
import { readTrackText, swipeOf, trackField } from './stripe-reading.ts';
import type { TrackNumber } from './tracks.ts';

/** Card data of the longest frame: three tracks, clear and encrypted, hashes, serial numbers, with room to spare. */
const CARD_DATA_MAX = 1024;
const STX = 0x02;
const ETX = 0x03;
/** STX, two bytes of length; LRC, checksum, ETX. */
const AROUND = 6;

/** A complete frame with both its checks right, or bytes that are none. */
export type IdTechPiece = { readonly kind: 'frame'; readonly bytes: Uint8Array } | Noise;

/**
 * Cuts ID TECH's binary output out of a stream of reports or bytes; pure, and the same for any split of them.
 *
 * ```
 *   02 | length, low byte first | card data | LRC: XOR of the card data | their sum, mod 256 | 03
 * ```
 * NUL between frames fills up reports and means nothing. What begins like a frame and is none is searched for one.
 */
export class IdTechFramer {
  readonly #held = new Uint8Array(CARD_DATA_MAX + AROUND);
  #length = 0;
  #noise = 0;

  get unfinished(): boolean {
    return this.#length > 0;
  }

  push(chunk: Uint8Array): readonly IdTechPiece[] {
    const out: IdTechPiece[] = [];
    for (const byte of chunk) this.#take(byte, out);
    this.#endNoise(out);
    return out;
  }

  /** What was begun does not go on: it is noise. */
  discard(): readonly Noise[] {
    const bytes = this.#length;
    this.wipe();
    return bytes === 0 ? [] : [{ kind: 'noise', reason: 'unfinished', bytes }];
  }

  wipe(): void {
    this.#held.fill(0);
    this.#length = 0;
  }

  #take(byte: number, out: IdTechPiece[]): void {
    if (this.#length === 0 && byte !== STX) {
      if (byte !== 0) this.#noise += 1;
      return;
    }
    this.#held[this.#length] = byte;
    this.#length += 1;
    while (this.#length > 0 && !this.#settle(out)) this.#dropFirst();
  }

  /** Whether what is held may still become a frame, or has become one. */
  #settle(out: IdTechPiece[]): boolean {
    if (this.#held[0] !== STX) return false;
    if (this.#length < 3) return true;
    const total = cardDataBytes(this.#held) + AROUND;
    if (total > this.#held.length || total < AROUND + SHORTEST_CARD_DATA) return false;
    if (this.#length < total) return true;
    const bytes = this.#held.slice(0, total);
    if (!checksAreRight(bytes)) return false;
    this.#endNoise(out);
    out.push({ kind: 'frame', bytes });
    this.#held.copyWithin(0, total, this.#length);
    this.#held.fill(0, this.#length - total, this.#length);
    this.#length -= total;
    return true;
  }

  #dropFirst(): void {
    let next = this.#held.indexOf(STX, 1);
    if (next < 0 || next > this.#length) next = this.#length;
    this.#noise += next;
    this.#held.copyWithin(0, next, this.#length);
    this.#held.fill(0, this.#length - next, this.#length);
    this.#length -= next;
  }

  #endNoise(out: IdTechPiece[]): void {
    if (this.#noise > 0) out.push({ kind: 'noise', reason: 'unframed', bytes: this.#noise });
    this.#noise = 0;
  }
}

/** Encode type, track status, three lengths. */
const SHORTEST_CARD_DATA = 5;

/**
 * What a frame of {@link IdTechFramer} says.
 *
 * ```
 *   3 encode type (80 and above: enhanced) | 4 track status: bits 0–2 decoded, 3–5 sampled | 5–7 lengths of the tracks
 *   enhanced: 8 bits 0–2 clear or masked data present | 9 bits 0–2 encrypted, 3–5 hashed, 6 session id, 7 KSN present
 *   then the tracks, and whatever is encrypted
 * ```
 * Source: ID TECH SecureMag manual 80096504, 10.6 and 10.7. In the original format there is nothing after the tracks
 * unless they are encrypted.
 */
export function readIdTechFrame(frame: Uint8Array): StripeReading {
  const end = 3 + cardDataBytes(frame);
  const type = frame[3] ?? 0;
  const status = frame[4] ?? 0;
  const enhanced = (type & 0x80) !== 0;
  const present = enhanced ? (frame[8] ?? 0) : 0x07;
  const encrypted = enhanced ? (frame[9] ?? 0) & 0x3f : 0;
  if (encrypted !== 0 || (type & 0x7f) === RAW) return { kind: 'encrypted' };
  const tracks: StripeTrack[] = [];
  const unreadable: TrackNumber[] = [];
  let at = enhanced ? 10 : 8;
  for (const track of [1, 2, 3] as const) {
    const bit = 1 << (track - 1);
    const length = (present & bit) === 0 ? 0 : (frame[4 + track] ?? 0);
    if (at + length > end) return { kind: 'malformed' };
    const read = length === 0 ? undefined : trackField(track, frame.subarray(at, at + length));
    at += length;
    if ((status & bit) === 0) unreadable.push(track);
    else if (read === 'unreadable') unreadable.push(track);
    else if (read !== undefined) tracks.push(read);
    else if (length > 0) return { kind: 'malformed' };
  }
  if (!enhanced && at < end) return { kind: 'encrypted' };
  return swipeOf(tracks, unreadable);
}

/** Encode type 04 and 84: all tracks encrypted, none decoded. */
const RAW = 0x04;

/**
 * The text in a report of ID TECH's own HID structure; undefined where it is none, as a report that carries binary
 * output from its first byte.
 *
 * ```
 *   0–2 decode status, bit 0 = error | 3–5 lengths | 6 encode type | 7–8 length of the output, low byte first | 9… output
 * ```
 * Source: ID TECH SecureHead manual, 4.1.1; MiniMag II manual. The high byte first is accepted where only that fits.
 */
export function idTechOutput(report: Uint8Array): Uint8Array | undefined {
  if (report.length < 10 || report.subarray(0, 3).some((status) => status > 1)) return undefined;
  const low = report[7] ?? 0;
  const high = report[8] ?? 0;
  const length = [low | (high << 8), high | (low << 8)].find((each) => 9 + each <= report.length);
  return length === undefined ? undefined : report.subarray(9, 9 + length);
}

/** A report of ID TECH's own HID structure whose output is text. */
export function readIdTechReport(report: Uint8Array): StripeReading {
  const output = idTechOutput(report);
  if (output === undefined) return { kind: 'malformed' };
  const failed = ([1, 2, 3] as const).filter((track) => report[track - 1] === 1);
  if (output.every((byte) => byte === 0x0d || byte === 0x0a || byte === 0)) return swipeOf([], failed);
  const reading = readTrackText(output);
  if (reading.kind !== 'swipe') return reading;
  const told = new Set([...reading.tracks.map(({ track }) => track), ...reading.unreadable]);
  return swipeOf(reading.tracks, [...reading.unreadable, ...failed.filter((track) => !told.has(track))]);
}

function cardDataBytes(frame: Uint8Array): number {
  return (frame[1] ?? 0) | ((frame[2] ?? 0) << 8);
}

function checksAreRight(frame: Uint8Array): boolean {
  const [lrcAt, sumAt, etxAt] = [frame.length - 3, frame.length - 2, frame.length - 1];
  let lrc = 0;
  let sum = 0;
  for (let i = 3; i < lrcAt; i += 1) {
    const byte = frame[i] ?? 0;
    lrc ^= byte;
    sum = (sum + byte) & 0xff;
  }
  return frame[etxAt] === ETX && frame[lrcAt] === lrc && frame[sumAt] === sum;
}
