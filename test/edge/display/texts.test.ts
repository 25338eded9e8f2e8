import { expect, test } from 'vitest';
import { chooseLanguage, languages, localeOf, texts } from '../../../edge/display/language.ts';

/** Every text of a language as it would be said: functions with something to put in. */
function said(language: (typeof languages)[number]): [string, string][] {
  return Object.entries(texts[language]).map(([key, text]: [string, unknown]) => {
    // Every text is a string or takes at most a count and a formatted value, which a string stands for here.
    const value = typeof text === 'function' ? (text as (a: string, b: string) => unknown)('7', '7') : text;
    return [key, String(value)];
  });
}

test('every language has the same texts', () => {
  expect(Object.keys(texts.en).toSorted()).toEqual(Object.keys(texts.de).toSorted());
});

test.each(languages)('no text is empty or speaks of undefined: %s', (language) => {
  const wrong = said(language).filter(
    ([, value]) => value.trim() === '' || /undefined|null|\[object|NaN/.test(value),
  );
  expect(wrong).toEqual([]);
});

test.each(languages)(
  'what is put into a text is in it, except where it only decides the number: %s',
  (language) => {
    const countOnly = ['points', 'earned', 'kept'];
    const takers = Object.entries(texts[language])
      .filter(([key, text]) => typeof text === 'function' && !countOnly.includes(key))
      .map(([key]) => key);
    const deaf = said(language).filter(([key, value]) => takers.includes(key) && !value.includes('7'));
    expect(takers.length).toBeGreaterThan(10);
    expect(deaf).toEqual([]);
  },
);

test.each(languages)('one is not many: %s', (language) => {
  const t = texts[language];
  expect(t.points(1)).not.toBe(t.points(2));
  expect(t.entriesWait(1, '1')).not.toBe(t.entriesWait(2, '2'));
  expect(t.lines(1, '1')).not.toBe(t.lines(2, '2').replace('2', '1'));
});

test('?lang= goes before the toggle, the toggle before the browser, and English is the last resort', () => {
  expect(chooseLanguage('de', 'en', ['en'])).toBe('de');
  expect(chooseLanguage(null, 'de', ['en'])).toBe('de');
  expect(chooseLanguage('xx', 'yy', ['fr-FR', 'de-AT', 'en'])).toBe('de');
  expect(chooseLanguage(null, null, ['fr'])).toBe('en');
  expect(chooseLanguage(null, null, [])).toBe('en');
});

test('the browser’s region decides how numbers are written', () => {
  expect(localeOf('de', ['en-US', 'de-CH'])).toBe('de-CH');
  expect(localeOf('de', ['en-US'])).toBe('de-DE');
  expect(localeOf('en', ['de-AT', 'en'])).toBe('en-GB');
});
