// Boot reports: [modifiers][00][key 1] … [key 6]. The captures are a usb-kbd's, and the strokes those of a scanner set
// to German (`:` Shift+37, `/` Shift+24, `]` AltGr+26).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LayoutName } from '../../../../drivers/keyboard/layout.ts';
import { layoutNames } from '../../../../drivers/keyboard/layout.ts';
import { typingOf } from '../../../../drivers/keyboard/keystroke.ts';
import { altCodeCharacter } from '../../../../drivers/protocol/keyboard-wedge/alt-code.ts';
import { UNTYPED } from '../../../../drivers/protocol/keyboard-wedge/keystroke-decoder.ts';
import { typed } from '../../../../simulator/readers/keyboard-typist.ts';
import { hex } from '../../hex.ts';
import { decoded, decoder, texts } from './decoding.ts';

const GS = '\u001d';
const release = '00 00 00 00 00 00 00 00';

/** Boot reports from `modifiers key…` in hexadecimal, separated by commas; every one is followed by a release. */
function strokes(reports: string): Uint8Array[] {
  return reports.split(',').flatMap((report) => [boot(report), hex(release)]);
}

/** The same, without releases. */
function held(reports: string): Uint8Array[] {
  return reports.split(',').map(boot);
}

function boot(report: string): Uint8Array {
  const [modifiers = 0, ...keys] = hex(report);
  return Uint8Array.from({ length: 8 }, (_, i) => (i === 0 ? modifiers : i === 1 ? 0 : (keys[i - 2] ?? 0)));
}

function textOf(layout: LayoutName, reports: Uint8Array[]): string[] {
  return texts(decoded(decoder(layout), reports));
}

describe('captures', () => {
  const y = '00 1c';
  test.each([
    ['us', 'y40'],
    ['de', 'z40'],
    ['ch-de', 'z40'],
    ['fr', "y'à"],
  ] as const)('keys of a keyboard read as %s', (layout, text) => {
    expect(textOf(layout, strokes(`${y},00 21,00 27,00 28`))).toEqual([text]);
  });

  test('Shift goes down before its key and up after it', () => {
    expect(textOf('us', held('02,02 04,02,00,00 28'))).toEqual(['A']);
  });

  test('a German scanner types https://', () => {
    const https = '00 0b,00 17,00 17,00 13,00 16,02 37,02 24,02 24,00 28';
    expect(textOf('de', strokes(https))).toEqual(['https://']);
    expect(textOf('us', strokes(https))).toEqual(['https>&&']);
  });

  test.each([
    ['us', '00 30'],
    ['de', '40 26'],
    ['at', '40 26'],
    ['ch-de', '40 26'],
    ['ch-fr', '40 30'],
    ['de', '05 26'],
  ] as const)('the bracket of an AIM identifier on %s is %s', (layout, stroke) => {
    expect(textOf(layout, strokes(`${stroke},02 08,00 28`))).toEqual([']E']);
  });
});

describe('keys and reports', () => {
  test('a key held through several reports is one character', () => {
    expect(textOf('us', held('00 04,00 04,00 04,00,00 28'))).toEqual(['a']);
  });

  test('the same character twice needs a release between', () => {
    expect(textOf('us', [...strokes('00 04,00 04'), ...held('00 28')])).toEqual(['aa']);
  });

  test('releases between different keys may be left out', () => {
    expect(textOf('us', held('00 04,00 05,00 04,00 28'))).toEqual(['aba']);
  });

  test('keys that go down in one report count in its order', () => {
    expect(textOf('us', strokes('00 06 05 04,00 28'))).toEqual(['cba']);
  });

  test('a key that stays down while another joins it counts once', () => {
    expect(textOf('us', held('00 04,00 04 05,00 05,00 05 28'))).toEqual(['ab']);
  });

  test.each(['01', '02', '03'])('a report that tells error %s changes nothing', (code) => {
    const error = Array.from({ length: 6 }, () => code).join(' ');
    const pieces = decoded(decoder('us'), held(`00 04,00 ${error},00 04,00,00 28`));
    expect(texts(pieces)).toEqual(['a']);
    expect(pieces[0]).toEqual({ kind: 'noise', reason: 'unframed', bytes: 8 });
  });

  test('short, empty and long reports are taken for what is in them', () => {
    const reports = [Uint8Array.of(), Uint8Array.of(0, 0, 0x04), Uint8Array.of(0), new Uint8Array(64)];
    expect(textOf('us', [...reports, ...held('00 28')])).toEqual(['a']);
  });

  test('the ISO key left of Enter is the same under both of its usages', () => {
    expect(textOf('de', strokes('00 31,00 32,02 32,00 28'))).toEqual(["##'"]);
  });

  test('unknown keys are noise and leave the text alone', () => {
    const pieces = decoded(decoder('us'), strokes('00 04,00 45,00 4f,00 a5,08 05,04 16,00 05,00 28'));
    expect(texts(pieces)).toEqual(['ab']);
    expect(pieces.filter(({ kind }) => kind === 'noise')).toHaveLength(5);
  });

  test('a keystroke the layout types nothing for leaves a mark, so that no other number comes of it', () => {
    expect(textOf('us', strokes('40 26,02 08,00 27,00 1e,00 28'))).toEqual([`${UNTYPED}E01`]);
  });
});

