import { hex } from '../hex.ts';

/** Layout A: Honeywell, HHP, Access-IS; 64 bytes with a report id. */
export const honeywellDescriptor = hex(`
  05 8C 09 02 A1 01
    09 12 A1 02
      85 02 15 00 26 FF 00 75 08
      95 01 05 01 09 3B 81 02
      95 03 05 8C 09 FB 09 FC 09 FD 81 02
      95 38 09 FE 82 02 01
      95 02 06 66 FF 09 04 09 00 81 02
      95 08 75 01 25 01 05 8C 09 FF 81 02
    C0
    09 14 A1 02
      85 04 15 00 25 01 75 01 95 03 09 00 09 5F 09 60 91 82 95 05 91 03
    C0
    06 66 FF 09 10 A1 02
      85 FE 15 00 26 FF 00 75 08 95 01 09 2C B1 02
      85 FD 95 3F 09 2D 92 02 01
    C0
  C0`);

/** Layout B: Newland; count and data, no AIM identifier. */
export const newlandDescriptor = hex(`
  05 8C 09 02 A1 01 09 12 A1 02
    85 02 15 00 26 FF 00 75 08
    95 01 05 01 09 3B 81 02
    95 38 05 8C 09 FE 82 02 01
    95 05 06 66 FF 09 20 81 02
    95 01 75 01 25 01 05 8C 09 FF 81 02
    95 07 81 03
  C0 C0`);

/** Layout C: AIM identifier and data, no count. */
export const simpleDescriptor = hex(`
  05 8C 09 02 A1 01 09 12 A1 02
    85 02 15 00 26 FF 00 75 08
    95 03 19 FB 29 FD 81 02
    95 38 09 FE 82 02 01
    95 01 75 01 25 01 09 FF 81 02
    95 07 81 03
  C0 C0`);

/** The boot keyboard of HID 1.11, appendix E.6. */
export const keyboardDescriptor = hex(`
  05 01 09 06 A1 01
    05 07 19 E0 29 E7 15 00 25 01 75 01 95 08 81 02
    95 01 75 08 81 01
    95 05 75 01 05 08 19 01 29 05 91 02
    95 01 75 03 91 01
    95 06 75 08 15 00 25 65 05 07 19 00 29 65 81 00
  C0`);
