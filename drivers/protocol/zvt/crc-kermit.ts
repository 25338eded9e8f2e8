/**
 * CRC-16/KERMIT: reflected polynomial 8408, initial value 0. What PA00P016 calls CRC-XModem is this one, as its own
 * example `10 02 80 00 00 10 03 F5 1F` shows. Check value of "123456789": 2189.
 */
export function crcKermit(bytes: Uint8Array, initial = 0): number {
  let crc = initial;
  for (const byte of bytes) crc = (crc >> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return crc;
}

const table = Uint16Array.from({ length: 256 }, (_unused, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >> 1 : (crc >> 1) ^ 0x8408;
  return crc;
});
