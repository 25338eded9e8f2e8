import type { Noise } from '../../framing/frame.ts';
import { crcKermit } from './crc-kermit.ts';

const DLE = 0x10;
const STX = 0x02;
const ETX = 0x03;

/** Everything is well: the frame came whole. */
export const ACK = 0x06;
/** The frame was damaged: send it again. */
export const NAK = 0x15;

/** One piece of what a serial line carries. */
export type SerialPiece =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nak' }
  /** A whole APDU, checked and unstuffed; the receiver's to keep, and to overwrite. */
  | { readonly kind: 'frame'; readonly apdu: Uint8Array }
  /** A frame that has to be sent again. */
  | { readonly kind: 'damaged'; readonly reason: 'crc' | 'stuffing' | 'overlong'; readonly bytes: number }
  | Noise;

/** `10 02`, the APDU with each 10 doubled, `10 03`, and the CRC over the plain APDU and 03, low byte first (PA00P016). */
export function encodeSerialFrame(apdu: Uint8Array): Uint8Array {
  const crc = crcKermit(Uint8Array.of(ETX), crcKermit(apdu));
  const frame = [DLE, STX];
  for (const byte of apdu) frame.push(...(byte === DLE ? [DLE, DLE] : [byte]));
  frame.push(DLE, ETX, crc & 0xff, crc >> 8);
  return Uint8Array.from(frame);
}

type State = 'idle' | 'idle-dle' | 'body' | 'body-dle' | 'crc-low' | 'crc-high';

/**
 * Cuts a serial line into frames, ACK and NAK; pure, and the same for any split of the bytes into chunks.
 *
 * ```
 *   idle ─ 06/15 ─► ack, nak           ┌──────── byte ─────┐
 *    │                                 ▼                   │
 *    └─ 10 02 ──────────────────────► body ─ 10 10 ────────┘
 *                                      ├─ 10 03 ─► CRC low ─► CRC high ─► frame or damaged ─► idle
 *                                      ├─ 10 02 ─► damaged, a new frame begins
 *                                      └─ past the limit ─► damaged, then noise up to 10 03 or quiet
 * ```
 */
export class SerialFrameStream {
  readonly #limitBytes: number;
  #state: State = 'idle';
  #buffer = new Uint8Array(512);
  #length = 0;
  #overlong = false;
  #crcLow = 0;
  #noiseBytes = 0;
  #out: SerialPiece[] = [];

  /** @param limitBytes longest APDU */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** True between the first byte of a frame and its last, while T1 runs. */
  get unfinished(): boolean {
    return this.#state !== 'idle';
  }

  get bufferedBytes(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): readonly SerialPiece[] {
    for (const byte of chunk) this.#take(byte);
    this.#reportNoise();
    return this.#flushed();
  }

  /** T1 has passed between two bytes of a frame: what was begun is noise. */
  discard(): readonly SerialPiece[] {
    if (this.unfinished) {
      this.#out.push({ kind: 'noise', reason: 'unfinished', bytes: this.#length + 1 });
      this.#end();
    }
    return this.#flushed();
  }

  #take(byte: number): void {
    switch (this.#state) {
      case 'idle':
        this.#idle(byte);
        break;
      case 'idle-dle':
        if (byte === STX) {
          this.#reportNoise();
          this.#state = 'body';
        } else {
          this.#noiseBytes += 1;
          this.#state = 'idle';
          this.#idle(byte);
        }
        break;
      case 'body':
        if (byte === DLE) this.#state = 'body-dle';
        else this.#append(byte);
        break;
      case 'body-dle':
        this.#afterDle(byte);
        break;
      case 'crc-low':
        this.#crcLow = byte;
        this.#state = 'crc-high';
        break;
      case 'crc-high':
        this.#finish(this.#crcLow | (byte << 8));
        break;
    }
  }

  #idle(byte: number): void {
    if (byte === DLE) {
      this.#state = 'idle-dle';
    } else if (byte === ACK || byte === NAK) {
      this.#reportNoise();
      this.#out.push({ kind: byte === ACK ? 'ack' : 'nak' });
    } else {
      this.#noiseBytes += 1;
    }
  }

  #afterDle(byte: number): void {
    if (byte === DLE) {
      this.#state = 'body';
      this.#append(byte);
    } else if (byte === ETX) {
      this.#state = 'crc-low';
    } else if (byte === STX) {
      this.#damaged('stuffing');
      this.#state = 'body';
    } else {
      this.#damaged('stuffing');
    }
  }

  #append(byte: number): void {
    if (this.#overlong) {
      this.#noiseBytes += 1;
      return;
    }
    if (this.#length === this.#limitBytes) {
      this.#out.push({ kind: 'noise', reason: 'overlong', bytes: this.#length });
      this.#wipe();
      this.#overlong = true;
      this.#noiseBytes += 1;
      return;
    }
    if (this.#length === this.#buffer.length) {
      const grown = new Uint8Array(Math.min(this.#limitBytes, this.#buffer.length * 2));
      grown.set(this.#buffer);
      this.#buffer.fill(0);
      this.#buffer = grown;
    }
    this.#buffer[this.#length] = byte;
    this.#length += 1;
  }

  #finish(crc: number): void {
    if (this.#overlong) {
      this.#damaged('overlong');
      return;
    }
    const apdu = this.#buffer.subarray(0, this.#length);
    if (crcKermit(Uint8Array.of(ETX), crcKermit(apdu)) === crc) {
      this.#out.push({ kind: 'frame', apdu: apdu.slice() });
      this.#end();
    } else {
      this.#damaged('crc');
    }
  }

  #damaged(reason: 'crc' | 'stuffing' | 'overlong'): void {
    this.#reportNoise();
    this.#out.push({ kind: 'damaged', reason, bytes: this.#length });
    this.#end();
  }

  #end(): void {
    this.#wipe();
    this.#overlong = false;
    this.#state = 'idle';
  }

  #wipe(): void {
    this.#buffer.fill(0, 0, this.#length);
    this.#length = 0;
  }

  #reportNoise(): void {
    if (this.#noiseBytes === 0) return;
    this.#out.push({
      kind: 'noise',
      reason: this.#overlong ? 'excess' : 'unframed',
      bytes: this.#noiseBytes,
    });
    this.#noiseBytes = 0;
  }

  #flushed(): readonly SerialPiece[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}
