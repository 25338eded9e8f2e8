import type { Noise } from '../../framing/frame.ts';

/** One O.P.I. message: XML, mostly in ISO 8859-1. The receiver’s to keep, and to overwrite. */
export interface OpiMessage {
  readonly kind: 'message';
  readonly body: Uint8Array;
}

/** The longest message taken; real ones have one or two thousand bytes. */
const MESSAGE_BYTES_MAX = 65_536;
/** A length beyond this is none: the stream is out of step. */
const LENGTH_PLAUSIBLE_MAX = 16 * 1024 * 1024;
const HEADER_BYTES = 4;

/** Length (four bytes, big-endian, of the body alone) and body. */
export function encodeOpiMessage(body: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES + body.length);
  new DataView(message.buffer).setUint32(0, body.length);
  message.set(body, HEADER_BYTES);
  return message;
}

/**
 * Cuts a TCP stream into O.P.I. messages; pure, and the same for any split into chunks.
 *
 * ```
 *   length ─ 1…limit ─► body ─ complete ─► message → length
 *      ├─ up to 16 MiB: overlong, counted and skipped to its end → length
 *      └─ 0, or beyond: out of step; all that comes is noise until the line is quiet (`discard`)
 * ```
 */
export class OpiMessageStream {
  readonly #limitBytes: number;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerLength = 0;
  #body: Uint8Array | undefined;
  #filled = 0;
  #missing = 0;
  #outOfStep = false;

  constructor(limitBytes = MESSAGE_BYTES_MAX) {
    this.#limitBytes = limitBytes;
  }

  /** True while a message has begun and is not complete, or the stream is out of step. */
  get unfinished(): boolean {
    return this.#headerLength > 0 || this.#outOfStep;
  }

  /** Bytes held back; never more than the limit and a length. */
  get bufferedBytes(): number {
    return this.#headerLength + this.#filled;
  }

  push(chunk: Uint8Array): readonly (OpiMessage | Noise)[] {
    const out: (OpiMessage | Noise)[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#outOfStep) {
        out.push({ kind: 'noise', reason: 'unframed', bytes: chunk.length - at });
        break;
      }
      if (this.#missing > 0) {
        at += this.#takeBody(chunk, at, out);
      } else {
        this.#header[this.#headerLength] = chunk[at] ?? 0;
        this.#headerLength += 1;
        at += 1;
        if (this.#headerLength === HEADER_BYTES) this.#begin(out);
      }
    }
    return out;
  }

  /** The line has been quiet too long: what was begun is noise, and the next byte begins a message. */
  discard(): readonly Noise[] {
    const bytes = this.#headerLength + this.#filled;
    this.#reset();
    return bytes === 0 ? [] : [{ kind: 'noise', reason: 'unfinished', bytes }];
  }

  #begin(out: (OpiMessage | Noise)[]): void {
    const length = new DataView(this.#header.buffer).getUint32(0);
    if (length === 0 || length > LENGTH_PLAUSIBLE_MAX) {
      out.push({ kind: 'noise', reason: 'unframed', bytes: HEADER_BYTES });
      this.#headerLength = 0;
      this.#outOfStep = true;
      return;
    }
    this.#missing = length;
    if (length <= this.#limitBytes) this.#body = new Uint8Array(length);
    else out.push({ kind: 'noise', reason: 'overlong', bytes: length });
  }

  /** @returns how many bytes it took */
  #takeBody(chunk: Uint8Array, from: number, out: (OpiMessage | Noise)[]): number {
    const bytes = Math.min(this.#missing, chunk.length - from);
    const body = this.#body;
    if (body !== undefined) {
      body.set(chunk.subarray(from, from + bytes), this.#filled);
      this.#filled += bytes;
    }
    this.#missing -= bytes;
    if (this.#missing === 0) {
      if (body !== undefined) out.push({ kind: 'message', body });
      this.#body = undefined; // handed on: the receiver overwrites it
      this.#reset();
    }
    return bytes;
  }

  #reset(): void {
    this.#body?.fill(0);
    this.#body = undefined;
    this.#headerLength = 0;
    this.#filled = 0;
    this.#missing = 0;
    this.#outOfStep = false;
  }
}
