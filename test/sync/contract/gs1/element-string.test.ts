// Goal: what is read strictly is exactly what the Syntax Dictionary allows, element by element and one behind the other.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../../foundation/random.ts';
import { valueFault } from '../../../../sync/contract/gs1/element-faults.ts';
import { readElementString } from '../../../../sync/contract/gs1/element-string.ts';
import { GS, gs1Elements } from '../../../../sync/contract/gs1/elements.ts';
import type { AiEntry } from '../../../../sync/contract/gs1/application-identifiers.ts';
import { entries, gsrn, relationAis, validValue, withCheckDigit } from './ai-values.ts';
import { fuzzInputs } from '../../../support/slices.ts';

const gtin = '09521234543213';

const read = (text: string): unknown => {
  const result = readElementString(text);
  return result.ok ? result.elements.map(({ ai, value }) => [ai, value]) : [result.why, result.at];
};
const lengthMax = ({ components }: AiEntry): number => components.reduce((sum, { max }) => sum + max, 0);

describe('of every identifier', () => {
  test('a value as its format has it is read, first, between others and last', () => {
    for (const entry of entries) {
      const { ai, isPredefined } = entry;
      fc.assert(
        fc.property(validValue(entry), (value) => {
          expect([ai, value, valueFault({ ai, value })]).toEqual([ai, value, undefined]);
          const alone = ai + value;
          const relation = ai === '8018' ? [] : [['8018', gsrn]];
          const end = isPredefined ? '' : GS;
          expect(read(alone)).toEqual(relationAis.has(ai) ? ['missing', 0] : [[ai, value]]);
          if (ai === '8017' || ai === '01' || ai === '10') return;
          expect(read(`01${gtin}${alone}${end}10A${ai === '8018' ? '' : `${GS}8018${gsrn}`}`)).toEqual([
            ['01', gtin],
            [ai, value],
            ['10', 'A'],
            ...relation,
          ]);
        }),
        { numRuns: 5 },
      );
    }
  });

  test('a value too long, too short, or in other characters is refused', () => {
    for (const entry of entries) {
      const { ai, isPredefined, components } = entry;
      const longest = '1'.repeat(lengthMax(entry) + 1);
      const shortest = components.reduce((sum, { min, isOptional }) => sum + (isOptional ? 0 : min), 0);
      for (const value of [longest, '1'.repeat(shortest - 1), `${'1'.repeat(shortest - 1)}ä`, '1 '])
        expect([ai, value, valueFault({ ai, value })]).toEqual([ai, value, 'format']);
      expect([ai, read(ai)]).toEqual([ai, ['format', 0]]);
      expect(read(`${ai}${'1'.repeat(shortest - 1)}${GS}20`)).toEqual(['format', 0]);
      // Behind a predefined length, what is too long would be the next element.
      const overlong = `${ai}${isPredefined ? longest.slice(2) : longest}`;
      expect([ai, read(overlong)]).toEqual([ai, ['format', 0]]);
    }
  });

  test('no check digit is right but one', () => {
    let checked = 0;
    for (const entry of entries) {
      const { ai, components } = entry;
      const index = components.findIndex(({ linters }) => linters.includes('csum'));
      if (index === -1) continue;
      checked += 1;
      const at = components.slice(0, index + 1).reduce((sum, { max }) => sum + max, 0) - 1;
      fc.assert(
        fc.property(validValue(entry), fc.integer({ min: 1, max: 9 }), (value, by) => {
          const wrong = value.slice(0, at) + String((Number(value[at]) + by) % 10) + value.slice(at + 1);
          expect([ai, read(ai + wrong)]).toEqual([ai, ['check-digit', 0]]);
        }),
        { numRuns: 20 },
      );
    }
    expect(checked).toBe(20);
  });

  test('no other one is its beginning', () => {
    const all = new Set(entries.map(({ ai }) => ai));
    const beginnings = entries.flatMap(({ ai }) =>
      [2, 3].filter((length) => length < ai.length).map((length) => ai.slice(0, length)),
    );
    expect(beginnings.filter((beginning) => all.has(beginning))).toEqual([]);
  });
});

