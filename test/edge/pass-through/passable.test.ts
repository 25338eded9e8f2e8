// Goal: the POS gets what is a product, or may be, and never a card of any kind, however it was garbled.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Symbology } from '../../../drivers/symbology/symbology.ts';
import { isPassable } from '../../../edge/pass-through/passable.ts';
import { outgoingFrame } from '../../../edge/pass-through/outgoing-frame.ts';
import { recognise } from '../../../edge/recognition/recognise.ts';
import { CardSchemes, compileCardSchemes } from '../../../sync/contract/card-scheme.ts';

const rules = {
  schemes: compileCardSchemes(
    CardSchemes.parse([
      {
        name: 'house-card',
        kind: 'card',
        symbologies: ['any', 'unknown', 'magstripe'],
        prefix: '29',
        lengths: [13],
        checkDigit: 'gs1',
      },
    ]),
  ),
};

/** facts: the numbers that must be refused, one for each brand. */
const TEST_PANS = [
  '4111111111111111',
  '4242424242424242',
  '4000000000000002',
  '5555555555554444',
  '2223003122003222',
  '378282246310005',
  '6011111111111117',
  '30569309025904',
  '3566002020360505',
  '6200000000000005',
  '6759649826438453',
];
const HOUSE_CARD = '2903401987698';

function passes(
  bytes: string | Uint8Array,
  symbology: Symbology = 'unknown',
  unreadable: 'pass' | 'drop' = 'pass',
): boolean {
  const payload = Buffer.from(bytes);
  const recognised = recognise({ payload: Uint8Array.from(payload), symbology, source: 'reader' }, rules);
  return isPassable({ payload, symbology }, recognised, unreadable, rules);
}

describe('the POS gets', () => {
  test.each([
    ['an article number', '4006381333931', 'ean-13'],
    ['a weighed article', '2112345006780', 'ean-13'],
    ['any text', 'K-1001 ä', 'code-128'],
    ['GS1 elements', '0104006381333931\u001d10ABC', 'gs1-128'],
    ['the track of a card that no scheme and no brand knows', ';9040123?', 'magstripe'],
    ['a binary code', Buffer.from([0, 1, 0xfe, 0xff, 7]), 'data-matrix'],
    ['a long code', 'A'.repeat(3_000), 'pdf417'],
  ] as const)('%s', (_what, bytes, symbology) => {
    expect(passes(bytes, symbology)).toBe(true);
  });
});

describe('the POS never gets', () => {
  const forms: readonly (readonly [string, (pan: string) => string | Uint8Array])[] = [
    ['alone', (pan) => pan],
    ['in groups', (pan) => pan.replaceAll(/(.{4})(?=.)/g, '$1 ')],
    ['with a bell behind', (pan) => `${pan}\u0007`],
    ['with a NUL in its midst', (pan) => `${pan.slice(0, 6)}\0${pan.slice(6)}`],
    ['with bytes that are no text', (pan) => Buffer.from(`\u00ff${pan}\u00fe`, 'latin1')],
    ['in a long text', (pan) => `${'x'.repeat(600)} ${pan} ${'y'.repeat(600)}`],
    ['as a stripe', (pan) => `;${pan}=30121011000?`],
    [
      'as a stripe with a control character',
      (pan) => `;${pan.slice(0, 4)}\u0001${pan.slice(4)}=30121011000?`,
    ],
    ['in a long text of control characters', (pan) => `${'\u0001'.repeat(600)}${pan}`],
  ];
  test.each(forms)('a payment card, %s', (_form, written) => {
    for (const pan of TEST_PANS) expect([pan, passes(written(pan))]).toEqual([pan, false]);
  });

  test('a customer’s card, misread or with characters in between', () => {
    expect(passes(HOUSE_CARD, 'ean-13')).toBe(false);
    expect(passes('2903401987699', 'ean-13')).toBe(false);
    expect(passes(`${HOUSE_CARD}\u0007`)).toBe(false);
    expect(passes(`29034\u000001987698`)).toBe(false);
  });

  test.each(['emv-par', 'card-token', 'wallet-pass'] as const)('%s, known here or not', (symbology) => {
    expect(passes('Q1HJZ28RKA1EBL470G9XYG90R5D3E', symbology)).toBe(false);
  });

  test('what is empty or longer than a terminal holds', () => {
    expect(passes('')).toBe(false);
    expect(passes('A'.repeat(3_073))).toBe(false);
  });

  test('what cannot be read, where the till says so', () => {
    expect(passes(Buffer.from([0, 1, 2]), 'data-matrix', 'drop')).toBe(false);
    expect(passes('A'.repeat(600), 'qr', 'drop')).toBe(false);
    expect(passes('4006381333931', 'ean-13', 'drop')).toBe(true);
  });

  test('a card number among any bytes that are no digits', () => {
    const noise = fc.uint8Array({ maxLength: 40 }).map((bytes) =>
      // Neither digits, which would make another number of it, nor what joins digits.
      bytes.map((byte) => (byte >= 0x20 && byte <= 0x39 ? 0x41 : byte)),
    );
    fc.assert(
      fc.property(noise, fc.constantFrom(...TEST_PANS), noise, (before, pan, after) => {
        expect(passes(Buffer.concat([before, Buffer.from(pan), after]))).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the bytes', () => {
  const frame = Buffer.from(']E04006381333931');
  const sent = (
    output: Partial<Parameters<typeof outgoingFrame>[0]>,
    aim: string | undefined = ']E0',
  ): string =>
    Buffer.from(outgoingFrame({ aim: 'keep', suffix: 'cr', ...output }, aim, frame)).toString('latin1');

  test('are those of the reader, with the suffix the POS expects', () => {
    expect(sent({})).toBe(']E04006381333931\r');
    expect(sent({ suffix: 'lf' })).toBe(']E04006381333931\n');
    expect(sent({ suffix: 'crlf' })).toBe(']E04006381333931\r\n');
    expect(sent({ suffix: 'tab' })).toBe(']E04006381333931\t');
    expect(sent({ suffix: 'none' })).toBe(']E04006381333931');
    expect(sent({ prefixHex: '7e41', suffix: 'none' })).toBe('~A]E04006381333931');
  });

  test('lack the AIM identifier where the POS knows none, and nothing where there was none', () => {
    expect(sent({ aim: 'strip' })).toBe('4006381333931\r');
    expect(Buffer.from(outgoingFrame({ aim: 'strip', suffix: 'none' }, undefined, frame))).toEqual(frame);
  });
});
