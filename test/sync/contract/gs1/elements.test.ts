import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gs1Elements, holdsGs1Key } from '../../../../sync/contract/gs1/elements.ts';

const split = (text: string): (readonly [string, string])[] =>
  gs1Elements(text).map(({ ai, value }) => [ai, value]);

test('elements of predefined length end by themselves, all others at GS or the end', () => {
  expect(split('010400638133393110ABC\u001d21XYZ')).toEqual([
    ['01', '04006381333931'],
    ['10', 'ABC'],
    ['21', 'XYZ'],
  ]);
  expect(split('8018401234500000000013\u001d80191')).toEqual([
    ['8018', '401234500000000013'],
    ['8019', '1'],
  ]);
  expect(split('\u001d1727063131030012504149012345000004')).toEqual([
    ['17', '270631'],
    ['3103', '001250'],
    ['414', '9012345000004'],
  ]);
});

test('what follows an identifier that is not assigned, or is cut short, is left alone', () => {
  expect(split('10A\u001d55B')).toEqual([['10', 'A']]);
  expect(split('801')).toEqual([]);
  expect(split('hello')).toEqual([]);
  expect(split('')).toEqual([]);
});

test('a key is one only with all its digits and its check digit', () => {
  const holdsKey = (text: string): boolean[] => gs1Elements(text).map(holdsGs1Key);
  expect(holdsKey('0104006381333931')).toEqual([true]);
  expect(holdsKey('0104006381333932')).toEqual([false]);
  expect(holdsKey('01040063813339')).toEqual([false]);
  expect(holdsKey('104006381333931')).toEqual([false]);
});

test('elements lie in order, without overlap, within the text', () => {
  const text = fc.array(fc.constantFrom('01', '10', '8018', '3103', '\u001d', '4', 'X', '0400638133393'), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(text, (parts) => {
      const whole = parts.join('');
      let last = 0;
      for (const { ai, value, from, to } of gs1Elements(whole)) {
        expect(from).toBeGreaterThanOrEqual(last);
        expect(whole.slice(from, to)).toBe(ai + value);
        last = to;
      }
    }),
  );
});
