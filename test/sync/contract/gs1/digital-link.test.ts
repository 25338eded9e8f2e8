// Goal: a GS1 Digital Link is read as the standard has it, and no other address is taken for one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gs1CheckDigit } from '../../../../foundation/check-digit.ts';
import { digitalLinkLayout } from '../../../../sync/contract/gs1/digital-link.ts';
import type { DigitalLink } from '../../../../sync/contract/gs1/digital-link.ts';
import { fitTogether, valueFault } from '../../../../sync/contract/gs1/element-faults.ts';
import { serviceRelation } from '../../../../sync/contract/gs1/service-relation.ts';
import { findPaymentCard } from '../../../../sync/contract/payment-card.ts';
import { testPans } from '../payment-cards.ts';
import { entries, gsrn, relationAis, validValue, withCheckDigit } from './ai-values.ts';

const wrong = `${gsrn.slice(0, 17)}${(Number(gsrn.slice(17)) + 1) % 10}`;
const gln = withCheckDigit('952012345678');
const gtin = '09521234543213';

/** A link, where nothing is wrong with its elements. */
function soundLink(text: string): DigitalLink | undefined {
  const link = digitalLinkLayout(text);
  const isSound =
    link !== undefined &&
    fitTogether(link.elements) &&
    link.elements.every((element) => valueFault(element) === undefined);
  return isSound ? link : undefined;
}

const read = (text: string): (readonly [string, string])[] | undefined =>
  soundLink(text)?.elements.map(({ ai, value }) => [ai, value]);

describe('a Digital Link', () => {
  test.each([
    `https://id.gs1.org/8018/${gsrn}`,
    `HTTPS://ID.GS1.ORG/8018/${gsrn}`,
    `http://example.com:8080/8018/${gsrn}`,
    `https://shop.example/de/member/8018/${gsrn}`,
    `https://shop.example/01/8018/${gsrn}`,
    `https://shop.example/8018/${gsrn}/`,
    `https://shop.example/8018/${gsrn}?utm_source=qr&linkType=gs1:pip`,
    `https://shop.example/8018/${gsrn}#top`,
    `https://shop.example/8018/%34${gsrn.slice(1)}`,
  ])('names the customer: %s', (text) => {
    expect(read(text)).toEqual([['8018', gsrn]]);
    expect(serviceRelation(soundLink(text)?.elements ?? [])).toEqual({ kind: 'recipient', gsrn });
  });

  test('has qualifiers in its path and other elements in its query', () => {
    expect(read(`https://id.gs1.org/8018/${gsrn}/8019/7?7241=01&x=1`)).toEqual([
      ['8018', gsrn],
      ['8019', '7'],
      ['7241', '01'],
    ]);
    expect(read(`https://example.com/01/${gtin}/22/ABC%2d123/10/X%2FY/21/1?17=261231;3103=000195`)).toEqual([
      ['01', gtin],
      ['22', 'ABC-123'],
      ['10', 'X/Y'],
      ['21', '1'],
      ['17', '261231'],
      ['3103', '000195'],
    ]);
    expect(read(`https://example.com/01/${gtin}/235/T1`)).toHaveLength(2);
  });

  test('of an article with a relation in its query names nobody of itself', () => {
    expect(read(`https://id.gs1.org/01/${gtin}?8018=${gsrn}`)?.[0]?.[0]).toBe('01');
  });

  test('says where its values stand', () => {
    const text = `https://id.gs1.org/8018/${gsrn}/8019/7?7241=01`;
    for (const { value, from, to } of soundLink(text)?.elements ?? [])
      expect(text.slice(from, to)).toBe(value);
  });
});

