import { encodeBmp } from '../../../../drivers/protocol/zvt/bmp.ts';
import { encodeTlv, encodeTlvLength } from '../../../../drivers/protocol/zvt/tlv.ts';
import { hex } from '../../hex.ts';

/** Frames as they stand in PA00P016 and PA00P015, or as real terminals sent them: APDU → serial frame. */
export const serialFrames = {
  acknowledged: [hex('80 00 00'), hex('10 02 80 00 00 10 03 F5 1F')],
  /** 10.00 EUR: the byte 10 is doubled on the line, LEN stays 07. */
  authorisation: [
    hex('06 01 07 04 00 00 00 00 10 00'),
    hex('10 02 06 01 07 04 00 00 00 00 10 10 00 10 03 62 91'),
  ],
  statusEnquiry: [hex('05 01 00'), hex('10 02 05 01 00 10 03 10 06')],
  abort: [hex('06 B0 00'), hex('10 02 06 B0 00 10 03 43 F3')],
  readCard: [
    hex('06 C0 0D 3C 19 10 06 08 1F 15 01 C2 1F 60 01 07'),
    hex('10 02 06 C0 0D 3C 19 10 10 06 08 1F 15 01 C2 1F 60 01 07 10 03 B7 20'),
  ],
} as const satisfies Readonly<Record<string, readonly [Uint8Array, Uint8Array]>>;

/**
 * Data of a Status Information as an Austrian terminal sent it after a Maestro payment of 18.80 EUR (215 bytes with its
 * header), rebuilt from its parsed fields; of the texts to be printed only the length is that of the capture.
 */
export function maestroStatus(): Uint8Array {
  const printed = 'A0000000043060 00008000 E800';
  const container = [
    ...encodeTlv(0x24, encodeTlv(0x07, Buffer.from('GEN.NR.:958520'))),
    ...encodeTlv(0x60, encodeTlv(0x43, hex('A0000000043060'))),
    ...encodeTlv(0x46, Buffer.from(printed.padEnd(60))),
    ...encodeTlv(0x47, Buffer.from(printed.padEnd(52))),
    ...encodeTlv(0x1f10, Uint8Array.of(0x00)),
    ...encodeTlv(0x1f12, Uint8Array.of(0x02)),
  ];
  return Uint8Array.from([
    ...encodeBmp(0x27, hex('00')),
    ...encodeBmp(0x04, hex('00 00 00 00 18 80')),
    ...encodeBmp(0x0b, hex('00 01 53')),
    ...encodeBmp(0x0c, hex('19 23 36')),
    ...encodeBmp(0x0d, hex('04 16')),
    ...encodeBmp(0x17, hex('00 01')),
    ...encodeBmp(0x19, hex('70')),
    ...encodeBmp(0x22, hex('EE EE EE EE EE EE EE E4 28 1F')),
    ...encodeBmp(0x29, hex('29 00 10 06')),
    ...encodeBmp(0x8a, hex('2E')),
    ...encodeBmp(0x8b, Buffer.from('MAESTRO\0')),
    0x06,
    ...encodeTlvLength(container.length),
    ...container,
  ]);
}

export const PAR = 'V001000000000000000ABCDEFGHIJ';

/** Two digits a byte, F behind an odd number of them. */
export function packed(digits: string): Uint8Array {
  return hex(digits.length % 2 === 0 ? digits : `${digits}F`);
}
