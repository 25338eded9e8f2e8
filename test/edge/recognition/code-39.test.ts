import { describe, expect, test } from 'vitest';
import { code39Numbers } from '../../../edge/recognition/code-39.ts';
import { recognise } from '../../../edge/recognition/recognise.ts';
import { compileCardSchemes } from '../../../sync/contract/card-scheme.ts';

const rules = {
  schemes: compileCardSchemes([
    {
      name: 'plastic',
      kind: 'card',
      symbologies: ['code-39', 'msi'],
      prefix: '77',
      lengths: [8],
      checkDigit: 'none',
    },
    { name: 'small', kind: 'card', symbologies: ['code-39'], prefix: 'SK', lengths: [6], checkDigit: 'none' },
  ]),
};
const made = (text: string, symbology: string, aim?: string): string => {
  const recognised = recognise({ payload: Buffer.from(text), symbology, source: 'reader', aim }, rules);
  return recognised.kind === 'credential' ? recognised.credential.reveal() : recognised.kind;
};

describe('one scheme knows a card', () => {
  test.each([
    ['77123456', undefined],
    ['*77123456*', undefined],
    ['77123456Z', undefined],
    ['*77123456Z*', undefined],
    ['77123456Z', ']A1'],
    ['77123456', ']A0'],
    ['77123456', ']A3'],
  ])('in Code 39 sent as %s with the identifier %s', (text, aim) => {
    expect(made(text, 'code-39', aim)).toBe('77123456');
  });

  test('in Code 39 with small letters, spelled in pairs or sent as such', () => {
    expect(made('SK+A+B12', 'code-39')).toBe('SKab12');
    expect(made('SKab12', 'code-39', ']A4')).toBe('SKab12');
    expect(made('SK+A+B12', 'code-39', ']A4')).toBe('product');
  });

  test('in MSI with the check digit the reader says it sends', () => {
    expect(made('77123456', 'msi')).toBe('77123456');
    expect(made('771234563', 'msi', ']M0')).toBe('77123456');
    expect(made('771234563', 'msi')).toBe('product');
    expect(made('771234563', 'msi', ']M1')).toBe('product');
  });
});

test('a ninth character that is no check character, or that the reader calls data, makes another code', () => {
  for (const [text, aim] of [
    ['77123456A', undefined],
    ['77123456Z', ']A0'],
    ['77123456Z', ']A3'],
    ['77123456Z', ']A4'],
  ] as const)
    expect(made(text, 'code-39', aim)).toBe('product');
});

test('the check character is the one printers put there', () => {
  // As bwip-js draws it.
  expect(code39Numbers('CODE 39R', undefined)).toContain('CODE 39');
  expect(code39Numbers('CODE 39X', undefined)).not.toContain('CODE 39');
});
