import type { Noise } from '../../framing/frame.ts';

/** What is said in one go: CLASS INSTR LEN DATA, where LEN is one byte (0–254) or `FF lo hi` (PA00P016, APDU structure). */
export interface Apdu {
  readonly kind: 'apdu';
  /** CLASS and INSTR as one number, such as 0x040f. For an answer 84 xx, `xx` is the error code. */
  readonly command: number;
  /** The data alone. It is the receiver's to keep, and to overwrite: it may hold a card number. */
  readonly data: Uint8Array;
}

/** Commands and answers by CLASS and INSTR (PA00P015, summary of commands). */
export const commands = {
  statusInformation: 0x040f,
  intermediateStatus: 0x04ff,
  statusEnquiry: 0x0501,
  registration: 0x0600,
  authorisation: 0x0601,
  completion: 0x060f,
  /** From the terminal: what was asked is over, without success. */
  abortByTerminal: 0x061e,
  preAuthorisation: 0x0622,
  refund: 0x0631,
  repeatReceipt: 0x0620,
  /** From the register: stop what was asked. */
  abort: 0x06b0,
  readCard: 0x06c0,
  printLine: 0x06d1,
  printTextBlock: 0x06d3,
  cardPollWithAuthorisation: 0x06e6,
  acknowledged: 0x8000,
  unknownCommand: 0x8483,
} as const;

/** True for 84 xx: what was asked is refused. */
export function isRefusal(command: number): boolean {
  return command >> 8 === 0x84;
}

/** True for 80 00 and 84 xx, which answer a command and are never answered themselves. */
export function isAnswer(command: number): boolean {
  return command >> 8 === 0x80 || command >> 8 === 0x84;
}

const SHORT_LENGTH_MAX = 254;
const LONG_LENGTH = 0xff;
/** Most that `FF lo hi` can say. */
const APDU_DATA_BYTES_MAX = 0xffff;

/** @throws RangeError when the data is longer than 65,535 bytes */
export function encodeApdu(command: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  if (data.length > APDU_DATA_BYTES_MAX) throw new RangeError('an APDU holds no more than 65,535 bytes');
  const header =
    data.length <= SHORT_LENGTH_MAX
      ? [command >> 8, command & 0xff, data.length]
      : [command >> 8, command & 0xff, LONG_LENGTH, data.length & 0xff, data.length >> 8];
  const apdu = new Uint8Array(header.length + data.length);
  apdu.set(header);
  apdu.set(data, header.length);
  return apdu;
}

/** The whole of `bytes` as one APDU, as it stands in a serial frame; undefined when it is none. */
export function decodeApdu(bytes: Uint8Array): Apdu | undefined {
  const [first, second, short] = bytes;
  if (first === undefined || second === undefined || short === undefined) return undefined;
  let start = 3;
  let length = short;
  if (short === LONG_LENGTH) {
    const [, , , low, high] = bytes;
    if (low === undefined || high === undefined) return undefined;
    start = 5;
    length = low | (high << 8);
  }
  if (bytes.length !== start + length) return undefined;
  return { kind: 'apdu', command: (first << 8) | second, data: bytes.slice(start) };
}

export interface ApduReading {
  /** Whether the data of this command is wanted; of all others nothing is kept, and `data` is empty. */
  readonly keeps: (command: number) => boolean;
  /** Most data that is kept of one APDU; of a longer one nothing is. */
  readonly limitBytes: number;
}

/**
 * Cuts a TCP stream, where APDUs follow each other bare, into APDUs; pure, and the same for any split into chunks.
 *
 * ```
 *            CLASS INSTR known      LEN complete           last byte
 *   header ──────────────────► length ──────────► data ───────────────► apdu → header
 *     ▲  └─ unknown: one byte is noise ─┐           └─ not wanted or past the limit: counted, never stored
 *     └─────────────────────────────────┘
 * ```
 *
 * There is no mark between APDUs, so after noise the next pair of bytes that is a command is taken for one. What has
 * been handed on or skipped is overwritten here: the stream carries card numbers of people who only paid.
 */
export class ApduStream {
  readonly #reading: ApduReading;
  /** CLASS, INSTR, LEN and the two bytes of a long LEN. */
  readonly #header = new Uint8Array(5);
  #headerLength = 0;
  #data: Uint8Array | undefined;
  #filled = 0;
  #missing = 0;
  #skippedFor: 'unwanted' | 'overlong' | undefined;
  #noiseBytes = 0;
  #out: (Apdu | Noise)[] = [];

  constructor(reading: ApduReading) {
    this.#reading = reading;
  }

  /** True while an APDU has begun and is not complete. */
  get unfinished(): boolean {
    return this.#headerLength > 0;
  }

  /** Bytes held back; never more than the limit and a header. */
  get bufferedBytes(): number {
    return this.#headerLength + this.#filled;
  }

