import { hex } from '../../hex.ts';

/** Frames of a Symbol scanner, 05E0:1300 (pteich/usbsymbolreader). */
export const captured: readonly (readonly [symbology: string, payload: string, frame: Uint8Array])[] = [
  ['code-39', 'Q1', hex('09 10 03 00 51 31 00 0A 0B')],
  ['code-39', 'CN', hex('09 10 03 00 43 4E 00 0A 0B')],
  ['code-39', 'D12MAR19', hex('0F 10 03 00 44 31 32 4D 41 52 31 39 00 0A 0B')],
  ['ean-13', '3574661404264', hex('12 10 03 00 33 35 37 34 36 36 31 34 30 34 32 36 34 16')],
  ['ean-13', '4026600891608', hex('12 10 03 00 34 30 32 36 36 30 30 38 39 31 36 30 38 16')],
  ['ean-13', '3574661404264', hex('12 10 03 00 03 05 07 04 06 06 01 04 00 04 02 06 04 16')],
  [
    'data-matrix',
    'BCSTUQBMTZFFBBGIDS4IKMRFZM|A18071801|',
    hex(`2C 10 03 00 42 43 53 54 55 51 42 4D 54 5A 46 46 42 42 47 49 44 53 34 49 4B 4D 52 46 5A 4D 7C
         41 31 38 30 37 31 38 30 31 7C 00 32 0B`),
  ],
  ['data-matrix', 'ABC 123456789', hex('14 10 03 00 41 42 43 20 31 32 33 34 35 36 37 38 39 00 32 0B')],
];
