import { compose, composeAll, decompose, deadFor, isDead } from '../../drivers/keyboard/dead-keys.ts';
import { keyboardLayouts } from '../../drivers/keyboard/keyboard-layouts.ts';
import type { Keystroke } from '../../drivers/keyboard/keystroke.ts';
import { keystrokesOf, SPACE, typingOf } from '../../drivers/keyboard/keystroke.ts';
import type { LayoutName } from '../../drivers/keyboard/layout.ts';
import { layoutNames, symbolAt } from '../../drivers/keyboard/layout.ts';
import { readAim } from '../../drivers/symbology/aim.ts';
import type { Symbology } from '../../drivers/symbology/symbology.ts';

/** A code that was typed with one layout and read with another. */
export interface FittingLayout {
  /** The layout it was read with. */
  readonly assumed: LayoutName;
  /** The layout it was typed with. Austrian scanners are found as `de`: the keys are the same. */
  readonly fits: LayoutName;
  /** Other layouts under which it is meant as well, maybe as something else: German and Italian differ in few signs. */
  readonly alsoFits: readonly LayoutName[];
  /**
   * What was meant, without AIM identifier. Of several readings that would do it is one, so it is shown to nobody as the
   * code itself and identifies nobody.
   */
  readonly text: string;
  /** What the AIM identifier says, where it was typed and garbled with the rest; undefined where there is none. */
  readonly symbology: Symbology | undefined;
}

/**
 * Whether a text fits nothing because a scanner's keyboard layout was not the one it was read with. Every layout that
 * can have been meant is tried: the text goes back to its keys by the one and is read again by the other.
 *
 * ```
 *   HTTPSÖ--ID.ACME…  ─de─►  keys  ─us─►  HTTPS://ID.ACME…  ─► isMeant?
 * ```
 *
 * It says so only of what shows it, because a shop cannot sell an article that is taken for a garbled card: the text is
 * not meant as it stands, and either it holds a character or an identifier that no code has (ß, é, `+E0`), or several
 * signs have moved, or it is long. A short text in which only letters or one sign would change (`Y123` for `Z123`)
 * stays what it is.
 *
 * @param text what was read, {@link UNTYPED} included
 * @param assumed the layout it was read with; undefined where that is not known, and all are tried
 * @param isMeant whether a text is a credential, by something in it that no article has by chance: the number of a card
 * scheme, an app code, a GSRN. `symbology` is what a garbled AIM identifier tells, undefined where the scan's own holds
 */
export function fittingLayout(
  text: string,
  assumed: LayoutName | undefined,
  isMeant: (text: string, symbology: Symbology | undefined) => boolean,
): FittingLayout | undefined {
  // Where digits are typed as such the layouts agree, and read as letters or signs they would be nobody's number.
  if (text.length < TEXT_MIN || text.length > TEXT_MAX || ONLY_DIGITS.test(text)) return undefined;
  if (assumed === undefined && text.length > ALL_LAYOUTS_MAX) return undefined;
  if (isMeant(text, undefined)) return undefined;
  const pairs = assumed === undefined ? allPairs : (pairsOf.get(assumed) ?? []);
  // Every layout with every reading would take too long.
  const readings = assumed === undefined ? NO_ACCENT : accentReadings(text);
  const tried = new Set([text]);
  for (const pair of pairs) {
    const reading = meantBy(text, pair, readings, tried, isMeant);
    if (reading === undefined) continue;
    const others = pairs.filter((other) => other !== pair && other.assumed === pair.assumed);
    return {
      assumed: pair.assumed,
      fits: pair.fits,
      alsoFits: others
        .filter((other) => meantBy(text, other, readings, new Set(), isMeant))
        .map(({ fits }) => fits),
      text: reading.data,
      symbology: reading.symbology,
    };
  }
  return undefined;
}

interface Reading {
  /** Without AIM identifier. */
  readonly data: string;
  readonly symbology: Symbology | undefined;
}

/** What was meant if it was typed with the one layout and read with the other; undefined where that is nothing. */
function meantBy(
  text: string,
  pair: Pair,
  readings: readonly number[],
  tried: Set<string>,
  isMeant: (text: string, symbology: Symbology | undefined) => boolean,
): Reading | undefined {
  for (const spaced of readings) {
    const meant = retyped(text, pair, spaced);
    if (meant === undefined || tried.has(meant)) continue;
    tried.add(meant);
    const reading = withoutAim(meant);
    if (shows(text, meant, reading.symbology) && isMeant(reading.data, reading.symbology)) return reading;
  }
  return undefined;
}

