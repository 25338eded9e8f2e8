import type { Frame, Noise } from './frame.ts';

export type Terminator = 'cr' | 'lf' | 'crlf' | 'tab' | 'eot';

export interface DelimitedFraming {
  /** What ends a frame outside STX…ETX. Empty: only STX…ETX or {@link DelimitedFramer.flush} does. */
  readonly terminators: readonly Terminator[];
  /** Also accept STX data ETX, with a line end before ETX stripped. EOT ends it too where it is a terminator. */
  readonly stxEtx?: boolean;
  /** Stripped from the head of each frame that starts with it. */
  readonly prefix?: Uint8Array;
  /** Longest frame, without terminator. */
  readonly limitBytes?: number;
}

/**
 * Cuts a byte stream into frames; pure, and the same for any split of the bytes into chunks.
 *
 * ```
 *             byte ─┐      ┌─ past limit ─────────────┐
 *   idle ────────► line ───┤                          ▼
 *    ▲ ▲            └─ terminator ─► frame      discarding ─ terminator ─► idle
 *    │ └─────────────────────────────┘               ▲
 *    ├─ ETX ─ in STX ── past limit ──────────────────┘
 *    └─ STX ────▲
 * ```
 *
 * CR swallows one LF that follows it, in the same chunk or the next. Empty frames are nothing. Past `limitBytes`
 * everything up to the next terminator is noise, so a chattering line cannot fill memory. What is not held back any
 * more is overwritten: it may have been a payment card.
 */
export class DelimitedFramer {
  readonly #limitBytes: number;
  readonly #prefix: Uint8Array;
  readonly #stxEtx: boolean;
  readonly #crEnds: boolean;
  readonly #lfEnds: boolean;
  readonly #crlfEnds: boolean;
  readonly #tabEnds: boolean;
  readonly #special = new Uint8Array(256);

  #buffer = new Uint8Array(256);
  #length = 0;
  #inStx = false;
  /** A CR just ended a frame: one LF directly after it belongs to it. */
  #swallowLf = false;
  /** A CR that ends the frame if LF follows, and is data otherwise. */
  #crPending = false;
  #discarding = false;
  #discarded = 0;
  #out: (Frame | Noise)[] = [];

