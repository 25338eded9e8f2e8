/** Number of a track of a magnetic stripe, as ISO/IEC 7811-6 counts them. */
export type TrackNumber = 1 | 2 | 3;

/** One track as the reader decoded it. */
export interface Track {
  readonly track: TrackNumber;
  /** What stands between the sentinels, exactly. */
  readonly data: string;
}

/** What a text is, taken for a magnetic stripe. */
export type TracksReading =
  | {
      readonly kind: 'tracks';
      /** As written: drivers write the one that carries the loyalty number first. */
      readonly tracks: readonly Track[];
      /** Tracks that hold something the reader could not decode. */
      readonly unreadable: readonly TrackNumber[];
    }
  /** A reader that encrypts, or stars for digits: a bank card, of which nothing is to be kept. */
  | { readonly kind: 'encrypted'; readonly code: 'MSR_ENCRYPTED' }
  /** There was a stripe, and nothing of it was read: to be swiped again, and no card at all. */
  | { readonly kind: 'unreadable'; readonly code: 'MSR_UNREADABLE' }
  /** No stripe: what it begins with is no start sentinel, or what follows is not tracks and nothing else. */
  | { readonly kind: 'none' };

/** Where a track lies in what was read. */
export interface TrackSpan {
  readonly track: TrackNumber;
  /** Index after the start sentinel. */
  readonly from: number;
  /** Index of the end sentinel. */
  readonly to: number;
  /** Readers write E in place of a track they could not decode (`%E?`, `;E?`, `+E?`). */
  readonly unreadable: boolean;
}

/**
 * Splits the text of a swipe into its tracks (ISO/IEC 7811-2 and -6, 7813; error forms: MagTek, ID TECH):
 *
 * ```
 *   % data ? [LRC]   track 1          % or ; a second time, or +   track 3
 *   ; data ? [LRC]   track 2          line ends, tabs and spaces between tracks mean nothing
 * ```
 * Whether a track is payment-card data is for the caller to say, of each of them: one such track is a payment card,
 * whatever the others hold.
 */
export function readTracks(text: string): TracksReading {
  const spans = trackSpans(text.length, (index) => text.charCodeAt(index));
  if (spans === undefined) return { kind: 'none' };
  if (MASKED.test(text)) return { kind: 'encrypted', code: 'MSR_ENCRYPTED' };
  const readable = spans.filter(({ unreadable }) => !unreadable);
  if (readable.length === 0) return { kind: 'unreadable', code: 'MSR_UNREADABLE' };
  return {
    kind: 'tracks',
    tracks: readable.map(({ track, from, to }) => ({ track, data: text.slice(from, to) })),
    unreadable: spans.filter(({ unreadable }) => unreadable).map(({ track }) => track),
  };
}

/**
 * The card number on a track: up to the first separator, `=` on tracks 2 and 3, `^` on track 1, whose format code, a
 * letter, is left out. Undefined when what stands there is not digits alone.
 */
export function cardNumberOn({ track, data }: Track): string | undefined {
  return (track === 1 ? TRACK_1_NUMBER : TRACK_2_NUMBER).exec(data)?.[1];
}

/** What readers that encrypt send in the clear: the first and last digits of a number, and stars between. */
const MASKED = /\*{4}/;
const TRACK_1_NUMBER = /^[A-Z]?([0-9]{1,37})(?:\^|$)/;
const TRACK_2_NUMBER = /^([0-9]{1,37})(?:=|$)/;

/** Longer than any stripe: three tracks of 79, 40 and 107 characters, and what readers put around them. */
const SWIPE_LENGTH_MAX = 512;

/** As {@link readTracks}, of characters wherever they are kept; undefined where that says `none`. */
export function trackSpans(
  length: number,
  codeAt: (index: number) => number,
): readonly TrackSpan[] | undefined {
  if (length > SWIPE_LENGTH_MAX) return undefined;
  const pastFillers = (from: number): number => {
    let at = from;
    while (at < length && isFiller(codeAt(at))) at += 1;
    return at;
  };
  const spans: TrackSpan[] = [];
  let at = pastFillers(0);
  while (at < length) {
    let span = trackAt(at, length, codeAt, spans);
    if (span === undefined && spans.length > 0 && codeAt(at - 1) === END_SENTINEL) {
      // The reader may send the check character of a track after it, which can be any character, sentinels too.
      const next = pastFillers(at + 1);
      if (next === length) break;
      span = trackAt(next, length, codeAt, spans);
    }
    if (span === undefined) return undefined;
    spans.push(span);
    at = pastFillers(span.to + 1);
  }
  return spans.length === 0 ? undefined : spans;
}

function trackAt(
  at: number,
  length: number,
  codeAt: (index: number) => number,
  before: readonly TrackSpan[],
): TrackSpan | undefined {
  const track = trackOf(codeAt(at), before);
  if (track === undefined) return undefined;
  let to = at + 1;
  while (to < length && codeAt(to) !== END_SENTINEL) {
    const code = codeAt(to);
    // Printable ASCII holds the characters of all tracks; the digit tracks know no start sentinel inside.
    if (code < SPACE || code > TILDE || (code === SEMICOLON && track !== 1)) return undefined;
    to += 1;
  }
  if (to >= length || to === at + 1) return undefined;
  return { track, from: at + 1, to, unreadable: to === at + 2 && codeAt(at + 1) === LETTER_E };
}

function trackOf(sentinel: number, before: readonly TrackSpan[]): TrackNumber | undefined {
  const read = (track: TrackNumber): boolean => before.some((span) => span.track === track);
  const first = sentinel === PERCENT ? 1 : sentinel === SEMICOLON ? 2 : undefined;
  const track =
    first !== undefined && !read(first) ? first : sentinel === PLUS || first !== undefined ? 3 : undefined;
  return track === undefined || read(track) ? undefined : track;
}

function isFiller(code: number): boolean {
  return code === SPACE || code === TAB || code === LF || code === CR;
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const PERCENT = 0x25;
const PLUS = 0x2b;
const SEMICOLON = 0x3b;
const END_SENTINEL = 0x3f;
const LETTER_E = 0x45;
const TILDE = 0x7e;
