import { ReadlineParser } from '@serialport/parser-readline';
import type { Clock } from '../../foundation/clock.ts';
import type { Terminator } from '../framing/delimited-framer.ts';
import type { FrameReader, FrameSink, Noise } from '../framing/frame.ts';

export interface LineFraming {
  readonly terminator: Terminator;
  /** Longest line, without terminator. */
  readonly limitBytes: number;
  /** A line that was begun and stays unfinished this long is noise. */
  readonly unfinishedMs: number;
}

/** What the guard knows of a line it has handed to the parser. */
type LineVerdict =
  | { readonly kind: 'frame'; readonly lastByteAtMonotonicMs: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'unfinished'; readonly bytes: number };

/**
 * Plain line-terminated devices, cut by `@serialport/parser-readline`. That parser has no maximum length, so a guard
 * stands before it: past the limit nothing more is handed on until the terminator, and the line is noise.
 *
 * ```
 *   chunk → guard (counts, cuts, one verdict a line) → ReadlineParser → line + its verdict → frame or noise
 * ```
 */
export class LineFrameReader implements FrameReader {
  readonly #parser: ReadlineParser;
  readonly #delimiter: Buffer;
  readonly #limitBytes: number;
  readonly #unfinishedMs: number;
  readonly #clock: Clock;
  readonly #sink: FrameSink;
  readonly #verdicts: LineVerdict[] = [];
  /** Bytes of the line begun, as handed to the parser. */
  #handedOn = 0;
  #previous = -1;
  #cutting = false;
  #cutBytes = 0;
  #closed = false;
  #cancelUnfinished: () => void = () => {};

  constructor(framing: LineFraming, clock: Clock, sink: FrameSink) {
    this.#delimiter = delimiters[framing.terminator];
    this.#limitBytes = framing.limitBytes;
    this.#unfinishedMs = framing.unfinishedMs;
    this.#clock = clock;
    this.#sink = sink;
    // latin1 maps each byte to one character and back; object mode keeps one event for each line, also empty ones.
    this.#parser = new ReadlineParser({
      delimiter: this.#delimiter,
      encoding: 'latin1',
      readableObjectMode: true,
    });
    this.#parser.on('data', (line: string) => this.#line(line));
  }

  /** Bytes the parser can be holding back. */
  get bufferedBytes(): number {
    return this.#handedOn;
  }

  push(chunk: Uint8Array, atMonotonicMs: number): void {
    if (this.#closed || chunk.length === 0) return;
    this.#cancelUnfinished();
    this.#cancelUnfinished = () => {};
    let from = 0;
    for (let i = 0; i < chunk.length; i += 1) {
      const byte = chunk[i] ?? 0;
      const ends = this.#endsLine(byte);
      this.#previous = ends ? -1 : byte;
      if (ends) {
        if (this.#cutting) {
          this.#verdicts.push({ kind: 'cut' });
          this.#parser.write(this.#delimiter);
          this.#cutBytes -= this.#delimiter.length - 1;
          this.#reportCut(0);
          this.#cutting = false;
        } else {
          this.#verdicts.push({ kind: 'frame', lastByteAtMonotonicMs: atMonotonicMs });
          this.#parser.write(chunk.slice(from, i + 1));
        }
        this.#handedOn = 0;
        from = i + 1;
      } else if (this.#cutting) {
        this.#cutBytes += 1;
      } else if (this.#handedOn < this.#limitBytes + this.#delimiter.length - 1) {
        this.#handedOn += 1;
      } else {
        this.#parser.write(chunk.slice(from, i));
        this.#cutting = true;
        this.#cutBytes = 1;
        this.#noise({ kind: 'noise', reason: 'overlong', bytes: this.#handedOn });
      }
    }
    if (this.#closed) return;
    // A CR at the end may be half of the terminator; it is counted when that is known.
    if (this.#cutting) this.#reportCut(this.#previous === this.#delimiter[0] ? 1 : 0);
    else if (from < chunk.length) this.#parser.write(chunk.slice(from));
    if (this.#cutting || this.#handedOn > 0) this.#armUnfinished();
  }

  lose(): void {
    if (this.#closed) return;
    this.#reportCut(0);
    if (!this.#cutting && this.#handedOn > 0)
      this.#noise({ kind: 'noise', reason: 'unfinished', bytes: this.#handedOn });
    this.close();
  }

  close(): void {
    this.#closed = true;
    this.#cancelUnfinished();
    this.#parser.destroy();
  }

  #endsLine(byte: number): boolean {
    const last = this.#delimiter.length - 1;
    return byte === this.#delimiter[last] && (last === 0 || this.#previous === this.#delimiter[0]);
  }

  #armUnfinished(): void {
    this.#cancelUnfinished = this.#clock.schedule(this.#unfinishedMs, () => {
      this.#verdicts.push(this.#cutting ? { kind: 'cut' } : { kind: 'unfinished', bytes: this.#handedOn });
      this.#reportCut(0);
      this.#cutting = false;
      this.#handedOn = 0;
      this.#previous = -1;
      this.#parser.write(this.#delimiter);
    });
  }

  #line(line: string): void {
    const verdict = this.#verdicts.shift();
    switch (verdict?.kind) {
      case undefined:
      case 'cut':
        return;
      case 'unfinished':
        this.#noise({ kind: 'noise', reason: 'unfinished', bytes: verdict.bytes });
        return;
      case 'frame':
        if (line.length > 0 && !this.#closed) {
          this.#sink.onFrame(Uint8Array.from(Buffer.from(line, 'latin1')), verdict.lastByteAtMonotonicMs);
        }
        return;
    }
  }

  #reportCut(heldBack: number): void {
    const bytes = this.#cutBytes - heldBack;
    if (bytes > 0) this.#noise({ kind: 'noise', reason: 'excess', bytes });
    this.#cutBytes = heldBack;
  }

  #noise(noise: Noise): void {
    if (!this.#closed) this.#sink.onNoise(noise);
  }
}

const delimiters: Readonly<Record<Terminator, Buffer>> = {
  cr: Buffer.from('\r'),
  lf: Buffer.from('\n'),
  crlf: Buffer.from('\r\n'),
  tab: Buffer.from('\t'),
  eot: Buffer.from('\x04'),
};
