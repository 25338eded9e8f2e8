// Goal: a GS1 Digital Link is read as the standard has it, and no other address is taken for one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gs1CheckDigit } from '../../../../foundation/check-digit.ts';
import { digitalLinkLayout, readDigitalLink } from '../../../../sync/contract/gs1/digital-link.ts';
import { serviceRelation } from '../../../../sync/contract/gs1/service-relation.ts';
import { findPaymentCard } from '../../../../sync/contract/payment-card.ts';
import { testPans } from '../payment-cards.ts';

const gsrn = `40123450000000001${gs1CheckDigit('40123450000000001')}`;
const gtin = '09521234543213';

const read = (text: string): (readonly [string, string])[] | undefined =>
  readDigitalLink(text)?.elements.map(({ ai, value }) => [ai, value]);

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
    expect(serviceRelation(readDigitalLink(text)?.elements ?? [])).toEqual({ kind: 'recipient', gsrn });
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
    for (const { value, from, to } of readDigitalLink(text)?.elements ?? [])
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
  expect(readDigitalLink(text)).toBeUndefined();
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
      for (const { from, to } of readDigitalLink(text)?.elements ?? []) {
        expect(from).toBeLessThan(to);
        expect(to).toBeLessThanOrEqual(text.length);
      }
    }),
    { numRuns: 2_000 },
  );
});
