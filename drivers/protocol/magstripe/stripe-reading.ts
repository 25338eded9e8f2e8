import type { TrackNumber } from './tracks.ts';
import { trackSpans } from './tracks.ts';

/** One track as it lies in what the reader sent: a view, to be overwritten with it. */
export interface StripeTrack {
  readonly track: TrackNumber;
  /** Without sentinels. */
  readonly data: Uint8Array;
}

/** What a reader tells of one swipe. */
export type StripeReading =
  | {
      readonly kind: 'swipe';
      readonly tracks: readonly StripeTrack[];
      /** Tracks that hold something the reader could not decode. */
      readonly unreadable: readonly TrackNumber[];
    }
  /** The reader encrypted it, as it does with bank cards: nothing of it is handed on. */
  | { readonly kind: 'encrypted' }
  /** The reader tells of no card: an inserted one that was not moved yet, an empty report. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'malformed' };

/** Which track carries the loyalty number; auto: 2, else 1, else 3. */
export type WantedTrack = TrackNumber | 'auto';

/** A swipe a reader sent as text: the tracks between their sentinels, one after the other. */
export function readTrackText(bytes: Uint8Array): StripeReading {
  const spans = trackSpans(bytes.length, (index) => bytes[index] ?? 0);
  if (spans === undefined) return { kind: 'malformed' };
  return swipeOf(
    spans.flatMap(({ track, from, to, unreadable }) =>
      unreadable ? [] : [{ track, data: bytes.subarray(from, to) }],
    ),
    spans.filter(({ unreadable }) => unreadable).map(({ track }) => track),
  );
}

/** Of what was found on the stripe; stars in place of digits are those of a reader that encrypts. */
export function swipeOf(tracks: readonly StripeTrack[], unreadable: readonly TrackNumber[]): StripeReading {
  if (tracks.some(({ data }) => isMasked(data))) return { kind: 'encrypted' };
  if (tracks.length === 0 && unreadable.length === 0) return { kind: 'nothing' };
  return { kind: 'swipe', tracks, unreadable };
}

/**
 * A track as readers put it into a field of its own, with sentinels or without. `undefined` where it holds what no
 * track can; `unreadable` in the error form.
 */
export function trackField(track: TrackNumber, field: Uint8Array): StripeTrack | 'unreadable' | undefined {
  const from = startSentinels.has(field[0] ?? 0) ? 1 : 0;
  const end = field.lastIndexOf(END_SENTINEL);
  const data = field.subarray(from, end < from ? field.length : end);
  if (data.length === 0 || !data.every((code) => code >= 0x20 && code <= 0x7e && code !== END_SENTINEL))
    return undefined;
  return data.length === 1 && data[0] === LETTER_E ? 'unreadable' : { track, data };
}

/**
 * The payload of the scan: every track that was read, so that whoever judges it sees a payment card on whichever track
 * it is, and `E` for those that were not. The wanted one comes first; `%…?`, `;…?`, `+…?` for tracks 1, 2, 3.
 * Of a swipe whose wanted track holds something unreadable there is nothing but that to say.
 */
export function swipePayload(
  { tracks, unreadable }: Extract<StripeReading, { kind: 'swipe' }>,
  wanted: WantedTrack,
): Uint8Array {
  const read = wanted !== 'auto' && unreadable.includes(wanted) ? [] : tracks;
  const order = wanted === 'auto' ? preference : [wanted, ...preference.filter((each) => each !== wanted)];
  const parts: Uint8Array[] = [];
  for (const track of order) {
    const found = read.find((each) => each.track === track);
    if (found !== undefined) parts.push(sentinels[track], found.data, END);
  }
  for (const track of order) if (unreadable.includes(track)) parts.push(sentinels[track], ERROR, END);
  const payload = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    payload.set(part, at);
    at += part.length;
  }
  return payload;
}

/** Whether a reader that encrypts has put stars in place of digits. */
export function isMasked(data: Uint8Array): boolean {
  let stars = 0;
  for (const code of data) {
    stars = code === STAR ? stars + 1 : 0;
    if (stars >= 4) return true;
  }
  return false;
}

const preference: readonly TrackNumber[] = [2, 1, 3];
const sentinels: Readonly<Record<TrackNumber, Uint8Array>> = {
  1: Uint8Array.of(0x25),
  2: Uint8Array.of(0x3b),
  3: Uint8Array.of(0x2b),
};
const startSentinels: ReadonlySet<number> = new Set([0x25, 0x2b, 0x3b]);
const END_SENTINEL = 0x3f;
const END = Uint8Array.of(END_SENTINEL);
const LETTER_E = 0x45;
const ERROR = Uint8Array.of(LETTER_E);
const STAR = 0x2a;
