import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import { WIRE_VERSION } from './topics.ts';

/** Payloads longer than this are compressed, in bytes. */
const COMPRESS_ABOVE_BYTES = 4_096;

/** What a payload may cost its reader. A bomb of a few bytes, or a bug, is beyond it. */
export interface PayloadLimits {
  /** Unpacked. */
  readonly bytes: number;
  /** Objects, lists, and what is in them; a text, however long, is one. Absent: as many as fit. */
  readonly parts?: {
    readonly max: number;
    /** Up to so many bytes unpacked, and unless it is packed very tightly, a payload is read without counting. */
    readonly uncountedBytes: number;
  };
}

/** The largest lawful one has 50 readers. */
export const STATE_LIMITS: PayloadLimits = {
  bytes: 64 * 1024,
  parts: { max: 1_000, uncountedBytes: 0 },
};
/** No question holds a list. */
export const REQUEST_LIMITS: PayloadLimits = {
  bytes: 64 * 1024,
  parts: { max: 1_000, uncountedBytes: 0 },
};
/**
 * The largest lawful one is a single entry of a million characters, up to three bytes each; a batch of many has 128 k of
 * them. 500 entries have 3,000 parts, and whatever a newer till adds to an entry.
 */
export const JOURNAL_LIMITS: PayloadLimits = {
  bytes: 4 * 1024 * 1024,
  parts: { max: 10_000, uncountedBytes: 512 * 1024 },
};
/** What the server says: a page of the feed, as one text. */
const STATEMENT_LIMITS: PayloadLimits = { bytes: 16 * 1024 * 1024 };
/** Entries of a journal are packed to a tenth at best: each holds a hash that no other does. */
const PACKED_USUALLY = 30;
/** RFC 8878, 3.1.1: a zstd frame starts with these bytes, which no JSON text can start with. */
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** `{"v":1,"body":…}` as UTF-8, zstd-compressed above a threshold. */
export function encode(body: unknown): Buffer {
  const json = Buffer.from(JSON.stringify({ v: WIRE_VERSION, body }));
  return json.length > COMPRESS_ABOVE_BYTES ? zstdCompressSync(json) : json;
}

/**
 * A payload's body, checked against its schema. Without limits it is one the server may have signed.
 * @throws StammkundeError WIRE_MALFORMED, or WIRE_TOO_NEW for a version this program does not speak
 */
export function decode<T extends z.ZodType>(
  payload: Uint8Array,
  schema: T,
  limits: PayloadLimits = STATEMENT_LIMITS,
): z.infer<T> {
  const message = parseJson(unpack(payload, limits));
  if (typeof message !== 'object' || message === null || !('v' in message) || !('body' in message)) {
    throw new StammkundeError('WIRE_MALFORMED', 'a payload is no {v, body} object');
  }
  if (typeof message.v !== 'number' || message.v < 1)
    throw new StammkundeError('WIRE_MALFORMED', 'a payload has no version');
  if (message.v > WIRE_VERSION) {
    throw new StammkundeError(
      'WIRE_TOO_NEW',
      `a payload has version ${message.v}, this program speaks ${WIRE_VERSION}`,
    );
  }
  return check(message.body, schema);
}

/** @throws StammkundeError WIRE_MALFORMED listing the paths that do not fit, without their values */
export function check<T extends z.ZodType>(value: unknown, schema: T): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'body'}: ${issue.code}`);
  throw new StammkundeError('WIRE_MALFORMED', problems.join('; '));
}

/** @throws StammkundeError WIRE_MALFORMED */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The parser's own message quotes the text, which may hold anything; only its kind is kept.
    throw new StammkundeError('WIRE_MALFORMED', 'a payload is no JSON', {
      cause: new Error(error instanceof Error ? error.name : 'unknown'),
    });
  }
}

/**
 * Whether reading a JSON text makes more than `partsMax` objects, lists and members of them. Parsing four megabytes of
 * empty objects takes a second, counting to ten thousand of them none.
 */
export function hasMoreParts(json: string, partsMax: number): boolean {
  let left = partsMax;
  let isText = false;
  for (let i = 0; i < json.length; i += 1) {
    const char = json.charCodeAt(i);
    if (isText) {
      if (char === BACKSLASH) i += 1;
      else if (char === QUOTE) isText = false;
    } else if (char === QUOTE) {
      isText = true;
    } else if (char === COMMA || char === BRACKET || char === BRACE) {
      left -= 1;
      if (left < 0) return true;
    }
  }
  return false;
}
const [QUOTE, COMMA, BRACKET, BACKSLASH, BRACE] = [0x22, 0x2c, 0x5b, 0x5c, 0x7b];

function unpack(payload: Uint8Array, limits: PayloadLimits): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  let json: string;
  try {
    const unpacked = bytes.subarray(0, 4).equals(ZSTD_MAGIC)
      ? zstdDecompressSync(bytes, { maxOutputLength: limits.bytes })
      : bytes;
    if (unpacked.length > limits.bytes) throw new RangeError('too long');
    json = new TextDecoder('utf-8', { fatal: true }).decode(unpacked);
  } catch (error) {
    throw new StammkundeError('WIRE_MALFORMED', 'a payload cannot be unpacked', { cause: error });
  }
  const { parts } = limits;
  if (parts === undefined) return json;
  const isUsual = json.length <= parts.uncountedBytes && json.length <= PACKED_USUALLY * bytes.length;
  if (!isUsual && hasMoreParts(json, parts.max)) {
    throw new StammkundeError('WIRE_MALFORMED', `a payload has more than ${parts.max} parts`);
  }
  return json;
}