  push(chunk: Uint8Array): readonly (Apdu | Noise)[] {
    let at = 0;
    while (at < chunk.length) {
      if (this.#missing > 0) at += this.#takeData(chunk, at);
      else this.#takeHeader(chunk[at++] ?? 0);
    }
    this.#reportNoise();
    return this.#take();
  }

  /** The line has been quiet too long: what was begun is noise and must not be glued to what comes next. */
  discard(): readonly (Apdu | Noise)[] {
    const bytes = this.#headerLength + this.#filled;
    if (bytes > 0) this.#out.push({ kind: 'noise', reason: 'unfinished', bytes });
    this.#reset();
    return this.#take();
  }

  #takeHeader(byte: number): void {
    this.#header[this.#headerLength] = byte;
    this.#headerLength += 1;
    if (this.#headerLength === 2 && !isKnown(this.#command())) {
      // The second byte may be the first of a command.
      this.#header[0] = byte;
      this.#headerLength = classes.has(byte) ? 1 : 0;
      this.#noiseBytes += 2 - this.#headerLength;
    } else if (this.#headerLength === 1 && !classes.has(byte)) {
      this.#headerLength = 0;
      this.#noiseBytes += 1;
    } else if (this.#headerLength === 3 && byte !== LONG_LENGTH) {
      this.#begin(byte);
    } else if (this.#headerLength === 5) {
      this.#begin((this.#header[3] ?? 0) | (byte << 8));
    }
  }

  #begin(length: number): void {
    this.#reportNoise();
    if (length === 0) {
      this.#finish(new Uint8Array());
      return;
    }
    this.#missing = length;
    if (!this.#reading.keeps(this.#command())) this.#skippedFor = 'unwanted';
    else if (length > this.#reading.limitBytes) this.#skippedFor = 'overlong';
    else this.#data = new Uint8Array(length);
    if (this.#skippedFor === 'overlong') this.#out.push({ kind: 'noise', reason: 'overlong', bytes: length });
  }

  /** @returns how many bytes it took */
  #takeData(chunk: Uint8Array, from: number): number {
    const bytes = Math.min(this.#missing, chunk.length - from);
    if (this.#data !== undefined) {
      this.#data.set(chunk.subarray(from, from + bytes), this.#filled);
      this.#filled += bytes;
    }
    this.#missing -= bytes;
    if (this.#missing === 0) {
      if (this.#skippedFor === 'overlong') this.#reset();
      else this.#finish(this.#data ?? new Uint8Array());
    }
    return bytes;
  }

  #finish(data: Uint8Array): void {
    this.#out.push({ kind: 'apdu', command: this.#command(), data });
    this.#data = undefined; // handed on: the receiver overwrites it
    this.#reset();
  }

  #reset(): void {
    this.#data?.fill(0);
    this.#data = undefined;
    this.#headerLength = 0;
    this.#filled = 0;
    this.#missing = 0;
    this.#skippedFor = undefined;
  }

  #command(): number {
    return ((this.#header[0] ?? 0) << 8) | (this.#header[1] ?? 0);
  }

  #reportNoise(): void {
    if (this.#noiseBytes === 0) return;
    this.#out.push({ kind: 'noise', reason: 'unframed', bytes: this.#noiseBytes });
    this.#noiseBytes = 0;
  }

  #take(): readonly (Apdu | Noise)[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}

/** First bytes a command or an answer can have (PA00P015, summary of commands; 0F is a vendor's chip activator). */
const classes = new Set([0x01, 0x04, 0x05, 0x06, 0x08, 0x0f, 0x80, 0x84]);

/** Second bytes of the commands there are; of 84 any is an error code. */
const instructions: Readonly<Record<number, ReadonlySet<number>>> = {
  0x01: new Set([0x01]),
  0x04: new Set([0x01, 0x0d, 0x0e, 0x0f, 0xff]),
  0x05: new Set([0x01, 0xff]),
  0x06: new Set([
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x09, 0x0a, 0x0b, 0x0c, 0x0f, 0x10, 0x11, 0x12, 0x18, 0x1a, 0x1b,
    0x1e, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x30, 0x31, 0x50, 0x51, 0x52, 0x70, 0x79, 0x82, 0x85,
    0x86, 0x87, 0x88, 0x90, 0x91, 0x93, 0x95, 0xb0, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xce, 0xd0,
    0xd1, 0xd3, 0xd4, 0xd8, 0xd9, 0xda, 0xdb, 0xdd, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xf0,
  ]),
  0x08: new Set([
    0x01, 0x02, 0x03, 0x10, 0x11, 0x12, 0x13, 0x14, 0x20, 0x21, 0x22, 0x23, 0x24, 0x30, 0x40, 0x50,
  ]),
  0x0f: new Set([0xca]),
  0x80: new Set([0x00]),
};

function isKnown(command: number): boolean {
  return isRefusal(command) || instructions[command >> 8]?.has(command & 0xff) === true;
}
