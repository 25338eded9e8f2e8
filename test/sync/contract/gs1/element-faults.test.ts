// Goal: a value is taken for what its identifier promises only when the Syntax Dictionary would take it too.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gs1CheckDigit } from '../../../../foundation/check-digit.ts';
import { gs1Elements } from '../../../../sync/contract/gs1/elements.ts';
import { aiEntry } from '../../../../sync/contract/gs1/application-identifiers.ts';
import { fitTogether, valueFault } from '../../../../sync/contract/gs1/element-faults.ts';
import {
  isCoupon,
  serviceRelation,
  serviceRelationIn,
} from '../../../../sync/contract/gs1/service-relation.ts';

const gsrn = `40123450000000001${gs1CheckDigit('40123450000000001')}`;
const wrong = `${gsrn.slice(0, 17)}${(Number(gsrn.slice(17)) + 1) % 10}`;
const gcn = `401234567890${gs1CheckDigit('401234567890')}`;
const everyAi = Array.from({ length: 10_000 }, (_, i) => i).flatMap((i) =>
  [2, 3, 4].flatMap((length) => (String(i).length <= length ? [String(i).padStart(length, '0')] : [])),
);

describe('the dictionary', () => {
  test('has the 536 identifiers that are assigned', () => {
    expect(new Set(everyAi.filter((ai) => aiEntry(ai) !== undefined)).size).toBe(536);
  });

  test('agrees with the table of predefined lengths by which element strings are split', () => {
    for (const ai of everyAi) {
      const entry = aiEntry(ai);
      if (entry === undefined) continue;
      const longest = entry.components.reduce((sum, { max }) => sum + max, 0);
      const [first] = gs1Elements(ai + '1'.repeat(longest + 10));
      expect(first?.ai).toBe(ai);
      expect([ai, first?.value.length]).toEqual([ai, entry.isPredefined ? longest : longest + 10]);
    }
  });
});

