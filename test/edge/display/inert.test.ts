import { expect, test } from 'vitest';
import fc from 'fast-check';
import { inert } from '../../../edge/display/inert.ts';

test('ordinary text stays as it is', () => {
  for (const text of [
    'Zoë',
    'Jürgen',
    'Анна',
    '李',
    '4006381333931',
    `<script>alert('x')</script>`,
    '=1+1',
  ]) {
    expect(inert(text)).toBe(text);
  }
});

test.each([
  ['right-to-left override', '\u202e'],
  ['isolate', '\u2066'],
  ['Arabic letter mark', '\u061c'],
  ['escape', '\u001b'],
  ['C1 control sequence introducer', '\u009b'],
  ['line feed', '\n'],
  ['line separator', '\u2028'],
  ['zero-width space', '\u200b'],
  ['byte order mark', '\ufeff'],
  ['tag', '\u{e0041}'],
  ['lone surrogate', '\ud800'],
])('%s becomes visible', (_name, character) => {
  expect(inert(`a${character}b`)).toBe('a\ufffdb');
});

test('what is overlong ends in an ellipsis and never grows', () => {
  expect(inert('x'.repeat(300), 10)).toBe('xxxxxxxxx…');
  expect(inert('😀'.repeat(30), 10)).toHaveLength(10);
});

test('nothing invisible comes through, whatever goes in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      const out = inert(text, 50);
      expect(out).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
      expect(out.length).toBeLessThanOrEqual(50);
      expect(out.isWellFormed()).toBe(true);
    }),
  );
});
