import type { Frame, Noise } from '../../framing/frame.ts';
import { accentOf, compose, isDead } from '../../keyboard/dead-keys.ts';
import type { KeyboardLayout, Level } from '../../keyboard/layout.ts';
import { isCharacterKey, symbolAt } from '../../keyboard/layout.ts';
import { us } from '../../keyboard/layouts/us.ts';
import { ALT_CODE_DIGITS_MAX, altCodeCharacter } from './alt-code.ts';
import type { KeyboardReportFormat, KeysDown } from './keyboard-report.ts';
import { readKeyboardReport } from './keyboard-report.ts';

export type KeyTerminator = 'enter' | 'tab';

export interface KeystrokeReading {
  /** The layout the scanner is set to type. That of the machine plays no part. */
  readonly layout: KeyboardLayout;
  /** Reports that tell of keys, as the device declares them; reports of other kinds are noise. */
  readonly formats: readonly KeyboardReportFormat[];
  readonly terminators: readonly KeyTerminator[];
  /** Longest scan in characters. */
  readonly limitCharacters: number;
  /** Usage of the key that stands for GS (1D), such as 41 (F8). */
  readonly gsKey?: number;
  /** Whether CapsLock, when the scanner types it, changes what the keys after it type. */
  readonly capsLock: 'toggles' | 'ignored';
  /** What the characters become: UTF-8, or one byte each up to U+00FF and UTF-8 beyond. */
  readonly encoding: 'utf-8' | 'latin-1';
}

/**
 * What a keystroke stands for that types nothing with this layout: a character is missing here. It is put into the
 * text so that what is left can never pass for another number.
 */
export const UNTYPED = '\u{FFFD}';

const GS = 0x1d;
const LEFT_CTRL = 0x01;
const LEFT_ALT = 0x04;
const CTRL = 0x11;
const SHIFT = 0x22;
const ALT_GR = 0x40;
const ALT = LEFT_ALT | ALT_GR;
const GUI = 0x88;

const CAPS_LOCK = 0x39;
const SPACE = 0x2c;
/** Enter, and Enter on the keypad. */
const ENTER: readonly number[] = [0x28, 0x58];
const TAB = 0x2b;
/** ScrollLock and NumLock change nothing: on its keypad a scanner means digits. */
const SILENT: readonly number[] = [0x47, 0x53];
const KEYPAD_SEPARATOR = 0x63;
const keypad: ReadonlyMap<number, string> = new Map([
  [0x54, '/'],
  [0x55, '*'],
  [0x56, '-'],
  [0x57, '+'],
  ...Array.from('1234567890', (digit, i): [number, string] => [0x59 + i, digit]),
  [0x67, '='],
  [0x85, ','],
]);

/**
 * The reports of a scanner that types like a keyboard, as scans. A key counts when it is down and was not before; keys
 * that go down together count in the report's order.
 *
 * ```
 *   report ─► keys newly down ─► Enter, Tab ─────────────────────────► frame
 *                    │
 *                    ├─ layout, Shift, AltGr, CapsLock ─► character ─► text ─(limit)─► cutting ─► noise
 *                    ├─ dead key ─► with the next one ───────────────►   ▲
 *                    ├─ Alt + keypad ─► when Alt is let go ──────────►   │
 *                    ├─ Ctrl + key ─► control character ─────────────►   │
 *                    └─ anything else: noise, one "byte" for each key
 * ```
 */
export class KeystrokeDecoder {
  readonly #reading: KeystrokeReading;
  /** Keys down at the last report of each format. */
  readonly #down = new Map<KeyboardReportFormat, KeysDown>();
  #text = '';
  #dead = '';
  /** Typed on the keypad while Alt is down; undefined when another key makes the whole no number. */
  #altDigits: string | undefined = '';
  #capsLock = false;
  #cutting = false;
  #pieces: (Frame | Noise)[] = [];

  constructor(reading: KeystrokeReading) {
    this.#reading = reading;
  }

  /** True when something was typed that no terminator has ended yet. */
  get unfinished(): boolean {
    return this.#text !== '' || this.#dead !== '' || this.#cutting || this.#altDigits !== '';
  }