describe('keypad', () => {
  test('types digits whatever NumLock is said to be', () => {
    expect(textOf('us', strokes('00 53,00 59,00 62,00 53,00 61,00 58'))).toEqual(['109']);
  });

  test.each([
    ['us', '.'],
    ['de', ','],
    ['ch-de', '.'],
  ] as const)('its separator is that of %s', (layout, separator) => {
    expect(textOf(layout, strokes('00 59,00 63,00 5a,00 58'))).toEqual([`1${separator}2`]);
  });

  test('its operators are the same everywhere', () => {
    expect(textOf('de', strokes('00 54,00 55,00 56,00 57,00 58'))).toEqual(['/*-+']);
  });
});

describe('Alt codes', () => {
  /** Digits on the keypad while left Alt is held. */
  const alt = (digits: string): string =>
    [
      ...Array.from(digits, (digit) => `04 ${(0x59 + '1234567890'.indexOf(digit)).toString(16)},04`),
      '00',
    ].join(',');

  test.each([
    ['0029', GS],
    ['29', GS],
    ['0228', 'ä'],
    ['132', 'ä'],
    ['0128', '€'],
    ['8364', '€'],
    ['0093', ']'],
    ['93', ']'],
    ['225', 'ß'],
  ])('Alt+%s', (digits, character) => {
    expect(textOf('us', held(`00 04,00,${alt(digits)},00 05,00 28`))).toEqual([`a${character}b`]);
    expect(altCodeCharacter(digits)).toBe(character);
  });

  test('one after the other are one character each', () => {
    expect(textOf('de', held(`${alt('0065')},${alt('0066')},00 28`))).toEqual(['AB']);
  });

  test.each(['0', '000', '123456789', '55296', '1114112'])('Alt+%s is no character', (digits) => {
    expect(textOf('us', held(`${alt(digits)},00 28`))).toEqual([UNTYPED]);
  });

  test('that are still held at Enter count before it', () => {
    expect(textOf('us', held('04 5e,04,04 5d,00 28'))).toEqual(['A']);
  });

  test('a carriage return among them ends the scan', () => {
    expect(textOf('us', held(`00 04,00,${alt('0013')}`))).toEqual(['a']);
  });

  test('a shortcut with Alt is noise', () => {
    expect(textOf('us', held('04,04 16,04,00,00 04,00,00 28'))).toEqual(['a']);
  });
});

describe('Ctrl', () => {
  test.each([
    ['us', '01 30', GS],
    ['us', '10 30', GS],
    ['de', '01 30', GS],
    ['ch-de', '01 30', GS],
    ['fr', '01 30', GS],
    ['us', '01 04', '\u0001'],
    ['us', '01 1c', '\u0019'],
    ['de', '01 1c', '\u001a'],
    ['us', '03 23', '\u001e'],
    ['us', '01 2d', '\u001f'],
  ] as const)('and a key on %s: %s', (layout, stroke, character) => {
    expect(textOf(layout, strokes(`00 1e,${stroke},00 1f,00 28`))).toEqual([
      textOf(layout, strokes('00 1e,00 28'))[0] + character + textOf(layout, strokes('00 1f,00 28'))[0],
    ]);
  });

  test('Ctrl+M, Ctrl+J and Ctrl+I end a scan as Enter and Tab do', () => {
    expect(textOf('us', strokes('00 04,01 10,00 05,01 0d,00 06,01 0c'))).toEqual(['a', 'b', 'c']);
  });

  test('and a key with no control character leaves a mark', () => {
    expect(textOf('us', strokes('01 1e,00 28'))).toEqual([UNTYPED]);
  });
});

describe('GS', () => {
  test('may be a function key where that is configured', () => {
    expect(texts(decoded(decoder('us', { gsKey: 0x41 }), strokes('00 04,00 41,00 05,00 28')))).toEqual([
      `a${GS}b`,
    ]);
    expect(textOf('us', strokes('00 04,00 41,00 05,00 28'))).toEqual(['ab']);
  });
});

describe('CapsLock typed by the scanner', () => {
  const shouting = '00 39,00 04,02 05,00 1e,00 39,00 06,00 28';

  test('swaps the case of letters until it is typed again', () => {
    expect(textOf('us', strokes(shouting))).toEqual(['Ab1c']);
  });

  test('gives digits on French and their signs on German, as on Windows', () => {
    expect(textOf('fr', strokes(shouting))).toEqual(['Qb1c']);
    expect(textOf('de', strokes(shouting))).toEqual(['Ab!c']);
  });

  test('gives Swiss capitals that Shift does not', () => {
    expect(textOf('ch-de', strokes('00 39,00 2f,00 39,02 2f,00 28'))).toEqual(['Üè']);
  });

  test('changes nothing where it is to be ignored', () => {
    expect(texts(decoded(decoder('us', { capsLock: 'ignored' }), strokes(shouting)))).toEqual(['aB1c']);
  });

  test('after Enter it still counts, and is forgotten in the pause after a scan', () => {
    const wedge = decoder('us');
    expect(texts(decoded(wedge, strokes('00 39,00 04,00 28,00 39,00 04,00 28')))).toEqual(['A', 'a']);
    decoded(wedge, strokes('00 39'));
    wedge.rest();
    expect(texts(decoded(wedge, strokes('00 04,00 28')))).toEqual(['a']);
  });
});

