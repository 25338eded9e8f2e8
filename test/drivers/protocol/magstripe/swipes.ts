import { hex, text } from '../../hex.ts';

/** What magnetic stripe readers sent, byte for byte. The card numbers are of test cards. */
export const swiped = {
  /**
   * ID TECH, enhanced encryption format: a MasterCard test card, tracks 1 and 2 masked and encrypted (UniMag II and
   * SecureMag manuals).
   */
  idTechEnhanced: hex(`
    02 D500 80 1F 37 23 00 83 83
    252A353135302A2A2A2A2A2A2A2A373836315E504159504153532F4D4153544552434152445E2A2A2A2A2A2A2A2A2A2A2A2A2A2A2A3F2A
    3B353135302A2A2A2A2A2A2A2A373836313D2A2A2A2A2A2A2A2A2A2A2A2A2A2A2A3F2A
    A096A6F5D1DCBE45B5F77EB2559FEE0411013232E3F42044C0397E3E9E6D9B3A11FB8ADE0712AFD097C23AA86DFDC9DBA0E73A6FD698FD2F
    80800C0E1E9ED1BEED5EEA9840DA53F41254FDB79E89B76B127C25FE44AE7524BAEB5BDAACF777FA
    31323334353637383930 FFFF9876543210E0004A BB F9 03`),
  /** ID TECH, original encryption format: a three-track ABA card (SecureMag and Unitech MS246 manuals). */
  idTechOriginal: hex(`
    02 7D01 00 3F 48 23 6B
    252A343236362A2A2A2A2A2A2A2A393939395E42555348204A522F47454F52474520572E4D525E2A2A2A2A2A2A2A2A2A2A2A2A2A2A2A2A2A2
    A2A2A2A2A2A2A2A2A2A2A2A2A2A3F2A3B343236362A2A2A2A2A2A2A2A3939
    39393D2A2A2A2A2A2A2A2A2A2A2A2A2A2A2A3F2A3B3333333333333333333337
    363736373630373037303737363736373633333333333333333333373637363736303730
    373037373637363736333333333333333333333736373637363037303730373736373637
    3633333333333333333333373637363736303730373F32863E9E3DA28E455B28F7736
    B77E47A64EDDA3BF03A06E44F31D1818C0BCD7A353FB1AD70EFD30FFC3DA08
    A4FBC9372E57E8B40848BAEAA3FE724B3550E2F4B223E6BF264BEAE9E39142B6
    48CDB51FB8DAF8EA5B63913D29419B67582FCCCE9B372660F03668CC453216D9
    449C6B67EF33418AC88F65E1DB7ED4D10973F99DFC8463FF6DF113B6226C4898A
    9D355057ECAF11A5598F02CA3162994901190000000001399F03`),
  /** The text of a bank card's test card, tracks 1 and 2. */
  bankCard: text(
    '%B5499990001006781^TESTCARD/MC^15120000000000000000?;5499990001006781=15120000000000000000?',
  ),
} as const;

export interface Stripe {
  readonly track1?: string;
  readonly track2?: string;
  readonly track3?: string;
  /** Tracks the reader could not decode. */
  readonly failed?: readonly (1 | 2 | 3)[];
}

/** The report a MagTek reader sends: 337 bytes, or 338 of an insert reader. Tracks with their sentinels. */
export function magTekReport(stripe: Stripe, cardStatus?: number): Uint8Array {
  const report = new Uint8Array(cardStatus === undefined ? 337 : 338);
  const tracks = [stripe.track1, stripe.track2, stripe.track3];
  for (const [index, track] of tracks.entries()) {
    const failed = stripe.failed?.some((each) => each === index + 1) === true;
    report[index] = failed ? 1 : 0;
    report[3 + index] = failed ? 0 : (track ?? '').length;
    report.set(text(track ?? ''), 7 + index * 110);
  }
  if (cardStatus !== undefined) report[337] = cardStatus;
  return report;
}

/** A frame of an ID TECH reader whose tracks are in the clear, as of cards that are no bank cards. */
export function idTechFrame(stripe: Stripe, enhanced = true): Uint8Array {
  const tracks = [stripe.track1 ?? '', stripe.track2 ?? '', stripe.track3 ?? ''];
  let status = 0x07;
  let present = 0;
  for (const [index, track] of tracks.entries()) {
    const bit = 1 << index;
    if (stripe.failed?.some((each) => each === index + 1) === true) status = (status & ~bit) | (bit << 3);
    if (track !== '') {
      present |= bit;
      status |= bit << 3;
    }
  }
  const lengths = tracks.map((track) => track.length);
  const tail = enhanced ? text('1234567890') : new Uint8Array();
  const head = enhanced ? [0x80, status, ...lengths, present, 0] : [0x00, status, ...lengths];
  return idTechFrameOf(Uint8Array.from([...head, ...tracks.flatMap((track) => [...text(track)]), ...tail]));
}

/** STX, length, card data, LRC, checksum, ETX. */
export function idTechFrameOf(cardData: Uint8Array): Uint8Array {
  let [lrc, sum] = [0, 0];
  for (const byte of cardData) {
    lrc ^= byte;
    sum = (sum + byte) & 0xff;
  }
  return Uint8Array.from([2, cardData.length & 0xff, cardData.length >> 8, ...cardData, lrc, sum, 3]);
}

/** A report of ID TECH's own HID structure, 512 bytes of room for its text. */
export function idTechReport(output: string, failed: readonly (1 | 2 | 3)[] = []): Uint8Array {
  const report = new Uint8Array(521);
  for (const track of failed) report[track - 1] = 1;
  report[7] = output.length & 0xff;
  report[8] = output.length >> 8;
  report.set(text(output), 9);
  return report;
}