/** Shorter texts are no credential; longer ones recognition does not look into. */
const TEXT_MIN = 4;
const TEXT_MAX = 512;
/** Of all pairs of layouts there are seven times as many; an app code in an address is shorter. */
const ALL_LAYOUTS_MAX = 256;
const ONLY_DIGITS = /^[0-9]+$/;

/** What the keystroke decoder leaves where a key types nothing with its layout. */
export const UNTYPED = '\u{FFFD}';

/** In a text of this length a code is what it is by its form, also where only letters have changed places. */
const LONG = 20;
const MOVED_SIGNS_MIN = 2;

/** Whether a text shows by itself that it was garbled; what it would be then proves nothing. */
function shows(text: string, meant: string, symbology: Symbology | undefined): boolean {
  if (symbology !== undefined || text.length >= LONG || !PLAIN.test(text)) return true;
  let moved = 0;
  for (let i = 0; i < text.length; i += 1) {
    const [was, is] = [text[i] ?? '', meant[i] ?? ''];
    if (was !== is && !(LETTER.test(was) && LETTER.test(is))) moved += 1;
  }
  return moved >= MOVED_SIGNS_MIN;
}

/** ASCII, and the control characters a code may hold. */
const PLAIN = /^\p{ASCII}*$/u;
const LETTER = /^[A-Za-z]$/;

function withoutAim(text: string): Reading {
  if (!text.startsWith(']')) return { data: text, symbology: undefined };
  const reading = readAim(Buffer.from(text, 'utf8'));
  return reading.kind === 'data'
    ? { data: text.slice(reading.aim.length), symbology: reading.symbology }
    : { data: text, symbology: undefined };
}

/** What the characters of one layout become when their keys are read with another. */
interface Pair {
  readonly assumed: LayoutName;
  readonly fits: LayoutName;
  /** Character code → symbols of its keys: characters, and combining marks for dead keys. Only of Latin-1. */
  readonly symbols: readonly (string | undefined)[];
  /** The same where one key types one character; 0 elsewhere. */
  readonly codes: Uint16Array;
  /** Accent standing alone → symbol of its dead key. */
  readonly accents: ReadonlyMap<string, string>;
  /** True where the bracket of an AIM identifier, typed with the one, is nothing with the other. */
  readonly losesBracket: boolean;
}

/**
 * Which accents standing alone were a dead key and a space, one bit each from the first; the others were a dead key
 * before a character that does not take it. The text does not tell. A space is one sign of base45 in 45, so of more
 * than a few accents no more than two are taken for such.
 */
function accentReadings(text: string): readonly number[] {
  const count = text.match(ACCENTS)?.length ?? 0;
  // A text of accents must not take longer than any other.
  if (count === 0 || count > ACCENTS_MAX || text.length > WITH_ACCENTS_MAX) return NO_ACCENT;
  if (count <= FEW_ACCENTS) return Array.from({ length: 1 << count }, (_, spaced) => spaced);
  const single = Array.from({ length: count }, (_, bit) => 1 << bit);
  const both = single.flatMap((one, i) => single.slice(i + 1).map((other) => one | other));
  return [0, ...single, ...both.slice(0, PAIRS_MAX)];
}

