import type { Clock } from '../../foundation/clock.ts';
import type { DelimitedFraming } from './delimited-framer.ts';
import { DelimitedFramer } from './delimited-framer.ts';
import type { Frame, FrameReader, FrameSink, Noise } from './frame.ts';

export interface DelimitedFrameReading extends DelimitedFraming {
  /** A line quiet for this long ends the frame; for scanners that send no terminator. Absent: it does not. */
  readonly idleGapMs?: number;
  /** A frame that was begun and stays unfinished this long is noise, never the head of the next customer's card. */
  readonly unfinishedMs: number;
}

/** The shell of {@link DelimitedFramer}: it knows what time it is. */
export class DelimitedFrameReader implements FrameReader {
  readonly #framer: DelimitedFramer;
  readonly #reading: DelimitedFrameReading;
  readonly #clock: Clock;
  readonly #sink: FrameSink;
  #lastByteAtMonotonicMs = 0;
  #closed = false;
  #cancelGap: () => void = () => {};

  constructor(reading: DelimitedFrameReading, clock: Clock, sink: FrameSink) {
    this.#framer = new DelimitedFramer(reading);
    this.#reading = reading;
    this.#clock = clock;
    this.#sink = sink;
  }

  /** The chunk is overwritten: what it holds may be a payment card. */
  push(chunk: Uint8Array, atMonotonicMs: number): void {
    if (this.#closed || chunk.length === 0) return;
    this.#cancelGap();
    this.#cancelGap = () => {};
    this.#lastByteAtMonotonicMs = atMonotonicMs;
    const pieces = this.#framer.push(chunk);
    chunk.fill(0);
    this.#emit(pieces);
    // A sink may close the reader from within its callback.
    if (!this.#isClosed() && this.#framer.unfinished) this.#armGap();
  }

  lose(): void {
    this.#cancelGap();
    if (!this.#closed) this.#emit(this.#framer.discard());
    this.close();
  }

  close(): void {
    this.#closed = true;
    this.#cancelGap();
    this.#framer.discard(); // also overwrites it
  }

  #armGap(): void {
    const { idleGapMs, unfinishedMs } = this.#reading;
    this.#cancelGap =
      idleGapMs === undefined
        ? this.#clock.schedule(unfinishedMs, () => this.#emit(this.#framer.discard()))
        : this.#clock.schedule(idleGapMs, () => this.#emit(this.#framer.flush()));
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  #emit(pieces: readonly (Frame | Noise)[]): void {
    for (const piece of pieces) {
      if (this.#closed) return;
      switch (piece.kind) {
        case 'frame':
          this.#sink.onFrame(piece.bytes, this.#lastByteAtMonotonicMs);
          break;
        case 'noise':
          this.#sink.onNoise(piece);
          break;
      }
    }
  }
}
