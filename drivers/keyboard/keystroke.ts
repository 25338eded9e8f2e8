import { decompose, deadFor } from './dead-keys.ts';
import { keyboardLayouts } from './keyboard-layouts.ts';
import type { KeyboardLayout, LayoutName, Level } from './layout.ts';
import { layoutNames } from './layout.ts';

/** One key, and the modifiers held with it. */
export interface Keystroke {
  /** HID usage of the key, page 07. */
  readonly usage: number;
  readonly level: Level;
}

export const SPACE: Keystroke = { usage: 0x2c, level: 0 };

const levels: readonly Level[] = [0, 1, 2, 3];

/** Every key that types a symbol (character or combining mark) directly, the one held most simply first. */
export function keystrokesOf(layout: LayoutName, symbol: string): readonly Keystroke[] {
  return bySymbol.get(layout)?.get(symbol) ?? [];
}

/**
 * The strokes that type a character: one key, or a dead key and the one after it; undefined where the layout has none.
 */
export function typingOf(layout: LayoutName, character: string): readonly Keystroke[] | undefined {
  const [direct] = keystrokesOf(layout, character);
  if (direct !== undefined) return [direct];
  const accent = deadFor(character);
  const [alone] = accent === undefined ? [] : keystrokesOf(layout, accent);
  if (alone !== undefined) return [alone, SPACE];
  const parts = decompose(character);
  if (parts === undefined) return undefined;
  const [dead] = keystrokesOf(layout, parts.dead);
  const [base] = keystrokesOf(layout, parts.base);
  return dead === undefined || base === undefined ? undefined : [dead, base];
}

function strokesBySymbol(layout: KeyboardLayout): ReadonlyMap<string, readonly Keystroke[]> {
  const strokes = new Map<string, Keystroke[]>([[' ', [SPACE]]]);
  for (const level of levels) {
    for (const [usage, symbols] of Object.entries(layout.keys)) {
      const symbol = symbols[level];
      if (symbol === undefined || symbol === '') continue;
      const stroke = { usage: Number(usage), level };
      const others = strokes.get(symbol);
      if (others === undefined) strokes.set(symbol, [stroke]);
      else others.push(stroke);
    }
  }
  return strokes;
}

const bySymbol: ReadonlyMap<LayoutName, ReadonlyMap<string, readonly Keystroke[]>> = new Map(
  layoutNames.map((name) => [name, strokesBySymbol(keyboardLayouts[name])]),
);
