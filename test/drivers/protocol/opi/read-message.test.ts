// Goal: of an O.P.I. message only what one cannot pay with comes out, and card data is overwritten before text exists.
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { overwriteCardData } from '../../../../drivers/protocol/opi/overwrite-card-data.ts';
import type { OpiReading } from '../../../../drivers/protocol/opi/read-message.ts';
import { readOpiMessage } from '../../../../drivers/protocol/opi/read-message.ts';
import { opiResponse } from '../../../../simulator/readers/virtual-payment-terminal-opi.ts';
import type { OpiTerminalCard } from '../../../../simulator/readers/virtual-payment-terminal-opi.ts';
import { asText, text } from '../../hex.ts';
import { testPans } from '../../../sync/contract/payment-cards.ts';
import { PAR } from '../zvt/captured-frames.ts';

const names = { par: ['PAR', 'PaymentAccountReference'], tokens: ['CardToken', 'CardReference'] };
const payment = { root: 'CardServiceRequest', type: 'CardPayment', id: '0' } as const;
const masked = '672667#########3214';

function read(xml: string): OpiReading {
  const body = text(xml);
  const reading = readOpiMessage(body, names);
  expect(body.every((byte) => byte === 0)).toBe(true);
  return reading;
}

function response(card: Partial<OpiTerminalCard> = {}): string {
  return opiResponse(payment, { pan: masked, ...card });
}

function everything(reading: OpiReading): string {
  const { identity } = reading;
  const bytes = identity?.kind === 'par' ? identity.par : identity?.token;
  return `${inspect(reading, { depth: 9 })} ${asText(bytes ?? new Uint8Array())}`;
}

test('a payment as public examples have it tells that it succeeded, and nothing of the card', () => {
  expect(read(response())).toEqual({
    root: 'CardServiceResponse',
    requestType: 'CardPayment',
    outcome: 'successful',
    identity: undefined,
    walletId: undefined,
    cardType: undefined,
    cardNumbers: [],
    malformed: false,
  });
});

describe('the identity', () => {
  test('is the PAR, as an element or as an attribute, with or without prefix', () => {
    for (const xml of [
      response({ privateData: { PAR, CardToken: 'abcdefgh' } }),
      response({ privateData: { PaymentAccountReference: ` ${PAR}\n` } }),
      response().replace('CardCircuit="girocard"', `PAR="${PAR}"`),
      response().replace('<CardValue>', `<CardValue><v:PAR xmlns:v="urn:v" lang="">${PAR}</v:PAR>`),
    ]) {
      const { identity } = read(xml);
      expect(identity?.kind === 'par' && asText(identity.par)).toBe(PAR);
    }
  });

  test('is otherwise the first token that is configured, and never one that is not', () => {
    const both = read(response({ privateData: { CardReference: 'ref-0001', CardToken: 'tok-0001' } }));
    expect(both.identity).toEqual({ kind: 'token', tokenKind: 'opi-cardtoken', token: text('tok-0001') });
    expect(read(response({ privateData: { Token: 'tok-0001' } })).identity).toBeUndefined();
  });

  test.each(['XXXXXXXX', '########', 'abc', PAR.toLowerCase().repeat(9)])(
    'is no token such as %s',
    (token) => {
      expect(read(response({ privateData: { CardToken: token } })).identity).toBeUndefined();
    },
  );

  test('of a payment that failed says so', () => {
    expect(read(response({ overallResult: 'Aborted' })).outcome).toBe('failed');
  });
});

