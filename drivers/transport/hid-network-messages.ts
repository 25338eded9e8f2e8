import { z } from 'zod';

/**
 * How a HID device is passed on over TCP: messages of a kind, a length and that many bytes.
 *
 * ```
 *   kind  1 byte      I identity, first and once · R input report     device → till
 *                     F feature report · O output report              till → device
 *   length 2 bytes    big-endian
 *   bytes             identity: UTF-8 JSON of HidIntroduction; reports: report id first (0 for none), as from hidraw
 * ```
 */
export const hidMessageKinds = { identity: 0x49, input: 0x52, feature: 0x46, output: 0x4f } as const;
export type HidMessageKind = keyof typeof hidMessageKinds;

/** Longest message, bytes: a HID report has at most 4096, an introduction holds a descriptor of as many in hex. */
const MESSAGE_MAX = 16_384;
const HEADER = 3;

const Id = z.int().min(0).max(0xffff);

/** What the far end says of the device it passes on. */
export const HidIntroduction = z.strictObject({
  vendorId: Id,
  productId: Id,
  serialNumber: z.string().max(126).optional(),
  product: z.string().max(126).optional(),
  usagePage: Id.optional(),
  usage: Id.optional(),
  reportDescriptorHex: z
    .string()
    .regex(/^(?:[0-9a-f]{2}){0,4096}$/)
    .optional(),
});
export type HidIntroduction = z.infer<typeof HidIntroduction>;

export interface HidMessage {
  readonly kind: HidMessageKind;
  readonly bytes: Uint8Array;
}

/** @throws RangeError when the bytes are too many for a message; no report has as many */
export function writeHidMessage({ kind, bytes }: HidMessage): Uint8Array {
  if (bytes.length > MESSAGE_MAX) throw new RangeError(`a message has at most ${MESSAGE_MAX} bytes`);
  const message = new Uint8Array(HEADER + bytes.length);
  message.set([hidMessageKinds[kind], bytes.length >> 8, bytes.length & 0xff]);
  message.set(bytes, HEADER);
  return message;
}

const kindOf: ReadonlyMap<number, HidMessageKind> = new Map([
  [hidMessageKinds.identity, 'identity'],
  [hidMessageKinds.input, 'input'],
  [hidMessageKinds.feature, 'feature'],
  [hidMessageKinds.output, 'output'],
]);

/** Puts messages together from whatever pieces a stream delivers. After nonsense it stays broken: there is no way to find the next message. */
export class HidMessageReader {
  #held: Uint8Array = new Uint8Array(0);
  #broken = false;

  /** @returns the messages that are complete, or `broken` when this is no stream of messages */
  push(chunk: Uint8Array): readonly HidMessage[] | 'broken' {
    if (this.#broken) return 'broken';
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const messages: HidMessage[] = [];
    let from = 0;
    for (;;) {
      const [code, high, low] = all.subarray(from, from + HEADER);
      if (code === undefined || high === undefined || low === undefined) break;
      const kind = kindOf.get(code);
      const length = high * 256 + low;
      if (kind === undefined || length > MESSAGE_MAX) {
        this.#broken = true;
        this.#held = new Uint8Array(0);
        return 'broken';
      }
      const to = from + HEADER + length;
      if (to > all.length) break;
      messages.push({ kind, bytes: Uint8Array.from(all.subarray(from + HEADER, to)) });
      from = to;
    }
    this.#held = Uint8Array.from(all.subarray(from));
    return messages;
  }
}