test.each([
  ['another scheme', `ftp://id.gs1.org/8018/${gsrn}`],
  ['no scheme', `id.gs1.org/8018/${gsrn}`],
  ['no host', `https:///8018/${gsrn}`],
  ['a user name', `https://user:secret@id.gs1.org/8018/${gsrn}`],
  ['a key that is too short', `https://id.gs1.org/8018/${gsrn.slice(1)}`],
  ['a key in full-width digits', `https://id.gs1.org/8018/${gsrn.replaceAll('0', '０')}`],
  ['such digits percent-encoded', `https://id.gs1.org/8018/%EF%BC%94${gsrn.slice(1)}`],
  ['a path that goes on after the key', `https://id.gs1.org/8018/${gsrn}/more`],
  ['qualifiers in the wrong order', `https://example.com/01/${gtin}/10/A/22/B`],
  ['qualifiers that exclude each other', `https://example.com/01/${gtin}/10/A/235/B`],
  ['a qualifier of another key', `https://example.com/8018/${gsrn}/10/A`],
  ['only a qualifier', 'https://example.com/10/ABC'],
  ['an empty value', 'https://example.com/8018/'],
  ['a percent sign that encodes nothing', `https://example.com/8018/${gsrn}/8019/%G1`],
  ['a name in place of an identifier', `https://example.com/gsrn/${gsrn}`],
  ['a compressed form', 'https://dlnkd.tn.gg/DBHKVAdpQgqrgnI'],
  ['another address', 'https://example.com/a?b=1'],
])('no Digital Link: %s', (_, text) => {
  expect(soundLink(text)).toBeUndefined();
});

describe('all values of a Digital Link', () => {
  test('are as they should be, and the first is its primary key', () => {
    const link = soundLink(`https://id.gs1.org/8018/${gsrn}/8019/7`);
    expect(link?.elements[0]).toMatchObject({ ai: '8018', value: gsrn });
    expect(serviceRelation(link?.elements ?? [])).toEqual({ kind: 'recipient', gsrn });
  });

  test.each([
    ['a wrong check digit', `https://id.gs1.org/8018/${wrong}`],
    ['a wrong check digit in the query', `https://id.gs1.org/01/${gtin}?8018=${wrong}`],
    ['a qualifier in letters it cannot have', `https://id.gs1.org/8018/${gsrn}/8019/ABC`],
    ['a qualifier that is too long', `https://id.gs1.org/01/${gtin}/10/${'A'.repeat(21)}`],
    ['a date there is none', `https://id.gs1.org/01/${gtin}?17=271331`],
    ['who serves and who is served', `https://id.gs1.org/8018/${gsrn}?8017=${gsrn}`],
    ['a relation of nobody', `https://id.gs1.org/01/${gtin}?8019=1`],
    ['two values of one identifier', `https://id.gs1.org/01/${gtin}/10/A?10=B`],
  ])('or something is found wrong with it, though it is laid out as one: %s', (_, text) => {
    expect(digitalLinkLayout(text)).toBeDefined();
    expect(soundLink(text)).toBeUndefined();
  });
});

test.each([
  ['9521234543213', gtin],
  ['614141123452', '00614141123452'],
  ['95200002', '00000095200002'],
])('a GTIN of fewer digits is filled up to 14: %s', (short, whole) => {
  expect(short.slice(-1)).toBe(gs1CheckDigit(short.slice(0, -1)));
  expect(read(`https://example.com/01/${short}/21/1`)).toEqual([
    ['01', whole],
    ['21', '1'],
  ]);
  const misread = short.slice(0, -1) + String((Number(short.slice(-1)) + 1) % 10);
  expect(digitalLinkLayout(`https://example.com/01/${misread}/21/1`)).toBeUndefined();
});

test.each([
  ['https://id.gs1.org/01/09506000134352/10/ABC1/21/12345?17=180426', 4],
  ['https://id.gs1.org/01/09506000134352/22/2A', 2],
  ['https://id.gs1.org/00/106141412345678908?02=00614141123452&37=25&10=ABC123', 4],
  ['https://id.gs1.org/01/00614141123452?3103=000195', 2],
  ['https://id.gs1.org/8013/1987654Ad4X4bL5ttr2310c2K', 1],
  [`https://id.gs1.org/414/${gln}/254/32a%2Fb`, 2],
  [`https://id.gs1.org/415/${gln}/8020/REF-1`, 2],
  [`https://id.gs1.org/417/${gln}`, 1],
  [`https://[2001:db8::1]:8080/8018/${gsrn}`, 1],
  [`https://a_b.example/8018/${gsrn}`, 1],
])('a link of the standards and their examples is read: %s', (text, count) => {
  expect(read(text)).toHaveLength(count);
});

