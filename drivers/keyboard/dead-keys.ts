/**
 * Dead keys, which wait for the key after them. In the layouts they stand as the combining mark of their accent; what
 * they type follows Windows, whose layouts scanners imitate: with a letter that takes the accent the letter with it,
 * with a space the accent alone, and with anything else the accent and that character after it.
 */

/** Combining mark → the accent standing alone. */
const alone: ReadonlyMap<string, string> = new Map([
  ['\u0300', '`'],
  ['\u0301', '´'],
  ['\u0302', '^'],
  ['\u0303', '~'],
  ['\u0304', '¯'],
  ['\u0306', '˘'],
  ['\u0307', '˙'],
  ['\u0308', '¨'],
  ['\u030a', '°'],
  ['\u030b', '˝'],
  ['\u030c', 'ˇ'],
  ['\u0327', '¸'],
  ['\u0328', '˛'],
  // Accents without a form of their own stand alone as their mark.
  ['\u0309', '\u0309'],
  ['\u031b', '\u031b'],
  ['\u0323', '\u0323'],
  ['\u0331', '\u0331'],
]);

const marks: ReadonlyMap<string, string> = new Map([...alone].map(([mark, accent]) => [accent, mark]));

/** Whether what a key types is a dead key. */
export function isDead(symbol: string): boolean {
  return symbol >= '\u0300' && alone.has(symbol);
}

/** The accent a dead key types on its own, such as `^` for U+0302. */
export function accentOf(dead: string): string {
  return alone.get(dead) ?? dead;
}

/** The dead key that, followed by a space, types this character; undefined where none does. */
export function deadFor(character: string): string | undefined {
  return marks.get(character);
}

/** What a dead key and the character after it type together. */
export function compose(dead: string, character: string): string {
  if (character === ' ') return accentOf(dead);
  const composed = `${character}${dead}`.normalize('NFC');
  return isWestern(composed) ? composed : `${accentOf(dead)}${character}`;
}

/** An accented letter as the dead key and letter that type it; undefined where there is none. */
export function decompose(character: string): { readonly dead: string; readonly base: string } | undefined {
  if (!isWestern(character)) return undefined;
  const [base, mark, ...rest] = character.normalize('NFD');
  if (base === undefined || mark === undefined || rest.length > 0 || !isDead(mark)) return undefined;
  return { dead: mark, base };
}

/** Of the accented letters the dead keys of Western European Windows make those of Latin-1, and no others. */
function isWestern(character: string): boolean {
  return character.length === 1 && character <= '\u00ff';
}

/**
 * Symbols of keys in the order they were struck, as text. A dead key with nothing after it types its accent.
 *
 * @param symbols characters, and combining marks for dead keys
 */
export function composeAll(symbols: string): string {
  if (!MARKS.test(symbols)) return symbols;
  let text = '';
  let dead = '';
  for (const symbol of symbols) {
    if (isDead(symbol)) {
      // A second dead key does not take the first one's accent: that stands alone.
      if (dead !== '') text += accentOf(dead);
      dead = symbol;
    } else if (dead === '') {
      text += symbol;
    } else {
      text += compose(dead, symbol);
      dead = '';
    }
  }
  return dead === '' ? text : text + accentOf(dead);
}

const MARKS = /[\u0300-\u036f]/;
