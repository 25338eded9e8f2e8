// Goal: of a terminal's message only what one cannot pay with comes out, and the rest is gone from memory.
import { createHash, createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { TerminalReading } from '../../../../drivers/protocol/payment-terminal/card-identity.ts';
import { encodeBmp } from '../../../../drivers/protocol/zvt/bmp.ts';
import { readStatusInformation, zvtTokenKinds } from '../../../../drivers/protocol/zvt/status-information.ts';
import { encodeTlv, encodeTlvLength } from '../../../../drivers/protocol/zvt/tlv.ts';
import { asText, hex, text } from '../../hex.ts';
import { testPans } from '../../../sync/contract/payment-cards.ts';
import { maestroStatus, packed, PAR } from './captured-frames.ts';

function status(container: readonly Uint8Array[], fields: readonly Uint8Array[] = []): Uint8Array {
  const inside = Buffer.concat(container);
  return Uint8Array.from(
    Buffer.concat([...fields, Uint8Array.of(0x06, ...encodeTlvLength(inside.length)), inside]),
  );
}

function read(data: Uint8Array): TerminalReading {
  const reading = readStatusInformation(data, zvtTokenKinds);
  expect(data.every((byte) => byte === 0)).toBe(true);
  return reading;
}

/** Everything a reading holds, as text and in hexadecimal. */
function everything(reading: TerminalReading): string {
  const bytes = [
    reading.walletId,
    reading.identity?.kind === 'par' ? reading.identity.par : reading.identity?.token,
  ].map((each) => Buffer.from(each ?? new Uint8Array()));
  return `${inspect(reading, { depth: 9 })} ${bytes.map((each) => `${each.toString('latin1')} ${each.toString('hex')}`).join(' ')}`;
}

test('a real payment tells the card type, and nothing else of the card', () => {
  expect(read(maestroStatus())).toEqual({
    outcome: 'successful',
    identity: undefined,
    walletId: undefined,
    cardType: 46,
    cardNumbers: [],
    malformed: false,
  });
});

describe('the identity', () => {
  const token = hex('8A0102030405060708090A0B0C0D0E0F');
  const other = hex('FEEDFACE00112233');

  test('is the PAR where there is one, whatever else there is', () => {
    const reading = read(
      status([encodeTlv(0x1f8007, token), encodeTlv(0x1f14, other), encodeTlv(0x4e, text(PAR))]),
    );
    expect(reading.identity).toMatchObject({ kind: 'par' });
    expect(reading.identity?.kind === 'par' && asText(reading.identity.par)).toBe(PAR);
  });

  test.each([
    [[0x1f14, 0x1f8008, 0x1f8007], '1f8007'],
    [[0x1f14, 0x1f8008], '1f8008'],
    [[0x1f14], '1f14'],
  ])('without a PAR, of the tags %j, is %s', (tags, tokenKind) => {
    const reading = read(status(tags.map((tag) => encodeTlv(tag, token))));
    expect(reading.identity).toEqual({ kind: 'token', tokenKind, token });
  });

  test('is none where the kind of token is not accepted', () => {
    const data = status([encodeTlv(0x1f14, token)]);
    expect(readStatusInformation(data, ['1f8007', '1f8008']).identity).toBeUndefined();
  });

  test('is found within a container, and behind a tag of three bytes', () => {
    const reading = read(
      status([encodeTlv(0x1f8001, hex('7F000001')), encodeTlv(0x60, encodeTlv(0x4e, text(PAR)))]),
    );
    expect(reading.identity?.kind).toBe('par');
  });

  test.each([
    ['lower case', PAR.toLowerCase()],
    ['28 characters', PAR.slice(1)],
    ['30 characters', `${PAR}0`],
    ['hexadecimal', Buffer.from(PAR).toString('hex')],
    ['a space', `${PAR.slice(1)} `],
  ])('is never a PAR of %s', (_what, value) => {
    expect(read(status([encodeTlv(0x4e, text(value))]))).toMatchObject({
      identity: undefined,
      malformed: true,
    });
  });

  test('is unknown where the terminal says that it failed', () => {
    expect(read(status([encodeTlv(0x4e, text(PAR))], [encodeBmp(0x27, hex('6C'))])).outcome).toBe('failed');
  });
});

describe('a wallet pass', () => {
  test('tells its loyalty number, beside the card it was presented with', () => {
    const reading = read(
      status([
        encodeTlv(0x4e, text(PAR)),
        encodeTlv(0xe8, encodeTlv(0xff02, encodeTlv(0x1f68, text('2900000012345')))),
      ]),
    );
    expect(asText(reading.walletId ?? hex(''))).toBe('2900000012345');
    expect(reading.identity?.kind).toBe('par');
  });

  test.each([
    ['outside of a pass', encodeTlv(0x1f68, text('123'))],
    ['with control characters', encodeTlv(0xe8, encodeTlv(0x1f68, text('1\u001b[2J')))],
    ['of 65 characters', encodeTlv(0xe8, encodeTlv(0x1f68, text('1'.repeat(65))))],
  ])('has no loyalty number %s', (_what, object) => {
    expect(read(status([object])).walletId).toBeUndefined();
  });
});

describe('a card number', () => {
  test.each(['EEEEEEEEEEEE4771', '541333EEEEEE4771', 'EEEEEEEEEEEEEEE4281F'])(
    'that the terminal masked as %s is overwritten and no incident',
    (masked) => {
      const reading = read(status([], [encodeBmp(0x22, hex(masked))]));
      expect(reading.cardNumbers).toEqual([]);
      expect(everything(reading)).not.toContain('4771');
    },
  );

  const places: readonly (readonly [string, (pan: string) => Uint8Array])[] = [
    ['BMP 22', (pan) => status([], [encodeBmp(0x22, packed(pan))])],
    ['BMP 23, track 2', (pan) => status([], [encodeBmp(0x23, packed(`${pan}D30122010000`))])],
    ['BMP 24, track 3', (pan) => status([], [encodeBmp(0x24, packed(`01${pan}D30122010000`))])],
    ['BMP 2D, track 1', (pan) => status([], [encodeBmp(0x2d, text(`B${pan}^DOE/J^3012`))])],
    ['tag 1F08', (pan) => status([encodeTlv(0x1f08, text(`B${pan}^DOE/J^3012`))])],
    ['tag 1F09', (pan) => status([encodeTlv(0x1f09, packed(`${pan}D3012`))])],
    ['tag 1F0A', (pan) => status([encodeTlv(0x1f0a, packed(`${pan}D3012`))])],
    ['EMV tag 5A', (pan) => status([encodeTlv(0x60, encodeTlv(0x5a, packed(pan)))])],
    ['EMV tag 57', (pan) => status([encodeTlv(0x57, packed(`${pan}D3012`))])],
    ['a token in packed digits', (pan) => status([encodeTlv(0x1f14, packed(pan))])],
    ['a token in ASCII', (pan) => status([encodeTlv(0x1f8008, text(pan))])],
    ['a padded token', (pan) => status([encodeTlv(0x1f8007, text(pan.padStart(24, '0')))])],
  ];

  test.each(places)('in %s is an incident, and neither it nor a digest of it comes out', (_place, place) => {
    for (const pan of testPans) {
      const reading = read(place(pan));
      expect(reading.cardNumbers).toHaveLength(1);
      expect(reading.identity).toBeUndefined();
      const told = everything(reading);
      for (const forbidden of [
        pan,
        pan.slice(-4),
        createHash('sha256').update(pan).digest('hex'),
        createHmac('sha256', '').update(pan).digest('hex'),
      ]) {
        expect(told).not.toContain(forbidden);
      }
    }
  });

  test('is overwritten before the rest is read, so that a fault later on leaves nothing', () => {
    const data = status([encodeTlv(0x4e, text(PAR))], [encodeBmp(0x22, packed(testPans[0]))]);
    const slice = vi.spyOn(Uint8Array.prototype, 'slice').mockImplementation(() => {
      expect(Buffer.from(data).toString('hex')).not.toContain(testPans[0]);
      throw new Error('out of memory');
    });
    try {
      expect(() => readStatusInformation(data, [])).toThrow('out of memory');
    } finally {
      slice.mockRestore();
    }
    expect(data.every((byte) => byte === 0)).toBe(true);
  });
});

test('what cannot be read is overwritten and said to be malformed', () => {
  expect(read(Uint8Array.from([...encodeBmp(0x27, hex('00')), 0x99, ...packed(testPans[0])]))).toMatchObject({
    malformed: true,
    identity: undefined,
  });
  expect(read(hex('06 05 4E 7F 01 02 03')).malformed).toBe(true);
  expect(read(hex('06 84 00 00 00 01 00')).malformed).toBe(true);
});

test('containers within containers end somewhere', () => {
  let nested = encodeTlv(0x4e, text(PAR));
  for (let depth = 0; depth < 200; depth += 1) nested = encodeTlv(0x60, nested);
  expect(read(status([nested]))).toMatchObject({ identity: undefined, malformed: true });
});

test('any fields and objects that are well formed are read back', () => {
  const object = fc
    .tuple(
      fc.constantFrom(0x07, 0x41, 0x43, 0x1f12, 0x1f14, 0x1f61, 0x1f8007, 0x1f8123, 0x9f5a),
      fc.uint8Array({ maxLength: 140 }),
    )
    .map(([tag, value]) => encodeTlv(tag, value));
  fc.assert(
    fc.property(fc.array(object, { maxLength: 6 }), fc.uint8Array({ maxLength: 99 }), (objects, name) => {
      const data = status([...objects, encodeTlv(0x4e, text(PAR))], [encodeBmp(0x8b, name)]);
      const reading = read(data);
      expect(reading.malformed).toBe(false);
      expect(reading.identity?.kind).toBe('par');
    }),
  );
});