describe('ends', () => {
  test('Enter and Tab end a scan, and there are no empty ones', () => {
    expect(textOf('us', strokes('00 28,00 04,00 2b,00 28,00 05,00 58'))).toEqual(['a', 'b']);
  });

  test('a key that is no terminator is the character it types', () => {
    const wedge = decoder('us', { terminators: ['enter'] });
    expect(texts(decoded(wedge, strokes('00 04,00 2b,00 05,00 28')))).toEqual(['a\tb']);
  });

  test('a pause ends a scan as Enter does, a dead key at its end included', () => {
    const wedge = decoder('de');
    decoded(wedge, strokes('00 04,00 35'));
    expect(wedge.unfinished).toBe(true);
    expect(texts(wedge.flush())).toEqual(['a^']);
    expect(wedge.unfinished).toBe(false);
  });

  test('what stays unfinished is counted and never the head of the next scan', () => {
    const wedge = decoder('us');
    decoded(wedge, strokes('00 04,00 05'));
    expect(wedge.discard()).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 2 }]);
    expect(texts(decoded(wedge, strokes('00 06,00 28')))).toEqual(['c']);
  });

  test('an overlong scan is noise up to its terminator, and the next one is read', () => {
    const wedge = decoder('us', { limitCharacters: 16 });
    const pieces = decoded(wedge, [
      ...typed('x'.repeat(16), { layout: 'us' }),
      ...typed('y'.repeat(30), { layout: 'us' }),
      ...typed('z', { layout: 'us' }),
    ]);
    expect(texts(pieces)).toEqual(['x'.repeat(16), 'z']);
    const noise = pieces.filter((piece) => piece.kind === 'noise');
    expect(noise[0]).toEqual({ kind: 'noise', reason: 'overlong', bytes: 17 });
    expect(noise.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(30);
  });
});

describe('bytes', () => {
  test('of characters beyond ASCII are UTF-8', () => {
    const [piece] = decoded(decoder('de'), strokes('00 2f,40 08,00 28'));
    expect(piece).toEqual({ kind: 'frame', bytes: new Uint8Array(Buffer.from('ü€')) });
  });

  test('are one for each character of Latin-1 where the scanner types a code byte by byte', () => {
    const [piece] = decoded(decoder('de', { encoding: 'latin-1' }), strokes('00 2f,40 08,00 28'));
    expect(piece).toEqual({ kind: 'frame', bytes: hex('fc e2 82 ac') });
  });
});

describe('whatever a scanner types is what is read', () => {
  const settings = fc.record({
    layout: fc.constantFrom(...layoutNames),
    altCodes: fc.constantFrom('without-key' as const, 'beyond-ascii' as const, 'all' as const),
    controls: fc.constantFrom('ctrl' as const, 'alt' as const, 'f8' as const),
    suffix: fc.constantFrom('enter' as const, 'tab' as const, 'keypad-enter' as const),
    keypadDigits: fc.boolean(),
    skipReleases: fc.boolean(),
    altGrAsCtrlAlt: fc.boolean(),
  });
  const typeable = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) },
    { weight: 2, arbitrary: fc.integer({ min: 0xa0, max: 0xff }).map((code) => String.fromCharCode(code)) },
    { weight: 1, arbitrary: fc.constantFrom(GS, '\u001e', '\u0004', '€', '✓') },
  );
  const text = fc.array(typeable, { minLength: 1, maxLength: 40 }).map((characters) => characters.join(''));

  test('on every layout and with every habit', () => {
    fc.assert(
      fc.property(settings, fc.array(text, { minLength: 1, maxLength: 3 }), (habits, codes) => {
        const wedge = decoder(habits.layout, { gsKey: 0x41 });
        const reports = codes.flatMap((code) => typed(code, habits));
        expect(texts(decoded(wedge, reports))).toEqual(codes);
        expect(wedge.unfinished).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  test('but what it has no key for, where it types no Alt codes either', () => {
    expect(typingOf('us', 'ä')).toBeUndefined();
    expect(textOf('us', typed('aäb', { layout: 'us', altCodes: 'never' }))).toEqual(['ab']);
    expect(textOf('us', typed('aäb', { layout: 'us', altCodes: 'without-key' }))).toEqual(['aäb']);
  });

  test('and every character of every layout on its own', () => {
    for (const layout of layoutNames) {
      for (let code = 0x20; code <= 0xff; code += 1) {
        if (code >= 0x7f && code < 0xa0) continue;
        const character = String.fromCharCode(code);
        expect(textOf(layout, typed(character, { layout })), `${layout} ${character}`).toEqual([character]);
      }
    }
  });
});