describe('a card number', () => {
  const places: readonly (readonly [string, number, (pan: string) => string])[] = [
    ['CardPAN, attribute and element', 2, (pan) => response({ pan })],
    ['Track2', 1, (pan) => response({ track2: `;${pan}=301210100000?` })],
    ['an element of another vendor', 1, (pan) => response({ privateData: { Acct: pan } })],
    ['an element of that name', 1, (pan) => response({ privateData: { CardNumber: pan } })],
    ['an element within such an element', 1, (pan) => response({ privateData: { PAN: `<V>${pan}</V>` } })],
    ['a token', 1, (pan) => response({ privateData: { CardToken: pan } })],
    [
      'an element of groups',
      1,
      (pan) => response({ privateData: { Info: pan.replaceAll(/(....)(?=.)/g, '$1 ') } }),
    ],
    ['an element with a prefix', 1, (pan) => response({ privateData: { 'v:CardPAN': pan } })],
    ['a message that is no XML', 1, (pan) => `<<<${pan}>>>`],
  ];

  test.each(places)('in %s is overwritten and an incident', (_place, count, place) => {
    for (const pan of testPans) {
      const reading = read(place(pan));
      expect(reading.cardNumbers).toHaveLength(count);
      expect(everything(reading)).not.toContain(pan);
      expect(everything(reading)).not.toContain(pan.slice(-6));
    }
  });

  test('that is masked is overwritten and no incident', () => {
    const body = text(response());
    expect(overwriteCardData(body)).toEqual([]);
    expect(asText(body)).not.toMatch(/672667|3214|12\/30/);
    expect(asText(body)).toContain('Merchant="455600000599 "');
  });

  test.each([
    ['a document type', `<!DOCTYPE r [<!ENTITY p "${testPans[0]}">]><r a="&p;"/>`],
    ['a comment', `<r><!-- ${testPans[0]} --></r>`],
    ['CDATA', `<r><CardToken><![CDATA[${testPans[0]}]]></CardToken></r>`],
    ['a character reference', `<r><CardToken>&#52;${testPans[0].slice(1)}</CardToken></r>`],
    ['UTF-16', Buffer.from(`<r>${testPans[0]}</r>`, 'utf16le').toString('latin1')],
  ])('cannot hide in %s: such a message is not read at all', (_what, xml) => {
    const reading = read(xml);
    expect(reading.malformed).toBe(true);
    expect(everything(reading)).not.toContain(testPans[0].slice(1));
  });

  test('is not seen where there is none', () => {
    for (const number of ['4006381333931', '455600000599000', '20260720105055', PAR, `a${testPans[0]}`]) {
      const body = text(`<r a="${number}">${number}</r>`);
      expect([number, overwriteCardData(body)]).toEqual([number, []]);
      expect(asText(body)).toContain(number);
    }
  });
});

test.each([
  '',
  '<',
  '<r',
  '<r>',
  '</r>',
  '<r/><s/>',
  'plain',
  '<r a=1/>',
  '<__proto__ PAR="x"/>',
  '<r>'.repeat(40),
])('no identity comes out of %s', (xml) => {
  expect(read(xml).identity).toBeUndefined();
});

test.each([
  ['longer', (xml: string) => xml.replace('</PrivateData>', `${' '.repeat(8_192)}</PrivateData>`)],
  ['of more tags', (xml: string) => xml.replace('</PrivateData>', `${'<a/>'.repeat(200)}</PrivateData>`)],
  [
    'of more attributes',
    (xml: string) => xml.replace('<CardValue>', `${'<a b="" c=""/>'.repeat(95)}<CardValue>`),
  ],
  ['with a longer tag', (xml: string) => xml.replace('<CardValue>', `<CardValue a="${' '.repeat(2_048)}">`)],
])('a message %s than any O.P.I. has is not read: it would keep the till busy', (_what, made) => {
  expect(read(response({ privateData: { PAR } })).identity?.kind).toBe('par');
  expect(read(made(response({ privateData: { PAR } })))).toMatchObject({
    malformed: true,
    identity: undefined,
  });
});

test('entities are left as they are', () => {
  expect(read(response({ privateData: { CardToken: 'tok&amp;tok' } })).identity).toMatchObject({
    token: text('tok&amp;tok'),
  });
});

test('wherever a card number stands in well-formed XML, it is overwritten', () => {
  const word = fc.stringMatching(/^[A-Za-z]{1,12}$/);
  const place = fc.record({
    element: word,
    attribute: word,
    before: word,
    pan: fc.constantFrom(...testPans),
  });
  fc.assert(
    fc.property(place, fc.boolean(), ({ element, attribute, before, pan }, asAttribute) => {
      const xml = asAttribute
        ? `<r><${element} ${attribute}="${before} ${pan}"/></r>`
        : `<r><${element}>${before}\n${pan}</${element}></r>`;
      const body = text(xml);
      expect(overwriteCardData(body)).toHaveLength(1);
      expect(asText(body)).not.toContain(pan.slice(0, 6));
    }),
  );
});
