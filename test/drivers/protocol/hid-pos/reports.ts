import { hex, text } from '../../hex.ts';

/** A Honeywell Voyager 1602g answers the command REVINF., then acknowledges it (HenkVanAsselt/python_hon_usbhid). */
export const revisionReply: readonly Uint8Array[] = [
  hex(`
    02 38 5D 58 30 50 72 6F 64 75 63 74 20 4E 61 6D 65 3A 20 56 6F 79 61 67 65 72 20 31 36 30 32 67
    0D 0A 42 6F 6F 74 20 52 65 76 69 73 69 6F 6E 3A 20 3A 20 38 39 39 32 0D 0A 53 6F 66 74 3F 00 01`),
  hex(`
    02 38 5D 58 30 77 61 72 65 20 50 61 72 74 20 4E 75 6D 62 65 72 3A 20 43 57 30 30 30 30 38 32 42
    42 41 0D 0A 53 6F 66 74 77 61 72 65 20 52 65 76 69 73 69 6F 6E 3A 20 24 50 72 6F 6A 65 3F 00 01`),
  hex(`
    02 38 5D 58 30 63 74 52 65 76 69 73 69 6F 6E 3A 20 31 36 33 34 35 20 0D 0A 53 65 72 69 61 6C 20
    4E 75 6D 62 65 72 3A 20 31 35 32 33 32 42 31 46 30 43 0D 0A 53 75 70 70 6F 72 74 65 64 3F 00 01`),
  hex(`
    02 38 5D 58 30 20 49 46 3A 20 42 6C 75 65 74 6F 6F 74 68 0D 0A 50 43 42 20 41 73 73 65 6D 62 6C
    79 20 49 44 3A 20 30 30 30 30 30 30 0D 0A 45 6E 67 69 6E 65 20 46 69 72 6D 77 61 72 65 3F 00 01`),
  hex(`
    02 38 5D 58 30 20 54 79 70 65 3A 20 4E 2F 41 20 20 20 52 65 76 69 73 69 6F 6E 3A 20 4E 2F 41 20
    20 20 53 65 72 69 61 6C 20 4E 75 6D 62 65 72 3A 20 4E 2F 41 20 20 20 43 68 65 63 6B 73 3F 00 01`),
  hex(`
    02 09 5D 58 30 75 6D 3A 20 4E 2F 41 0D 0A 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 3F 00 00`),
  hex(`
    02 08 5D 5A 36 52 45 56 49 4E 46 06 2E 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 36 00 00`),
];

const PART = 56;

interface Made {
  readonly aim?: string;
  readonly codeId?: string;
}

function parts(data: Uint8Array): readonly { readonly bytes: Uint8Array; readonly continued: boolean }[] {
  const count = Math.max(1, Math.ceil(data.length / PART));
  return Array.from({ length: count }, (_, index) => ({
    bytes: data.subarray(index * PART, (index + 1) * PART),
    continued: index < count - 1,
  }));
}

function report(
  length: number,
  ...pieces: readonly (readonly [at: number, bytes: Uint8Array])[]
): Uint8Array {
  const bytes = new Uint8Array(length);
  for (const [at, piece] of pieces) bytes.set(piece, at);
  return bytes;
}

function flag(on: boolean): Uint8Array {
  return Uint8Array.of(on ? 1 : 0);
}

/** How a scanner of each layout sends `data`. */
export const sent = {
  honeywell: (data: Uint8Array, { aim = '\0\0\0', codeId = '\0' }: Made = {}) =>
    parts(data).map(({ bytes, continued }) =>
      report(
        64,
        [0, Uint8Array.of(2, bytes.length)],
        [2, text(aim)],
        [5, bytes],
        [61, text(codeId)],
        [63, flag(continued)],
      ),
    ),
  newland: (data: Uint8Array) =>
    parts(data).map(({ bytes, continued }) =>
      report(64, [0, Uint8Array.of(2, bytes.length)], [2, bytes], [63, flag(continued)]),
    ),
  simple: (data: Uint8Array, { aim = '\0\0\0' }: Made = {}) =>
    parts(data).map(({ bytes, continued }) =>
      report(61, [0, Uint8Array.of(2)], [1, text(aim)], [4, bytes], [60, flag(continued)]),
    ),
} as const;