test.each(['410', '411', '412', '413', '416', '02', '8020', '8111'])(
  'what is no primary key in the standard begins no link: %s',
  (ai) => {
    const value = ai.startsWith('41') ? gln : ai === '02' ? gtin : '1234';
    expect(valueFault({ ai, value })).toBeUndefined();
    expect(digitalLinkLayout(`https://id.gs1.org/${ai}/${value}`)).toBeUndefined();
  },
);

test('every primary key with any of its qualifiers, and every other element, comes back from a link', () => {
  const keys = entries.filter(({ qualifiers }) => qualifiers !== undefined);
  expect(keys).toHaveLength(16);
  const others = entries.filter(({ ai }) => !relationAis.has(ai) && ai !== '8017' && ai !== '8018');
  const made = fc
    .record({
      key: fc.constantFrom(...keys),
      pick: fc.nat(),
      kept: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
      asked: fc.uniqueArray(fc.constantFrom(...others), { maxLength: 3 }),
    })
    .chain(({ key, pick, kept, asked }) => {
      const sequences = key.qualifiers ?? [];
      const sequence = (sequences[pick % sequences.length] ?? []).filter((_, i) => kept[i]);
      const path = [key, ...sequence.flatMap((ai) => entries.filter((entry) => entry.ai === ai))];
      const query = asked.filter((entry) => !path.includes(entry));
      const values = (list: typeof path) =>
        fc.tuple(...list.map((entry) => validValue(entry).map((value) => [entry.ai, value] as const)));
      return fc.tuple(values(path), values(query));
    });
  fc.assert(
    fc.property(made, ([path, query]) => {
      const inPath = path.map(([ai, value]) => `/${ai}/${encodeURIComponent(value)}`).join('');
      const inQuery = query.map(([ai, value]) => `${ai}=${encodeURIComponent(value)}`).join('&');
      const text = `https://id.example/some/where${inPath}?${inQuery}#8018`;
      expect(read(text)).toEqual([...path, ...query]);
    }),
    { numRuns: 500 },
  );
});

test('keys of a Digital Link are no card numbers, and card numbers in one are found', () => {
  // A German service relation number has a prefix of Visa; every tenth passes for a card number elsewhere.
  const taken = Array.from({ length: 500 }, (_, i) => `400638133${String(i * 7919).padStart(8, '0')}`)
    .map((head) => head + gs1CheckDigit(head))
    .filter((number) => findPaymentCard(number) !== undefined);
  expect(taken.length).toBeGreaterThan(20);
  for (const number of taken) {
    expect(findPaymentCard(`https://id.example/8018/${number}`, { symbology: 'qr' })).toBeUndefined();
    expect(findPaymentCard(`HTTPS://ID.EXAMPLE/8018/${number}?a=1`)).toBeUndefined();
    expect(findPaymentCard(`https://id.example/8018/${number}x`)).toBeDefined();
  }
  for (const pan of testPans) {
    expect(findPaymentCard(`https://id.example/01/${gtin}/21/${pan}`)).toMatchObject({ reason: 'pan' });
    expect(
      findPaymentCard(`https://id.example/01/${gtin}/21/%3${pan.slice(0, 1)}${pan.slice(1)}`),
    ).toMatchObject({
      reason: 'pan',
    });
    expect(findPaymentCard(`https://id.example/8018/${gsrn}?card=${pan}`)).toMatchObject({ reason: 'pan' });
  }
});

test('every text gets an answer within its length, whatever it is made of', () => {
  const part = fc.constantFrom(
    'https://',
    'a.b',
    '/',
    '8018',
    gsrn,
    '01',
    gtin,
    '%',
    '%34',
    '?',
    '=',
    '&',
    ';',
    '#',
    '10',
    'é',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 300 }), (parts) => {
      const text = `https://a.b/${parts.join('')}`;
      for (const { from, to } of digitalLinkLayout(text)?.elements ?? []) {
        expect(from).toBeLessThan(to);
        expect(to).toBeLessThanOrEqual(text.length);
      }
      for (const element of soundLink(text)?.elements ?? []) expect(valueFault(element)).toBeUndefined();
    }),
    { numRuns: 2_000 },
  );
  for (const part of ['/01', '/8018/1', '%', '%34', '&17=', '?', '/'])
    expect(soundLink(`https://a.b/${part.repeat(100_000)}`)).toBeUndefined();
});