const ACCENTS = /[`´^~¨°¸¯]/g;
const NO_ACCENT = [0];
const FEW_ACCENTS = 4;
/** Of the 123 signs of a base45 app code two or three in 45 can come to be dead keys. */
const ACCENTS_MAX = 12;
const PAIRS_MAX = 20;
const WITH_ACCENTS_MAX = 160;

/** The text as its keys read with the layout that may fit; undefined where it cannot have been typed. */
function retyped(text: string, pair: Pair, spaced: number): string | undefined {
  const codes: number[] = [];
  for (let i = 0; i < text.length; i += 1) {
    const code = pair.codes[text.charCodeAt(i)] ?? NONE;
    // One key that types one character is by far the most frequent case, and there are hundreds of them in each call.
    if (code === NONE) return retypedWithDeadKeys(text, pair, spaced);
    codes.push(code);
  }
  return String.fromCharCode(...codes);
}

/** No character stands for itself here: a dead key has a part in it, or nothing types it. */
const NONE = 0;

function retypedWithDeadKeys(text: string, pair: Pair, spaced: number): string | undefined {
  let symbols = '';
  let accents = 0;
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i] ?? '';
    const accent = pair.accents.get(character);
    const symbol = pair.symbols[text.charCodeAt(i)];
    if (symbol !== undefined) {
      symbols += symbol;
    } else if (accent !== undefined) {
      const withSpace = takesAccent(text[i + 1], character) || ((spaced >> accents) & 1) === 1;
      symbols += withSpace ? `${accent} ` : accent;
      accents += 1;
    } else if (character === UNTYPED && i === 0 && pair.losesBracket) {
      symbols += ']';
    } else if (character < ' ') {
      symbols += character; // Ctrl and Alt codes go by the place of keys, whatever the layout
    } else {
      return undefined;
    }
  }
  return composeAll(symbols);
}

/** A character that would have become one with the dead key, had there been no space between. */
function takesAccent(next: string | undefined, accent: string): boolean {
  if (next === ' ') return true;
  if (next === undefined || !LETTER.test(next)) return false;
  const mark = deadFor(accent);
  return mark !== undefined && compose(mark, next).length === 1;
}

/** The ways to type each character of Latin-1: keys, or a dead key and another. */
type Typing = readonly (readonly (readonly Keystroke[])[])[];

function typingWith(layout: LayoutName): Typing {
  return Array.from({ length: 0x100 }, (_, code) => {
    const character = String.fromCharCode(code);
    const ways: (readonly Keystroke[])[] = keystrokesOf(layout, character).map((stroke) => [stroke]);
    const parts = decompose(character);
    const [dead] = parts === undefined ? [] : keystrokesOf(layout, parts.dead);
    const [base] = parts === undefined ? [] : keystrokesOf(layout, parts.base);
    return dead === undefined || base === undefined ? ways : [...ways, [dead, base]];
  });
}

function pairOf(assumed: LayoutName, fits: LayoutName, typing: Typing): Pair {
  const bracket = typingOf(fits, ']') ?? [];
  const symbols = typing.map((ways) => bestSymbols(ways, fits));
  return {
    assumed,
    fits,
    symbols,
    codes: Uint16Array.from(symbols, (symbol) =>
      symbol?.length === 1 && !isDead(symbol) ? symbol.charCodeAt(0) : NONE,
    ),
    accents: new Map(
      accentsAlone.flatMap((accent): [string, string][] => {
        const [dead] = keystrokesOf(assumed, deadFor(accent) ?? '');
        const symbol = dead === undefined ? '' : symbolOf(fits, dead);
        return symbol === '' ? [] : [[accent, symbol]];
      }),
    ),
    losesBracket: bracket.every((stroke) => symbolOf(assumed, stroke) === ''),
  };
}

const accentsAlone = ['`', '´', '^', '~', '¨', '°', '¸', '¯'];

/** Several keys may type a character: of what they would have meant, the likeliest. */
function bestSymbols(ways: readonly (readonly Keystroke[])[], fits: LayoutName): string | undefined {
  let best: string | undefined;
  let bestRank = 0;
  for (const strokes of ways) {
    const symbols = strokes.map((stroke) => symbolOf(fits, stroke));
    if (symbols.includes('')) continue;
    const rank = likelihood(symbols, strokes, fits);
    if (rank > bestRank) [best, bestRank] = [symbols.join(''), rank];
  }
  return best;
}

function likelihood(symbols: readonly string[], strokes: readonly Keystroke[], fits: LayoutName): number {
  if (symbols.some((symbol) => symbol > '~')) return 1;
  // With the layout it is set to, a scanner strikes the first of several keys.
  if (!isSame(keystrokesOf(fits, symbols[0] ?? '')[0], strokes[0])) return 2;
  return symbols.every((symbol) => IN_CODES.test(symbol)) ? 4 : 3;
}

/** Addresses (RFC 3986) and base45 (RFC 9285) hold these, and GS1 element strings hardly others. */
const IN_CODES = /^[\w $%*+./:?#[\]@!&'(),;=~-]$/;

function symbolOf(layout: LayoutName, { usage, level }: Keystroke): string {
  return usage === SPACE.usage ? ' ' : symbolAt(keyboardLayouts[layout], usage, level);
}

function isSame(a: Keystroke | undefined, b: Keystroke | undefined): boolean {
  return a !== undefined && b !== undefined && a.usage === b.usage && a.level === b.level;
}

/** In the order in which they are likely; of layouts with the same keys the first. */
const likely: readonly LayoutName[] = (
  ['us', 'de', 'ch-de', 'fr', 'it', 'ch-fr', 'be', 'at'] as const
).filter(
  (name, i, all) =>
    !all.slice(0, i).some((other) => keyboardLayouts[other].keys === keyboardLayouts[name].keys),
);

const pairsOf: ReadonlyMap<LayoutName, readonly Pair[]> = new Map(
  layoutNames.map((assumed) => {
    const typing = typingWith(assumed);
    const others = likely.filter((fits) => keyboardLayouts[fits].keys !== keyboardLayouts[assumed].keys);
    return [assumed, others.map((fits) => pairOf(assumed, fits, typing))];
  }),
);

const allPairs: readonly Pair[] = likely.flatMap((assumed) => pairsOf.get(assumed) ?? []);
