/** The GS1 separator that ends an element string of variable length (FNC1 in the symbol, GS General Specifications 7.8). */
const GS = 0x1d;

/** `payload` with every `substitute` replaced by GS (1D). The same array when there is none. */
export function restoreGs(payload: Uint8Array, substitute: Uint8Array): Uint8Array {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  let found = bytes.indexOf(substitute);
  if (found < 0 || substitute.length === 0) return payload;
  const restored: number[] = [];
  let from = 0;
  while (found >= 0) {
    restored.push(...bytes.subarray(from, found), GS);
    from = found + substitute.length;
    found = bytes.indexOf(substitute, from);
  }
  restored.push(...bytes.subarray(from));
  return Uint8Array.from(restored);
}
