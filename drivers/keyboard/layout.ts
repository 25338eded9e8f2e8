/** The layouts scanners are set to type. Stable names: they appear in configuration and in messages to people. */
export const layoutNames = ['us', 'de', 'at', 'ch-de', 'ch-fr', 'fr', 'be', 'it'] as const;
export type LayoutName = (typeof layoutNames)[number];

/** How a key is held: 0 plain, 1 Shift, 2 AltGr, 3 Shift and AltGr. */
export type Level = 0 | 1 | 2 | 3;

/**
 * What the keys of a keyboard type, by HID usage of the page Keyboard/Keypad (07; HID Usage Tables 1.5, section 10).
 *
 * The tables are those of xkeyboard-config 2.35.1 as `xkbcli compile-keymap` prints them. Where Windows differs in a way
 * a scanner's strokes show, the file of the layout says so.
 */
export interface KeyboardLayout {
  readonly name: LayoutName;
  /**
   * Usage → what is typed at each {@link Level}: one character, an empty string where it types nothing, or a combining
   * mark (U+0300–U+036F) where the key is a dead one. Keys that all layouts share (space, keypad) are not listed.
   */
  readonly keys: Readonly<Record<number, readonly string[]>>;
  /** What the keypad's separator key types. */
  readonly keypadSeparator: '.' | ',';
  /** Keys without letters that CapsLock shifts all the same, as Windows does with this layout. */
  readonly capsLockShifts: readonly number[];
}

/** ISO keyboards report the key left of Enter as "Non-US #" (32) or as `\` (31); hosts treat both alike. */
const NON_US_HASH = 0x32;
const BACKSLASH = 0x31;

/** What a key types at a level: a character, a combining mark for a dead key, or '' for nothing. */
export function symbolAt(layout: KeyboardLayout, usage: number, level: Level): string {
  return layout.keys[usage === NON_US_HASH ? BACKSLASH : usage]?.[level] ?? '';
}

/** Whether the key types characters on keyboards of this layout, at whatever level. */
export function isCharacterKey(layout: KeyboardLayout, usage: number): boolean {
  return layout.keys[usage === NON_US_HASH ? BACKSLASH : usage] !== undefined;
}