describe('an element string', () => {
  const several = fc
    .uniqueArray(fc.constantFrom(...entries.filter(({ ai }) => !relationAis.has(ai) && ai !== '8017')), {
      maxLength: 6,
      minLength: 1,
    })
    .chain((chosen) =>
      fc.tuple(
        ...chosen.map((entry) =>
          fc.record({
            ai: fc.constant(entry.ai),
            value: validValue(entry),
            // FNC1 may stand after an element of predefined length, too.
            end: fc.constantFrom(GS, entry.isPredefined ? '' : GS),
          }),
        ),
      ),
    );

  test('gives back the elements it was made of, FNC1 after each that needs one', () => {
    fc.assert(
      fc.property(several, fc.boolean(), fc.boolean(), (elements, begins, ends) => {
        const body = elements.map(({ ai, value, end }) => ai + value + end).join('');
        const text = (begins ? GS : '') + (ends || !body.endsWith(GS) ? body : body.slice(0, -1));
        if (text.length > 512) return;
        const result = readElementString(text);
        expect(result.ok && result.elements.map(({ ai, value }) => ({ ai, value }))).toEqual(
          elements.map(({ ai, value }) => ({ ai, value })),
        );
        expect(result.ok && result.elements).toEqual(gs1Elements(text));
      }),
      { numRuns: 500 },
    );
  });

  test('without FNC1 after an element of variable length goes on with it', () => {
    expect(read('10ABC21XYZ')).toEqual([['10', 'ABC21XYZ']]);
    expect(read(`10ABC${GS}21XYZ`)).toEqual([
      ['10', 'ABC'],
      ['21', 'XYZ'],
    ]);
    expect(read(`80191${GS}8018${gsrn}`)).toEqual([
      ['8019', '1'],
      ['8018', gsrn],
    ]);
    // 8018 has a fixed length, but not a predefined one.
    expect(read(`8018${gsrn}80191`)).toEqual(['format', 0]);
  });

  test.each([
    // GS1 General Specifications, and the AIM identifier table's example.
    [
      '010952123454321317250630',
      [
        ['01', gtin],
        ['17', '250630'],
      ],
    ],
    [
      `010952123454321310ABC123${GS}3103001750`,
      [
        ['01', gtin],
        ['10', 'ABC123'],
        ['3103', '001750'],
      ],
    ],
    ['00106141412345678908', [['00', '106141412345678908']]],
    [
      `0200614141123452370025${GS}10ABC123`,
      [
        ['02', '00614141123452'],
        ['37', '0025'],
        ['10', 'ABC123'],
      ],
    ],
    ['80131987654Ad4X4bL5ttr2310c2K', [['8013', '1987654Ad4X4bL5ttr2310c2K']]],
    [
      `0104006381333931` + `10ABC${GS}21XYZ`,
      [
        ['01', '04006381333931'],
        ['10', 'ABC'],
        ['21', 'XYZ'],
      ],
    ],
  ])('of the standard is read: %j', (text, elements) => {
    expect(read(text)).toEqual(elements);
  });

  test.each([
    ['', 'empty', 0],
    [GS, 'empty', 1],
    [`${GS}${GS}20`, 'separator', 1],
    [`10A${GS}${GS}2001`, 'separator', 4],
    ['5512345', 'unassigned', 0],
    [`10A${GS}hello`, 'unassigned', 4],
    [`01${gtin}801`, 'unassigned', 16],
    [`]C101${gtin}`, 'unassigned', 0],
    [`(01)${gtin}`, 'unassigned', 0],
    [`01${gtin}17271331`, 'content', 16],
    [`01${gtin.slice(0, 13)}4`, 'check-digit', 0],
    [`01${gtin}01${withCheckDigit('0952123454322')}`, 'repeated', 16],
    [`8017${gsrn}${GS}8018${gsrn}`, 'excluded', 23],
    [`8018${gsrn}${GS}8017${gsrn}`, 'excluded', 23],
    [`01${gtin}80191`, 'missing', 16],
    [`8017${gsrn}${GS}725019990101`, 'missing', 23],
    [`91${'A'.repeat(511)}`, 'too-long', 512],
  ])('is refused, and where: %j is %s at %i', (text, why, at) => {
    expect(read(text)).toEqual([why, at]);
  });

  test('that says the same twice is read', () => {
    expect(read(`8018${gsrn}${GS}8018${gsrn}`)).toHaveLength(2);
  });

  test('of any make is read or refused within its length, however long', () => {
    const runs = fuzzInputs();
    const random = new SeededRandom(11);
    const below = (end: number): number => Math.floor(random.next() * end);
    const parts = [
      GS,
      gtin,
      gsrn,
      '01',
      '10',
      '8018',
      '8019',
      '3103',
      '20',
      '4',
      'X',
      'é',
      '\ud800',
      ' ',
      '%',
      '\0',
    ];
    const wrong: string[] = [];
    for (let run = 0; run < runs; run += 1) {
      const length = below(40);
      let text = '';
      for (let i = 0; i < length; i += 1) text += parts[below(parts.length)] ?? '';
      const result = readElementString(text);
      const isRight = result.ok
        ? isDeepStrictEqual(result.elements, gs1Elements(text))
        : result.at >= 0 && result.at <= text.length;
      if (!isRight) wrong.push(text);
    }
    expect(wrong).toEqual([]);
    for (const part of ['2001', `10A${GS}`, GS, `8018${gsrn}${GS}`, '1', '%']) {
      const text = part.repeat(100_000);
      expect(readElementString(text)).toEqual({ ok: false, at: 512, why: 'too-long' });
      expect(gs1Elements(text).at(-1)?.to ?? 0).toBeLessThanOrEqual(text.length);
    }
  });
});
