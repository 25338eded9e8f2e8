/** What a reader sent in one go: prefix, terminator and STX/ETX stripped, otherwise byte-exact and never decoded. */
export interface Frame {
  readonly kind: 'frame';
  readonly bytes: Uint8Array;
}

/** Bytes that became no frame. Only their number is kept: they may have been part of a card. */
export interface Noise {
  readonly kind: 'noise';
  /**
   * `overlong`: the frame limit was passed without a terminator, once per occurrence; `excess`: what followed until the
   * next terminator; `unframed`: bytes outside STX…ETX; `unfinished`: a frame that was begun and never ended;
   * `encrypted`: a bank card as a reader that encrypts tells of it.
   */
  readonly reason: 'overlong' | 'excess' | 'unframed' | 'unfinished' | 'encrypted';
  readonly bytes: number;
}

/** Takes the bytes of an open transport and calls back with what they are. */
export interface FrameReader {
  /** @param atMonotonicMs when the chunk arrived */
  push(chunk: Uint8Array, atMonotonicMs: number): void;
  /** The line is gone: what was begun is noise, and nothing is called back after that. */
  lose(): void;
  /** Ends it; nothing is called back any more. */
  close(): void;
}

export interface FrameSink {
  /** @param lastByteAtMonotonicMs when the frame's last byte arrived */
  onFrame(bytes: Uint8Array, lastByteAtMonotonicMs: number): void;
  onNoise(noise: Noise): void;
}