describe('a value', () => {
  test.each([
    ['8018', gsrn],
    ['01', '04006381333931'],
    ['10', 'ABC-1/2'],
    ['17', '270630'],
    ['17', '270600'],
    ['17', '280229'],
    ['7003', '2706302359'],
    ['255', gcn],
    ['255', `${gcn}123456789012`],
    ['8003', '04012345678901ABC'],
    ['8006', '040063813339310102'],
    ['8013', '1987654Ad4X4bL5ttr2310c2K'],
    ['8008', '27063023'],
    ['8008', '270630235959'],
    ['8001', '00010000100101'],
    ['3103', '001250'],
    ['4309', '02790858483015297971'],
    ['7040', '1ABC'],
    ['7250', '19960229'],
    ['7258', '1/2'],
    ['8030', 'AbC-_9='],
  ])('(%s) %s is right', (ai, value) => {
    expect(valueFault({ ai, value })).toBeUndefined();
  });

  test.each([
    ['8018', wrong, 'check-digit'],
    ['8018', gsrn.slice(1), 'format'],
    ['8018', `${gsrn}1`, 'format'],
    ['8018', `4012345000000000A3`, 'format'],
    ['8018', '', 'format'],
    ['01', '04006381333932', 'check-digit'],
    ['10', 'A'.repeat(21), 'format'],
    ['10', 'ABC#', 'format'],
    ['10', '\uff11', 'format'],
    ['17', '271301', 'content'],
    ['17', '270631', 'content'],
    ['4326', '270600', 'content'],
    ['17', '270229', 'content'],
    ['7003', '2706302460', 'content'],
    ['8006', '040063813339310201', 'content'],
    ['8003', '14012345678901', 'content'],
    ['8013', '1987654Ad4X4bL5ttr2310c2L', 'check-digit'],
    ['7250', '19000229', 'content'],
    ['7258', '2/1', 'content'],
    ['4330', '001200+', 'content'],
    ['55', '1', 'unassigned'],
    ['8099', '1', 'unassigned'],
  ])('(%s) %s is wrong: %s', (ai, value, fault) => {
    expect(valueFault({ ai, value })).toBe(fault);
  });

  test('of letters and signs no format has, or of any other length, is never right', () => {
    const long = fc.string({ unit: 'binary', minLength: 91, maxLength: 300 });
    const odd = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => `${text}\u{1f377}`);
    fc.assert(
      fc.property(fc.constantFrom(...everyAi), fc.oneof(long, odd), (ai, value) => {
        expect(valueFault({ ai, value })).toBeDefined();
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('who GS1 elements identify', () => {
  const relation = serviceRelationIn;

  test('the recipient, alone or with what describes the relation', () => {
    for (const text of [
      `8018${gsrn}`,
      `\u001d8018${gsrn}`,
      `8018${gsrn}\u001d80191234567890`,
      `8019123\u001d8018${gsrn}`,
      `8018${gsrn}\u001d724101\u001d7252 1`.replace(' ', ''),
    ])
      expect(relation(text)).toEqual({ kind: 'recipient', gsrn });
  });

  test('nobody, where the provider stands with the recipient or alone', () => {
    for (const text of [`8017${gsrn}`, `8017${gsrn}\u001d8018${gsrn}`, `8018${gsrn}\u001d8017${gsrn}`])
      expect(relation(text)).toEqual({ kind: 'none' });
  });

  test('nobody, where two recipients contradict each other; one said twice is one', () => {
    const other = `40123450000000002${gs1CheckDigit('40123450000000002')}`;
    expect(relation(`8018${gsrn}\u001d8018${other}`)).toEqual({ kind: 'none' });
    expect(relation(`8018${gsrn}\u001d8018${gsrn}`)).toEqual({ kind: 'recipient', gsrn });
  });

  test('nobody, where another element is not what it should be', () => {
    for (const text of [`8018${gsrn}\u001d8019ABC`, `8018${gsrn}\u001d8099X`, `17271331\u001d8018${gsrn}`])
      expect(relation(text)).toEqual({ kind: 'none' });
  });

  test('nobody, where what follows is no element at all', () => {
    for (const text of [`8018${gsrn}\u001d0512345`, `8018${gsrn}\u001d8`, `8018${gsrn}\u001d\u001d80191`])
      expect(relation(text)).toEqual({ kind: 'none' });
    expect(serviceRelation(gs1Elements(`8018${gsrn}\u001d0512345`)).kind).toBe('recipient'); // of what can be split
  });

  test('by a number only when all is right with it', () => {
    expect(relation(`8018${gsrn}\u001d80191`)).toEqual({ kind: 'recipient', gsrn });
    for (const text of [
      `8018${wrong}`,
      `8017${gsrn}`,
      `8018${gsrn}\u001d8017${gsrn}`,
      `8018${gsrn}1`,
      '10A',
      '',
    ])
      expect(relation(text)).not.toHaveProperty('gsrn');
  });

  test('and says so when only the check digit is wrong', () => {
    expect(relation(`8018${wrong}`)).toEqual({ kind: 'check-digit', misread: wrong });
    expect(relation(`8018${wrong}\u001d8019ABC`)).toEqual({ kind: 'none' });
  });
});

test('what describes a service relation is nothing without one', () => {
  expect(fitTogether([{ ai: '8019', value: '1' }])).toBe(false);
  expect(
    fitTogether([
      { ai: '7250', value: '19990101' },
      { ai: '8017', value: gsrn },
    ]),
  ).toBe(false);
  expect(
    fitTogether([
      { ai: '8019', value: '1' },
      { ai: '8017', value: gsrn },
    ]),
  ).toBe(true);
});

test('coupons are told by their key', () => {
  expect(isCoupon(gs1Elements(`255${gcn}0001\u001d3900500`))).toBe(true);
  expect(isCoupon(gs1Elements('8110106141416543213150110120'))).toBe(true);
  expect(isCoupon(gs1Elements('8112106141416543213150110120'))).toBe(true);
  expect(isCoupon(gs1Elements(`81110100`))).toBe(true);
  expect(isCoupon(gs1Elements(`811101`))).toBe(false);
  expect(isCoupon([])).toBe(false);
  expect(isCoupon(gs1Elements(`2554012345678900`))).toBe(gcn === '4012345678900');
  expect(isCoupon(gs1Elements('0104006381333931'))).toBe(false);
});
