import { inspect } from 'node:util';
import type { Clock, Instant } from '../foundation/clock.ts';
import type { ErrorCode } from '../foundation/error-codes.ts';
import type { StammkundeError } from '../foundation/errors.ts';
import type { Closable } from '../foundation/lifecycle.ts';
import type { Log } from '../foundation/log.ts';
import type { Random } from '../foundation/random.ts';
import type { Noise } from './framing/frame.ts';
import type { LayoutName } from './keyboard/layout.ts';
import type { Symbology } from './symbology/symbology.ts';

/** What the field `payload` of a {@link Scan} is made from. */
export interface ScanFields {
  readonly readerId: string;
  readonly symbology: Symbology;
  /** AIM identifier as the reader sent it, such as `]E0` (ISO/IEC 15424); absent when it sent none. */
  readonly aim?: string;
  /** Keyboard layout its keystrokes were read with, such as `de`; absent where no keystrokes were. */
  readonly layout?: LayoutName;
  /** The data alone: framing and AIM identifier stripped, otherwise byte-exact and never decoded. */
  readonly payload: Uint8Array;
  /**
   * The very bytes the reader sent for it, AIM identifier included, without prefix and terminator. Where a reader sends
   * characters and this differs from identifier and payload (a substituted separator), it must be given.
   */
  readonly frame?: Uint8Array;
  /** Monotonic time at which the last byte arrived, ms. */
  readonly receivedAtMonotonicMs: number;
  /** Wall clock at the same moment. */
  readonly receivedAt: Instant;
}

/**
 * One presentation of a card or code to one reader. It may be a payment card that nobody has refused yet, so it never
 * shows its payload by accident: not in JSON, not in `inspect`, not when spread.
 */
export class Scan {
  readonly readerId: string;
  readonly symbology: Symbology;
  readonly aim: string | undefined;
  readonly layout: LayoutName | undefined;
  readonly receivedAtMonotonicMs: number;
  readonly receivedAt: Instant;
  readonly #payload: Uint8Array;
  readonly #frame: Uint8Array | undefined;
  #wiped = false;

  constructor(fields: ScanFields) {
    this.readerId = fields.readerId;
    this.symbology = fields.symbology;
    this.aim = fields.aim;
    this.layout = fields.layout;
    this.receivedAtMonotonicMs = fields.receivedAtMonotonicMs;
    this.receivedAt = fields.receivedAt;
    this.#payload = fields.payload;
    this.#frame = fields.frame;
  }

  /** The data alone: framing and AIM identifier stripped, otherwise byte-exact and never decoded. */
  get payload(): Uint8Array {
    return this.#payload;
  }

  /** What the reader sent for it: AIM identifier, if it sent one, and data, without prefix and terminator. */
  get frame(): Uint8Array {
    if (this.#frame !== undefined) return this.#frame;
    return Buffer.concat([Buffer.from(this.aim ?? '', 'latin1'), this.#payload]);
  }

  /** Whether its bytes are gone. */
  get wiped(): boolean {
    return this.#wiped;
  }

  /** Overwrites its bytes with zeros: of what is refused nothing stays in memory. */
  wipe(): void {
    this.#wiped = true;
    this.#payload.fill(0);
    this.#frame?.fill(0);
  }

  toJSON(): Record<string, unknown> {
    return {
      readerId: this.readerId,
      symbology: this.symbology,
      aim: this.aim,
      layout: this.layout,
      payloadBytes: this.#payload.length,
      receivedAt: this.receivedAt,
    };
  }

  toString(): string {
    return `scan of ${this.#payload.length} bytes (${this.symbology}) by ${this.readerId}`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** What a driver is given. All callbacks may be called from the moment `open` is called until `close` resolves. */
export interface ReaderPorts {
  readonly readerId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Aborted when the reader is to be given up, also while it is still opening. */
  readonly signal: AbortSignal;
  /** A complete unit arrived from the device, whatever it turns out to be. */
  onFrame(): void;
  onScan(scan: Scan): void;
  /** Bytes that became no frame. They are counted, never kept. */
  onNoise(noise: Noise): void;
  /** The device is gone. Called at most once; the driver is closed afterwards and never reopens itself. */
  onLost(error: StammkundeError): void;
}

/** A reader that is open. Once closed or lost it stays so; whoever wants it back opens a new one. */
export interface OpenDriver extends Closable {
  /** Has the device read now. Absent where it reads whenever something is held before it. */
  request?(): void;
}

/**
 * Opens one reader: resolves once it is usable, or throws a StammkundeError (DRV_PORT_ABSENT, DRV_PORT_DENIED,
 * DRV_PORT_BUSY, DRV_PORT_LOST) and leaves nothing behind. Every call makes a new {@link OpenDriver}.
 */
export type Driver = (ports: ReaderPorts) => Promise<OpenDriver>;

/** What a reader has done since the daemon started. */
export interface ReaderCounters {
  /** Complete frames, scans and replies alike. */
  readonly frames: number;
  readonly scans: number;
  /** Sights of a code within one pull of the trigger after the first; they are no scans. */
  readonly repeats: number;
  /** Bytes that became no frame. */
  readonly noiseBytes: number;
  /** Times the frame limit was passed without a terminator. */
  readonly overlong: number;
  /** Times it was usable again after having been so before. */
  readonly reopened: number;
}

type ReaderState =
  | { readonly kind: 'opening'; readonly attempt: number }
  | { readonly kind: 'ready'; readonly since: Instant }
  | {
      /** Absent or lost; tried again by itself. */
      readonly kind: 'waiting';
      readonly code: ErrorCode;
      readonly message: string;
      /** Failures in a row, 1 = the first. */
      readonly attempt: number;
      readonly nextAttemptInMs: number;
    }
  | { readonly kind: 'closed' };

/** How a reader is, for the page that shows whether a till is well. */
export type ReaderStatus = ReaderState & { readonly readerId: string; readonly counters: ReaderCounters };