  /** Takes one input report. Whatever it holds, it never throws. */
  push(report: Uint8Array): readonly (Frame | Noise)[] {
    this.#pieces = [];
    const format = this.#reading.formats.find(
      ({ reportId }) => reportId === undefined || reportId === report[0],
    );
    const down = format === undefined ? undefined : readKeyboardReport(format, report);
    if (format === undefined || down === undefined) {
      // The keys that were down before an error still are, as far as anybody knows (Linux takes it the same way).
      this.#noise('unframed', report.length);
      return this.#pieces;
    }
    const before = this.#down.get(format);
    this.#down.set(format, down);
    if (((before?.modifiers ?? 0) & ALT) !== 0 && (down.modifiers & ALT) === 0) this.#endAltCode();
    let unknown = 0;
    for (const usage of down.keys) {
      if (before?.keys.includes(usage) === true) continue;
      if (!this.#press(usage, down.modifiers)) unknown += 1;
    }
    if (unknown > 0) this.#noise('unframed', unknown);
    return this.#pieces;
  }

  /** Ends the scan that was begun, as a terminator would. */
  flush(): readonly (Frame | Noise)[] {
    this.#pieces = [];
    this.#endAltCode();
    this.#end();
    return this.#pieces;
  }

  /** Gives up what was begun: a scan that stays unfinished must not become the head of the next one. */
  discard(): readonly (Frame | Noise)[] {
    this.#pieces = [];
    const typed = this.#text.length + (this.#dead === '' ? 0 : 1) + (this.#altDigits?.length ?? 0);
    if (typed > 0 && !this.#cutting) this.#noise('unfinished', typed);
    this.#reset();
    return this.#pieces;
  }

  /** The scanner has been quiet: whatever it holds down or has switched on belongs to the past. */
  rest(): void {
    this.#down.clear();
    this.#capsLock = false;
  }

  /** @returns false for a key that means nothing here */
  #press(usage: number, modifiers: number): boolean {
    if (ENTER.includes(usage)) return this.#terminator('enter', '\r');
    if (SILENT.includes(usage)) return true;
    if (usage === CAPS_LOCK) {
      if (this.#reading.capsLock === 'toggles') this.#capsLock = !this.#capsLock;
      return true;
    }
    if (usage === this.#reading.gsKey) return this.#control(GS);
    if ((modifiers & GUI) !== 0) return false;
    if ((modifiers & ALT) !== 0 && this.#altDigit(usage)) return true;
    // Left Alt alone makes a shortcut of the key; with Control it is what Windows makes of AltGr.
    const altGr =
      (modifiers & ALT_GR) !== 0 || ((modifiers & LEFT_ALT) !== 0 && (modifiers & LEFT_CTRL) !== 0);
    if ((modifiers & LEFT_ALT) !== 0 && !altGr) {
      if (this.#altDigits !== '') this.#altDigits = undefined;
      return false;
    }
    if (usage === TAB) return this.#terminator('tab', '\t');
    const pad = usage === KEYPAD_SEPARATOR ? this.#reading.layout.keypadSeparator : keypad.get(usage);
    if (pad !== undefined) return this.#type(pad);
    if (usage === SPACE) return this.#type(' ');
    if (!isCharacterKey(this.#reading.layout, usage)) return false;
    const shift = (modifiers & SHIFT) !== 0;
    if ((modifiers & CTRL) !== 0 && !altGr) return this.#controlKey(usage, shift);
    const symbol = this.#symbol(usage, shift, altGr);
    return this.#type(symbol === '' ? UNTYPED : symbol);
  }

  #symbol(usage: number, shift: boolean, altGr: boolean): string {
    const { layout } = this.#reading;
    const shifts = this.#capsLock && layout.capsLockShifts.includes(usage) ? !shift : shift;
    const symbol = symbolAt(layout, usage, level(shifts, altGr));
    if (!this.#capsLock || altGr || shifts !== shift) return symbol;
    const other = shift ? symbol.toLowerCase() : symbol.toUpperCase();
    return other.length === 1 ? other : symbol;
  }

  /** A digit of an Alt code; false for other keys. */
  #altDigit(usage: number): boolean {
    const digit = keypad.get(usage);
    if (digit === undefined || digit < '0' || digit > '9') return false;
    if (this.#altDigits === undefined || this.#altDigits.length >= ALT_CODE_DIGITS_MAX) {
      this.#altDigits = undefined;
    } else {
      this.#altDigits += digit;
    }
    return true;
  }

  #endAltCode(): void {
    const digits = this.#altDigits;
    this.#altDigits = '';
    if (digits === '') return;
    const character = digits === undefined ? undefined : altCodeCharacter(digits);
    const code = character?.codePointAt(0);
    if (character === undefined || code === undefined) this.#type(UNTYPED);
    else if (code < 0x20) this.#control(code);
    else this.#type(character);
  }

  /**
   * Ctrl and a key: the control character of what the key types. Scanners that think of a US keyboard go by the place
   * of the key, and Windows has its own Ctrl+], Ctrl+[ and Ctrl+\ there (KBDGR), so the place counts where the layout
   * types no such character.
   */
  #controlKey(usage: number, shift: boolean): boolean {
    for (const layout of [this.#reading.layout, us]) {
      for (const each of shift ? ([1, 0] as const) : ([0, 1] as const)) {
        const code = symbolAt(layout, usage, each).toUpperCase().charCodeAt(0);
        if (code >= 0x40 && code <= 0x5f) return this.#control(code - 0x40);
      }
    }
    return this.#type(UNTYPED);
  }

  #control(code: number): boolean {
    if (code === 0x0d || code === 0x0a) return this.#terminator('enter', String.fromCharCode(code));
    if (code === 0x09) return this.#terminator('tab', '\t');
    return this.#type(String.fromCharCode(code));
  }

  #terminator(terminator: KeyTerminator, character: string): boolean {
    if (this.#reading.terminators.includes(terminator)) this.#end();
    else this.#type(character);
    return true;
  }

  /** Takes a character, or the combining mark of a dead key. */
  #type(symbol: string): true {
    if (isDead(symbol)) {
      const accent = this.#dead === '' ? '' : accentOf(this.#dead);
      this.#dead = symbol;
      this.#append(accent);
    } else if (this.#dead === '') {
      this.#append(symbol);
    } else {
      const composed = compose(this.#dead, symbol);
      this.#dead = '';
      this.#append(composed);
    }
    return true;
  }

  #append(characters: string): void {
    if (characters === '') return;
    if (this.#cutting) {
      this.#noise('excess', characters.length);
    } else if (this.#text.length + characters.length > this.#reading.limitCharacters) {
      this.#noise('overlong', this.#text.length + characters.length);
      this.#text = '';
      this.#cutting = true;
    } else {
      this.#text += characters;
    }
  }

  #end(): void {
    if (this.#dead !== '') {
      const accent = accentOf(this.#dead);
      this.#dead = '';
      this.#append(accent);
    }
    if (this.#text !== '' && !this.#cutting) {
      this.#pieces.push({ kind: 'frame', bytes: encode(this.#text, this.#reading.encoding) });
    }
    this.#text = '';
    this.#cutting = false;
  }

  #reset(): void {
    this.#text = '';
    this.#dead = '';
    this.#altDigits = '';
    this.#cutting = false;
  }

  #noise(reason: Noise['reason'], bytes: number): void {
    const last = this.#pieces.at(-1);
    if (reason === 'excess' && last?.kind === 'noise' && last.reason === 'excess') {
      this.#pieces[this.#pieces.length - 1] = { ...last, bytes: last.bytes + bytes };
    } else if (bytes > 0) {
      this.#pieces.push({ kind: 'noise', reason, bytes });
    }
  }
}

function level(shift: boolean, altGr: boolean): Level {
  return altGr ? (shift ? 3 : 2) : shift ? 1 : 0;
}

function encode(text: string, encoding: KeystrokeReading['encoding']): Uint8Array {
  if (encoding === 'utf-8') return new Uint8Array(Buffer.from(text, 'utf8'));
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code <= 0xff) bytes.push(code);
    else bytes.push(...Buffer.from(character, 'utf8'));
  }
  return Uint8Array.from(bytes);
}
