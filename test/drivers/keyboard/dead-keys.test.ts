import { expect, test } from 'vitest';
import { compose, composeAll, decompose } from '../../../drivers/keyboard/dead-keys.ts';

const CIRCUMFLEX = '\u0302';
const GRAVE = '\u0300';

test('a dead key and a letter that takes its accent are one letter', () => {
  expect(compose(CIRCUMFLEX, 'e')).toBe('ê');
  expect(compose(GRAVE, 'A')).toBe('À');
});

test('a dead key and a space are the accent alone', () => {
  expect(compose(CIRCUMFLEX, ' ')).toBe('^');
  expect(compose(GRAVE, ' ')).toBe('`');
});

test('a dead key and anything else are the accent and that', () => {
  expect(compose(CIRCUMFLEX, '1')).toBe('^1');
  expect(compose(GRAVE, 'T')).toBe('`T');
});

test('two dead keys are two accents, and one at the end waits for nothing', () => {
  expect(composeAll(`${CIRCUMFLEX}${GRAVE}a`)).toBe('^à');
  expect(composeAll(`B${CIRCUMFLEX}`)).toBe('B^');
});

test('an accented letter tells the keys that make it', () => {
  expect(decompose('ê')).toEqual({ dead: CIRCUMFLEX, base: 'e' });
  expect(decompose('e')).toBeUndefined();
  expect(decompose('ß')).toBeUndefined();
});
