/** Bytes from hexadecimal with spaces, as captures are written down. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
}

export function text(characters: string): Uint8Array {
  return Uint8Array.from(Buffer.from(characters, 'latin1'));
}

export function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
