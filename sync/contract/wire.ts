import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { z } from 'zod';
import { StammkundeError } from '../../foundation/errors.ts';
import { WIRE_VERSION } from './topics.ts';

/** Payloads longer than this are compressed, in bytes. */
const COMPRESS_ABOVE_BYTES = 4_096;
/** A payload that unpacks to more than this is refused: a bomb, or a bug. */
const PAYLOAD_MAX_BYTES = 16 * 1024 * 1024;
/** RFC 8878, 3.1.1: a zstd frame starts with these bytes, which no JSON text can start with. */
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** `{"v":1,"body":…}` as UTF-8, zstd-compressed above a threshold. */
export function encode(body: unknown): Buffer {
  const json = Buffer.from(JSON.stringify({ v: WIRE_VERSION, body }));
  return json.length > COMPRESS_ABOVE_BYTES ? zstdCompressSync(json) : json;
}

/**
 * A payload's body, checked against its schema.
 * @throws StammkundeError WIRE_MALFORMED, or WIRE_TOO_NEW for a version this program does not speak
 */
export function decode<T extends z.ZodType>(payload: Uint8Array, schema: T): z.infer<T> {
  const message = parseJson(unpack(payload));
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

function unpack(payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  try {
    const json = bytes.subarray(0, 4).equals(ZSTD_MAGIC)
      ? zstdDecompressSync(bytes, { maxOutputLength: PAYLOAD_MAX_BYTES })
      : bytes;
    if (json.length > PAYLOAD_MAX_BYTES) throw new RangeError('too long');
    return new TextDecoder('utf-8', { fatal: true }).decode(json);
  } catch (error) {
    throw new StammkundeError('WIRE_MALFORMED', 'a payload cannot be unpacked', { cause: error });
  }
}
