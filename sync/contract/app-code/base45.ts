/** RFC 9285: the 45 characters of a QR code's alphanumeric mode. */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';

/** Base45 (RFC 9285): two bytes become three characters, a last single byte two. */
export function encodeBase45(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 2) {
    const [high = 0, low] = bytes.subarray(i, i + 2);
    let rest = low === undefined ? high : high * 256 + low;
    for (let n = low === undefined ? 2 : 3; n > 0; n -= 1) {
      text += ALPHABET.charAt(rest % 45);
      rest = Math.floor(rest / 45);
    }
  }
  return text;
}

/** The bytes of a base45 text, or undefined when it is none: RFC 9285, 4, foreign characters and values beyond a byte pair. */
export function decodeBase45(text: string): Uint8Array | undefined {
  if (text.length % 3 === 1) return undefined;
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i += 3) {
    const digits = Array.from(text.slice(i, i + 3), (character) => ALPHABET.indexOf(character));
    if (digits.includes(-1)) return undefined;
    const value = digits.reduceRight((sum, digit) => sum * 45 + digit, 0);
    if (digits.length === 3) {
      if (value > 0xffff) return undefined;
      bytes.push(value >> 8, value & 0xff);
    } else {
      if (value > 0xff) return undefined;
      bytes.push(value);
    }
  }
  return Uint8Array.from(bytes);
}
