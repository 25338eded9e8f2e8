import { hex } from './hex.ts';

/** What real scanners sent, byte for byte, terminators included. */
export const captured = {
  /** EAN-13 4006381333931, AIM identifiers on, suffix CR. */
  ean13WithAimCr: hex('5D 45 30 34 30 30 36 33 38 31 33 33 33 39 33 31 0D'),
  /** GS1-128 (01)04006381333931(10)ABC(21)XYZ with its group separator, suffix CR LF. */
  gs1128WithGsCrLf: hex(
    '5D 43 31 30 31 30 34 30 30 36 33 38 31 33 33 33 39 33 31 31 30 41 42 43 1D 32 31 58 59 5A 0D 0A',
  ),
  /** EAN-13 4006381333931 between STX and ETX, no AIM identifier. */
  ean13StxEtx: hex('02 34 30 30 36 33 38 31 33 33 33 39 33 31 03'),
  /** An RFID reader's tag 010EA58A83 as STX data CR LF ETX (serialport/node-serialport#582). */
  rfidStxCrLfEtx: hex('02 30 31 30 45 41 35 38 41 38 33 0D 0A 03'),
} as const;
