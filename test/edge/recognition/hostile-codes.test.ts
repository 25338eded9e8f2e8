// Goal: no code, however made, becomes somebody's number by mistake, holds the till up, or comes out changed.
// Method: look-alikes of configured numbers; generated inputs, a million of them with STAMMKUNDE_FUZZ=1000000.
import { describe, expect, test } from 'vitest';
import { symbologies } from '../../../drivers/symbology/symbology.ts';
import { recognise } from '../../../edge/recognition/recognise.ts';
import type { Recognised } from '../../../edge/recognition/recognise.ts';
import { gs1CheckDigit } from '../../../foundation/check-digit.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { compileCardSchemes } from '../../../sync/contract/card-scheme.ts';
import { grouped, testPans } from '../../sync/contract/payment-cards.ts';
import { fuzzInputs, Slices } from '../../support/slices.ts';

const rules = {
  schemes: compileCardSchemes([
    {
      name: 'club',
      kind: 'app',
      symbologies: ['any', 'typed'],
      prefix: 'SK',
      lengths: [10],
      checkDigit: 'none',
    },
    {
      name: 'house',
      kind: 'card',
      symbologies: ['any', 'typed'],
      prefix: '29',
      lengths: [13],
      checkDigit: 'gs1',
    },
    {
      name: 'gsrn',
      kind: 'gsrn',
      symbologies: ['gs1-128', 'gs1-qr'],
      prefix: '4012345',
      lengths: [18],
      checkDigit: 'gs1',
    },
  ]),
};
const house = `290000012345${gs1CheckDigit('290000012345')}`;
const gsrn = `40123450000000001${gs1CheckDigit('40123450000000001')}`;

function scan(
  payload: string | Uint8Array,
  symbology: string,
  source: 'reader' | 'typed' = 'reader',
): Recognised {
  return recognise({ payload: Buffer.from(payload), symbology, source }, rules);
}

describe('a number written in other characters', () => {
  const inScript = (zero: number): string =>
    'SK12345678'.replaceAll(/[0-9]/g, (digit) => String.fromCodePoint(zero + Number(digit)));

  test.each([
    ['full-width digits', inScript(0xff10)],
    ['Arabic digits', inScript(0x0660)],
    ['Devanagari digits', inScript(0x0966)],
    ['a Cyrillic letter that looks like K', 'S\u041a12345678'],
    ['a character that does not show', 'SK1234567\u200b'],
    ['an override of the direction', 'SK1234567\u202e'],
    ['a byte order mark', '\ufeffSK1234567'],
  ])('is nobody’s: %s', (_, text) => {
    expect(scan('SK12345678', 'qr').kind).toBe('credential');
    for (const source of ['reader', 'typed'] as const) expect(scan(text, 'qr', source).kind).toBe('product');
  });
});

describe('a card number told by a payment terminal as the token of a card', () => {
  test.each(testPans)('%s is refused in every form, and nothing of it is kept or said', (pan) => {
    const padded = pan.length % 2 === 0 ? pan : `${pan}F`;
    const forms = [
      pan,
      grouped(pan, ' '),
      grouped(pan, '-'),
      padded,
      Buffer.from(pan).toString('hex'),
      `x${pan}`,
    ];
    for (const form of forms) {
      const payload = Buffer.from(`1f8008:${form}`);
      const recognised = recognise({ payload, symbology: 'card-token', source: 'reader' }, rules);
      expect(['refused', 'unreadable']).toContain(recognised.kind);
      expect(JSON.stringify(recognised)).not.toMatch(/\d{4}/);
      expect(payload.every((byte) => byte === 0)).toBe(true);
    }
  });

  test('leaves tokens alone, whatever digits they have among their letters', () => {
    const random = new SeededRandom(3);
    const refused = Array.from({ length: 20_000 }, () => {
      const token = Buffer.from(random.bytes(20 + Math.floor(random.next() * 13))).toString('hex');
      return scan(`1f8008:${token}`, 'card-token').kind;
    }).filter((kind) => kind !== 'credential');
    expect(refused).toEqual([]);
  });
});

test('a payload comes out exactly as it went in, whatever it would do elsewhere', () => {
  for (const text of [
    '<script>alert(1)</script>',
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE customers; --",
    '\u202emoc.live\u202c',
    '%s%n{{7*7}}${7*7}',
    '../../etc/passwd',
    'https://example.com/8018/123',
  ])
    expect(scan(text, 'qr')).toEqual({ kind: 'product', code: text });
  for (const text of ['\u001b[2J', 'a\u0000b', 'a\u009bb', 'a\r\nb'])
    expect(scan(text, 'qr').kind).toBe('unreadable');
});

test('inputs of any kind get an answer, none of them one that takes long', () => {
  const runs = fuzzInputs();
  const random = new SeededRandom(7);
  const words = [
    '8018',
    gsrn,
    house,
    'SK12345678',
    testPans[1],
    ';',
    '=',
    '?',
    '%B',
    '^',
    '\u001d',
    ' ',
    '-',
    '.',
    '_',
    '5A08',
    '57',
    'https://a.b/',
    '/8018/',
    '/01/',
    '&',
    '%34',
    '\\000026',
    '\\\\',
    '*',
    'A',
    '9F241D',
    '\ufeff',
    '４',
    '٤',
    'DE',
    '4111',
  ];
  const word = (): string => words[Math.floor(random.next() * words.length)] ?? '';
  const aims = [undefined, ']Q2', ']d4', ']L1', ']A1', ']M0'];
  const layouts = [undefined, undefined, undefined, 'de', 'us', 'fr'] as const;
  const kinds = new Set<string>();
  const slices = new Slices('recognition');
  for (let i = 0; i < runs; i += 1) {
    const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random.next() * list.length)];
    const long = i % 50 === 0;
    const payload =
      i % 2 === 0
        ? random.bytes(Math.floor(random.next() * (long ? 600 : 60)))
        : Buffer.from(
            Array.from({ length: 1 + Math.floor(random.next() * (long ? 120 : 8)) }, word).join(''),
          );
    const presented = {
      payload,
      symbology: pick(symbologies) ?? 'unknown',
      source: i % 7 === 0 ? 'typed' : 'reader',
      aim: pick(aims),
      layout: pick(layouts),
    } as const;
    const copy = Uint8Array.from(payload); // a payment card's number is wiped
    const { kind } = slices.measure(
      copy,
      () => recognise(presented, rules),
      () => recognise({ ...presented, payload: Uint8Array.from(copy) }, rules),
    );
    kinds.add(kind);
  }
  slices.conclude();
  expect([...kinds].toSorted()).toEqual(['credential', 'product', 'refused', 'unreadable']);
});
