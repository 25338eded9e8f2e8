// The tables against the output of `xkbcli compile-keymap` (xkeyboard-config 2.35.1), kept here as keysym names.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { accentOf, isDead } from '../../../drivers/keyboard/dead-keys.ts';
import { keyboardLayouts } from '../../../drivers/keyboard/keyboard-layouts.ts';
import { typingOf } from '../../../drivers/keyboard/keystroke.ts';
import { layoutNames } from '../../../drivers/keyboard/layout.ts';

const Table = z.record(z.string(), z.record(z.string(), z.array(z.string())));

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8'));
}

const keysyms = z.record(z.string(), z.string()).parse(fixture('keysyms.json'));
const xkb = {
  ...Table.parse(fixture('keyboard-layouts-us-de-ch.json')),
  ...Table.parse(fixture('keyboard-layouts-at-fr-it-be.json')),
};

/** Differences of Windows that scanners show: these two keys are dead there. */
const windows: Readonly<Record<string, Readonly<Record<string, Readonly<Record<number, string>>>>>> = {
  fr: { '1f': { 2: '\u0303' }, '24': { 2: '\u0300' } },
};

describe.each([
  ['us', 'us'],
  ['de', 'de'],
  ['at', 'at'],
  ['ch-de', 'ch'],
  ['ch-fr', 'ch_fr'],
  ['fr', 'fr'],
  ['be', 'be'],
  ['it', 'it'],
] as const)('layout %s', (name, table) => {
  test('types what xkb says', () => {
    const keys = xkb[table];
    expect(Object.keys(keys ?? {})).toHaveLength(48);
    for (const [usage, symbols] of Object.entries(keys ?? {})) {
      const expected = symbols.map(
        (symbol, level) =>
          windows[name]?.[usage]?.[level] ?? (symbol.length === 1 ? symbol : keysyms[symbol]),
      );
      const typed = keyboardLayouts[name].keys[Number.parseInt(usage, 16)]?.slice(0, expected.length);
      expect(typed, `${name} ${usage}`).toEqual(expected);
    }
  });

  test('has only characters and dead keys that are known', () => {
    const symbols = Object.values(keyboardLayouts[name].keys).flat();
    expect(symbols.filter((symbol) => symbol.length > 1)).toEqual([]);
    expect(symbols.filter((symbol) => /\p{M}/u.test(symbol) && !isDead(symbol))).toEqual([]);
  });

  test('types all of ASCII', () => {
    const missing = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i)).filter(
      (character) => typingOf(name, character) === undefined,
    );
    expect(missing).toEqual([]);
  });
});

test('every layout goes by its name', () => {
  expect(layoutNames.filter((name) => keyboardLayouts[name].name !== name)).toEqual([]);
});

test('Swiss scanners type ^ and the backtick as a dead key and a space', () => {
  expect(typingOf('ch-de', '^')).toEqual([
    { usage: 0x2e, level: 0 },
    { usage: 0x2c, level: 0 },
  ]);
  expect(typingOf('ch-de', '`')).toEqual([
    { usage: 0x2e, level: 1 },
    { usage: 0x2c, level: 0 },
  ]);
  expect(accentOf('\u0302')).toBe('^');
});
