import { typingOf } from '../../drivers/keyboard/keystroke.ts';
import type { LayoutName } from '../../drivers/keyboard/layout.ts';

/** How a scanner that types like a keyboard is set up. */
export interface TypistSettings {
  readonly layout: LayoutName;
  /** What it types after each code. */
  readonly suffix?: 'enter' | 'tab' | 'keypad-enter' | 'none';
  /**
   * Which characters it types as Alt and a number on the keypad: those without a key, all beyond ASCII, all, or none
   * (it leaves out what it has no key for).
   */
  readonly altCodes?: 'without-key' | 'beyond-ascii' | 'all' | 'never';
  /** How it types control characters, GS among them: with Ctrl, as an Alt code, GS as F8 and others with Ctrl, or not. */
  readonly controls?: 'ctrl' | 'alt' | 'f8' | 'never';
  /** Digits on the keypad. */
  readonly keypadDigits?: boolean;
  /** It lets go of a key only where the next one is the same, as some firmware does to be faster. */
  readonly skipReleases?: boolean;
  /** AltGr as left Control and left Alt. */
  readonly altGrAsCtrlAlt?: boolean;
}

interface Press {
  readonly modifiers: number;
  readonly usage: number;
}

/** Lets go of everything, modifiers included. */
const RELEASE: Press = { modifiers: 0, usage: 0 };
const CTRL = 0x01;
const SHIFT = 0x02;
const ALT = 0x04;
const ALT_GR = 0x40;
const GS = 0x1d;
const F8 = 0x41;
const suffixes = { enter: 0x28, tab: 0x2b, 'keypad-enter': 0x58, none: undefined } as const;

/** The boot reports (8 bytes, HID 1.11, appendix B.1) a wedge sends for a text. */
export function typed(text: string, settings: TypistSettings): Uint8Array[] {
  const presses: Press[] = [];
  for (const character of text) presses.push(...pressesFor(character, settings), RELEASE);
  const suffix = suffixes[settings.suffix ?? 'enter'];
  if (suffix !== undefined) presses.push({ modifiers: 0, usage: suffix }, RELEASE);
  return (settings.skipReleases === true ? withoutReleases(presses) : presses).map(bootReport);
}

/** One boot report: the modifiers and up to six keys that are down. */
function bootReport({ modifiers, usage }: { modifiers: number; usage: number }): Uint8Array {
  return Uint8Array.of(modifiers, 0, usage, 0, 0, 0, 0, 0);
}

function pressesFor(character: string, settings: TypistSettings): readonly Press[] {
  const code = character.codePointAt(0) ?? 0;
  const { altCodes = 'without-key', controls = 'ctrl' } = settings;
  if (code < 0x20) return controlPresses(code, controls);
  if (altCodes === 'all' || (altCodes === 'beyond-ascii' && code > 0x7e)) return altPresses(code);
  const digit = settings.keypadDigits === true ? '1234567890'.indexOf(character) : -1;
  if (digit >= 0) return [{ modifiers: 0, usage: 0x59 + digit }];
  const strokes = typingOf(settings.layout, character);
  if (strokes === undefined) return altCodes === 'never' ? [] : altPresses(code);
  const altGr = settings.altGrAsCtrlAlt === true ? CTRL | ALT : ALT_GR;
  return strokes.flatMap(({ usage, level }, i) => [
    ...(i > 0 ? [RELEASE] : []),
    { modifiers: ((level & 1) === 1 ? SHIFT : 0) | (level >= 2 ? altGr : 0), usage },
  ]);
}

function controlPresses(code: number, controls: NonNullable<TypistSettings['controls']>): readonly Press[] {
  switch (controls) {
    case 'never':
      return [];
    case 'alt':
      return altPresses(code);
    case 'f8':
      if (code === GS) return [{ modifiers: 0, usage: F8 }];
      return [{ modifiers: CTRL, usage: controlKey(code) }];
    case 'ctrl':
      return [{ modifiers: CTRL, usage: controlKey(code) }];
  }
}

/** The key of a US keyboard that, with Ctrl, gives the control character: most firmware knows no other. */
function controlKey(code: number): number {
  const [stroke] = typingOf('us', String.fromCharCode(code + 0x40).toLowerCase()) ?? [];
  return stroke?.usage ?? 0;
}

/** Alt held, a zero and the character's number on the keypad. */
function altPresses(code: number): readonly Press[] {
  const digits = `0${String(code).padStart(3, '0')}`;
  return Array.from(digits, (digit): Press[] => [
    { modifiers: ALT, usage: 0x59 + '1234567890'.indexOf(digit) },
    { modifiers: ALT, usage: 0 },
  ]).flat();
}

/** Between different keys only; an Alt code ends with Alt being let go, so that one stays. */
function withoutReleases(presses: readonly Press[]): Press[] {
  return presses.filter((press, i) => {
    const before = presses[i - 1];
    const after = presses[i + 1];
    if (press.usage !== 0 || before === undefined || after === undefined) return true;
    if (before.usage === 0 || after.usage === 0 || before.usage === after.usage) return true;
    return (before.modifiers & ALT) !== (press.modifiers & ALT);
  });
}