  constructor(framing: DelimitedFraming) {
    this.#limitBytes = framing.limitBytes ?? 8192;
    this.#prefix = framing.prefix ?? new Uint8Array();
    this.#stxEtx = framing.stxEtx ?? false;
    this.#crEnds = framing.terminators.includes('cr');
    this.#lfEnds = framing.terminators.includes('lf');
    this.#crlfEnds = framing.terminators.includes('crlf') && !this.#crEnds;
    this.#tabEnds = framing.terminators.includes('tab');
    if (this.#crEnds || this.#crlfEnds) this.#special[CR] = 1;
    if (this.#crEnds || this.#crlfEnds || this.#lfEnds) this.#special[LF] = 1;
    if (this.#tabEnds) this.#special[TAB] = 1;
    if (framing.terminators.includes('eot')) this.#special[EOT] = 1;
    if (this.#stxEtx) this.#special.fill(1, STX, ETX + 1);
  }

  /** Bytes held back, waiting for a terminator: never more than `limitBytes`. */
  get bufferedBytes(): number {
    return this.#length;
  }

  /** True while bytes wait for a terminator or are being discarded up to one. */
  get unfinished(): boolean {
    return this.#length > 0 || this.#inStx || this.#crPending || this.#discarding;
  }

  push(chunk: Uint8Array): readonly (Frame | Noise)[] {
    let at = 0;
    while (at < chunk.length) {
      const from = at;
      while (at < chunk.length && this.#special[chunk[at] ?? 0] === 0) at += 1;
      if (at > from) this.#ordinary(chunk.subarray(from, at));
      const special = chunk[at];
      if (special !== undefined) this.#specialByte(special);
      at += 1;
    }
    return this.#take();
  }

  /** The line has been quiet: what waits is a frame, for a scanner that sends no terminator. */
  flush(): readonly (Frame | Noise)[] {
    if (this.#inStx) return this.discard();
    this.#settleCr();
    this.#endFrame();
    return this.#take();
  }

  /** The line has been quiet too long: what waits is noise and must not be glued to the next frame. */
  discard(): readonly (Frame | Noise)[] {
    this.#settleCr();
    this.#inStx = false;
    this.#dropBuffered('unfinished');
    return this.#take();
  }

  #ordinary(run: Uint8Array): void {
    this.#swallowLf = false;
    this.#settleCr();
    this.#append(run);
  }

  #specialByte(byte: number): void {
    const swallowLf = this.#swallowLf;
    this.#swallowLf = false;
    if (byte === LF && this.#crPending) {
      this.#crPending = false;
      this.#inStx = false;
      this.#endFrame();
      return;
    }
    this.#settleCr();
    if (byte === STX) {
      this.#dropBuffered(this.#inStx ? 'unfinished' : 'unframed');
      this.#inStx = true;
    } else if ((byte === ETX || byte === EOT) && this.#inStx) {
      this.#inStx = false;
      this.#stripLineEnd();
      this.#endFrame();
    } else if (byte === ETX) {
      this.#dropBuffered('unframed', 1);
    } else if (this.#inStx && !this.#discarding) {
      this.#append(Uint8Array.of(byte));
    } else if (byte === CR && this.#crlfEnds) {
      this.#crPending = true;
    } else if (byte === LF && swallowLf) {
      return;
    } else if (
      (byte === CR && this.#crEnds) ||
      (byte === LF && this.#lfEnds) ||
      byte === TAB ||
      byte === EOT
    ) {
      this.#inStx = false;
      this.#endFrame();
      this.#swallowLf = byte === CR;
    } else {
      this.#append(Uint8Array.of(byte));
    }
  }

  #settleCr(): void {
    if (!this.#crPending) return;
    this.#crPending = false;
    this.#append(Uint8Array.of(CR));
  }

  #append(run: Uint8Array): void {
    if (this.#discarding) {
      this.#countDiscarded(run.length);
      return;
    }
    const room = this.#limitBytes - this.#length;
    if (run.length <= room) {
      this.#reserve(this.#length + run.length);
      this.#buffer.set(run, this.#length);
      this.#length += run.length;
      return;
    }
    this.#out.push({ kind: 'noise', reason: 'overlong', bytes: this.#limitBytes });
    this.#forget();
    this.#discarding = true;
    this.#countDiscarded(run.length - room);
  }

  /** Reports in whole blocks, so that a line that never ends is seen while it chatters, however it was split. */
  #countDiscarded(bytes: number): void {
    this.#discarded += bytes;
    while (this.#discarded >= this.#limitBytes) {
      this.#out.push({ kind: 'noise', reason: 'excess', bytes: this.#limitBytes });
      this.#discarded -= this.#limitBytes;
    }
  }

  #endFrame(): void {
    if (this.#discarding) {
      this.#endDiscarding();
      return;
    }
    const bytes = this.#buffer.subarray(this.#startsWithPrefix() ? this.#prefix.length : 0, this.#length);
    if (bytes.length > 0) this.#out.push({ kind: 'frame', bytes: bytes.slice() });
    this.#forget();
  }

  #endDiscarding(): void {
    if (this.#discarded > 0) {
      this.#out.push({ kind: 'noise', reason: 'excess', bytes: this.#discarded });
    }
    this.#discarding = false;
    this.#discarded = 0;
  }

  #dropBuffered(reason: 'unframed' | 'unfinished', more = 0): void {
    if (this.#discarding) {
      this.#countDiscarded(more);
      this.#endDiscarding();
      return;
    }
    const bytes = this.#length + more;
    this.#forget();
    if (bytes > 0) this.#out.push({ kind: 'noise', reason, bytes });
  }

  #stripLineEnd(): void {
    if (this.#buffer[this.#length - 1] === LF && this.#length > 0) this.#length -= 1;
    if (this.#buffer[this.#length - 1] === CR && this.#length > 0) this.#length -= 1;
  }

  #startsWithPrefix(): boolean {
    return this.#length >= this.#prefix.length && this.#prefix.every((byte, i) => this.#buffer[i] === byte);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.min(this.#limitBytes, Math.max(bytes, this.#buffer.length * 2)));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer.fill(0, 0, this.#length);
    this.#buffer = grown;
  }

  #forget(): void {
    this.#buffer.fill(0, 0, this.#length);
    this.#length = 0;
  }

  #take(): readonly (Frame | Noise)[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}

const STX = 0x02;
const ETX = 0x03;
const EOT = 0x04;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
