import type { StripeReading, StripeTrack } from './stripe-reading.ts';
import { swipeOf, trackField } from './stripe-reading.ts';
import type { TrackNumber } from './tracks.ts';

/** Swipe readers send 337 bytes, insert readers 338: the last says whether a card is inserted. */
export function isMagTekLength(bytes: number): boolean {
  return bytes === MAGTEK_BYTES || bytes === MAGTEK_BYTES + 1;
}

/**
 * The one input report a MagTek reader sends for a swipe, and readers of other makers in its mode:
 *
 * ```
 *   0–2  decode status of tracks 1–3, bit 0 = error      7–116    track 1, 110 bytes
 *   3–5  lengths of tracks 1–3                           117–226  track 2
 *   6    encode type (0 ISO, 1 AAMVA, …)                 227–336  track 3
 * ```
 * A report of any other length is of a reader that encrypts (iDynamo, Dynamag: 887 bytes), which does so with bank
 * cards. Sources: MagTek USB HID swipe and insert reader manuals, 99875191 and others; ID TECH SecureMag manual, 10.1.1.
 */
export function readMagTekReport(report: Uint8Array): StripeReading {
  if (!isMagTekLength(report.length)) {
    return { kind: report.length > MAGTEK_BYTES + 1 ? 'encrypted' : 'malformed' };
  }
  const tracks: StripeTrack[] = [];
  const unreadable: TrackNumber[] = [];
  for (const track of [1, 2, 3] as const) {
    const length = report[2 + track] ?? 0;
    if (length > TRACK_BYTES) return { kind: 'malformed' };
    if (((report[track - 1] ?? 0) & 1) !== 0) {
      unreadable.push(track);
      continue;
    }
    if (length === 0) continue;
    const from = 7 + (track - 1) * TRACK_BYTES;
    const read = trackField(track, report.subarray(from, from + length));
    if (read === undefined) return { kind: 'malformed' };
    if (read === 'unreadable') unreadable.push(track);
    else tracks.push(read);
  }
  return swipeOf(tracks, unreadable);
}

const MAGTEK_BYTES = 337;
const TRACK_BYTES = 110;

/**
 * Whether a card was read on its way out of an insert reader; undefined for swipe readers, which do not tell. Source:
 * MagTek USB insertion reader manual 99875205, card status.
 */
export function isWithdrawal(report: Uint8Array): boolean | undefined {
  const status = report[MAGTEK_BYTES];
  return report.length === MAGTEK_BYTES + 1 && status !== undefined ? (status & 1) === 0 : undefined;
}
