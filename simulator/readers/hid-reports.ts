import type { HidIntroduction } from '../../drivers/transport/hid-network-messages.ts';

const hex = (text: string): string => text.replaceAll(/\s+/g, '').toLowerCase();

/** A Honeywell scanner in HID POS mode, with the report descriptor such scanners have (64 bytes a report). */
export const hidPosScanner: HidIntroduction = {
  vendorId: 0x0c2e,
  productId: 0x0b81,
  product: 'Virtual HID POS scanner',
  usagePage: 0x8c,
  usage: 0x02,
  reportDescriptorHex: hex(`
    05 8C 09 02 A1 01 09 12 A1 02
      85 02 15 00 26 FF 00 75 08 95 01 05 01 09 3B 81 02 95 03 05 8C 09 FB 09 FC 09 FD 81 02
      95 38 09 FE 82 02 01 95 02 06 66 FF 09 04 09 00 81 02 95 08 75 01 25 01 05 8C 09 FF 81 02
    C0 C0`),
};

/** The boot keyboard of HID 1.11, appendix E.6: what a scanner is that types. */
export const keyboardScanner: HidIntroduction = {
  vendorId: 0x0c2e,
  productId: 0x0b61,
  product: 'Virtual keyboard wedge',
  usagePage: 0x01,
  usage: 0x06,
  reportDescriptorHex: hex(`
    05 01 09 06 A1 01 05 07 19 E0 29 E7 15 00 25 01 75 01 95 08 81 02 95 01 75 08 81 01
    95 05 75 01 05 08 19 01 29 05 91 02 95 01 75 03 91 01 95 06 75 08 15 00 25 65 05 07 19 00 29 65 81 00 C0`),
};

/** A MagTek swipe reader. */
export const stripeReader: HidIntroduction = {
  vendorId: 0x0801,
  productId: 0x0002,
  product: 'Virtual stripe reader',
  usagePage: 0xff00,
  usage: 0x01,
};

/** A Symbol scanner in IBM hand-held mode. */
export const ibmScanner: HidIntroduction = {
  vendorId: 0x05e0,
  productId: 0x1300,
  product: 'Virtual IBM hand-held scanner',
};

const DATA_BYTES = 56;

/** The HID POS reports of a code: 56 bytes of it in each, all but the last marked as continued. */
export function hidPosReports(aim: string, payload: Uint8Array): Uint8Array[] {
  const reports: Uint8Array[] = [];
  for (let from = 0; from === 0 || from < payload.length; from += DATA_BYTES) {
    const part = payload.subarray(from, from + DATA_BYTES);
    const report = new Uint8Array(64);
    report.set([0x02, part.length, ...Buffer.from(aim, 'latin1')]);
    report.set(part, 5);
    report[63] = from + DATA_BYTES < payload.length ? 1 : 0;
    reports.push(report);
  }
  return reports;
}

/** The 337-byte report of a MagTek reader; the tracks with their sentinels, in ISO form `%…?;…?+…?`. */
export function stripeReport(tracks: string): Uint8Array {
  const report = new Uint8Array(337);
  for (const [index, form] of [/%[^?]*\?/, /;[^?]*\?/, /\+[^?]*\?/].entries()) {
    const track = form.exec(tracks)?.[0] ?? '';
    report[3 + index] = track.length;
    report.set(Buffer.from(track, 'latin1').subarray(0, 110), 7 + index * 110);
  }
  return report;
}

/** Symbology bytes at the end of a frame in IBM hand-held mode, by AIM identifier's code character. */
const ibmSuffixes: Readonly<Record<string, readonly number[]>> = {
  A: [0x00, 0x0a, 0x0b],
  C: [0x00, 0x18, 0x0b],
  E: [0x16],
  I: [0x00, 0x0d, 0x0b],
  L: [0x00, 0x2e, 0x0b],
  d: [0x00, 0x32, 0x0b],
};

/** @throws RangeError for a symbology this mode has no byte for here, and for what is longer than a frame */
export function ibmFrame(aim: string, payload: Uint8Array): Uint8Array {
  const suffix = ibmSuffixes[aim.charAt(1)];
  if (suffix === undefined) throw new RangeError(`IBM hand-held mode is not simulated for ${aim}`);
  const length = 4 + payload.length + suffix.length;
  if (length > 63) throw new RangeError('a frame in IBM hand-held mode has at most 63 bytes');
  return Uint8Array.from([length, 0x10, 0x03, 0x00, ...payload, ...suffix]);
}
