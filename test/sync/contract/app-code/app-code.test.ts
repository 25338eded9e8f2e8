// Goal: one code has one meaning and three spellings, and nothing else is one.
// Method: vectors made by another implementation (Python), properties over every byte, and real QR symbols.
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import bwip from 'bwip-js/node';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  APP_CODE_BYTES,
  appCodeHead,
  keyIdOf,
  readAppCode,
} from '../../../../sync/contract/app-code/app-code.ts';
import { decodeBase45, encodeBase45 } from '../../../../sync/contract/app-code/base45.ts';
import { appCodeForms, readAppCodeForm, writeAppCode } from '../../../../sync/contract/app-code/forms.ts';
import { isSignedBy, signAppCode, verifyingKey } from '../../../../sync/contract/app-code/signature.ts';
import { findPaymentCard } from '../../../../sync/contract/payment-card.ts';
import { fuzzInputs, Slices } from '../../../support/slices.ts';

const Vectors = z.object({
  valid: z.array(
    z.object({
      tenant: z.string(),
      privateKey: z.string(),
      publicKey: z.string(),
      keyId: z.string(),
      issuedAt: z.int(),
      windowSeconds: z.int(),
      nonce: z.string(),
      bytes: z.string(),
      digits: z.string(),
      base45: z.string(),
      url: z.string(),
    }),
  ),
  invalid: z.array(z.object({ why: z.string(), text: z.string(), code: z.string() })),
});
const vectors = Vectors.parse(JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')));
const URL_START = 'HTTPS://APP.EXAMPLE/K/';
const anyCode = fc
  .uint8Array({ minLength: APP_CODE_BYTES, maxLength: APP_CODE_BYTES })
  .map((bytes) => bytes.with(0, 1).with(13, bytes[13] === 0 ? 1 : (bytes[13] ?? 1)));

describe('the vectors', () => {
  test.each(vectors.valid)('code of $tenant at $issuedAt reads the same in all three forms', (vector) => {
    const { keyId, issuedAt, windowSeconds } = vector;
    for (const form of appCodeForms) {
      const read = readAppCodeForm(vector[form]);
      expect(read).toMatchObject({ kind: 'code', form, code: { keyId, issuedAt, windowSeconds } });
      if (read?.kind !== 'code') continue;
      expect(isSignedBy(read.code, vector.tenant, verifyingKey(vector.publicKey))).toBe(true);
      expect(isSignedBy(read.code, `${vector.tenant}-2`, verifyingKey(vector.publicKey))).toBe(false);
      expect(writeAppCode(Buffer.from(vector.bytes, 'hex'), form, URL_START)).toBe(vector[form]);
    }
  });

  test.each(vectors.valid)('code of $tenant at $issuedAt is made to the byte', (vector) => {
    const privateKey = createPrivateKey({
      key: Buffer.from(`302e020100300506032b657004220420${vector.privateKey}`, 'hex'),
      format: 'der',
      type: 'pkcs8',
    });
    expect(keyIdOf(Buffer.from(vector.publicKey, 'base64url'))).toBe(vector.keyId);
    const head = appCodeHead({ ...vector, nonce: Buffer.from(vector.nonce, 'hex') });
    expect(Buffer.from(signAppCode(vector.tenant, head, privateKey)).toString('hex')).toBe(vector.bytes);
  });

  test.each(vectors.invalid)('$why is $code', ({ text, code }) => {
    expect(readAppCodeForm(text)).toEqual({ kind: 'refused', code });
  });
});

describe('any code', () => {
  test('has 82 bytes, 202 digits, 127 characters of base45, and comes back from each form', () => {
    fc.assert(
      fc.property(anyCode, (bytes) => {
        const [digits, base45] = [
          writeAppCode(bytes, 'digits', URL_START),
          writeAppCode(bytes, 'base45', URL_START),
        ];
        expect([digits.length, base45.length]).toEqual([202, 127]);
        for (const form of appCodeForms) {
          const read = readAppCodeForm(writeAppCode(bytes, form, URL_START));
          if (read?.kind !== 'code') throw new Error(`${form} does not read`);
          expect(Buffer.concat([read.code.head, read.code.signature])).toEqual(Buffer.from(bytes));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('reads the same whatever address it is part of', () => {
    const [vector] = vectors.valid;
    for (const start of ['https://app.example#', 'https://kundenkarte.example/app/de/', 'HTTPS://A.B/#'])
      expect(readAppCodeForm(start + vector?.digits)).toMatchObject({ code: { keyId: vector?.keyId } });
    for (const start of ['http://app.example#', 'https://app.example?', 'https://', 'x https://a.b/'])
      expect(readAppCodeForm(start + vector?.digits)).toBeUndefined();
  });

  test('is never taken for a payment card, in digits or in an address', () => {
    fc.assert(
      fc.property(anyCode, (bytes) => {
        for (const form of ['digits', 'url'] as const) {
          expect(findPaymentCard(writeAppCode(bytes, form, URL_START), { symbology: 'qr' })).toBeUndefined();
        }
      }),
      { numRuns: 200 },
    );
  });

  test('with any bit turned is another code that the key did not sign, or none', () => {
    const [vector] = vectors.valid;
    if (vector === undefined) throw new Error('no vector');
    const key = verifyingKey(vector.publicKey);
    for (let bit = 0; bit < 8 * APP_CODE_BYTES; bit += 1) {
      const bytes = Buffer.from(vector.bytes, 'hex');
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const read = readAppCode(bytes);
      expect(read.ok && isSignedBy(read.code, vector.tenant, key)).toBe(false);
    }
  });

  test('cut short or with trailing bytes is none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = readAppCode(bytes);
        expect(read.ok).toBe(bytes.length === APP_CODE_BYTES && bytes[0] === 1 && bytes[13] !== 0);
      }),
    );
    expect(readAppCode(new Uint8Array(0))).toEqual({ ok: false, fault: 'APP_CODE_MALFORMED' });
  });
});

describe('what is no app code', () => {
  test.each([
    '',
    '4006381333931',
    '7826',
    '7826000000017',
    '(8018)782601234567890124',
    'https://app.example/k',
    'https://id.gs1.org/8018/761234500000000012',
    'SK1',
    'SK1 jacket, size 54',
    '782678267826782678267826782678267826782',
    `x${'7'.repeat(202)}`,
  ])('%s is left to whoever knows it', (text) => {
    expect(readAppCodeForm(text)).toBeUndefined();
  });

  test('reading never throws and never stalls, whatever it is given', () => {
    const slices = new Slices('app code');
    const text = fc.oneof(
      fc.string({ maxLength: 250 }),
      fc.string({ unit: 'binary', maxLength: 150 }),
      fc.stringMatching(/^(SK1:|7826|https:\/\/a\.b\/#7826)[0-9A-Z $%*+./:-]{0,240}$/),
      fc
        .tuple(anyCode, fc.constantFrom(...appCodeForms), fc.nat(300), fc.string())
        .map(([code, form, at, put]) => {
          const whole = writeAppCode(code, form, URL_START);
          return whole.slice(0, at) + put + whole.slice(at + put.length);
        }),
    );
    fc.assert(
      fc.property(text, (each) => {
        const read = slices.measure(each, () => readAppCodeForm(each));
        expect(read === undefined || read.kind === 'code' || read.kind === 'refused').toBe(true);
      }),
      { numRuns: fuzzInputs() },
    );
    slices.conclude();
  });
});

/** What a host with a German or Swiss layout makes of the keys of a US keyboard. */
const layouts = {
  de: { Y: 'Z', Z: 'Y', ':': 'Ö', '/': '-', '-': 'ß', '+': '`', '*': '(', $: '$', '%': '%' },
  'ch-de': { Y: 'Z', Z: 'Y', ':': 'é', '/': '-', '-': "'", '+': '`', '*': '(', $: 'ç', '%': '%' },
  fr: { A: 'Q', Q: 'A', Z: 'W', W: 'Z', M: '?', ':': 'M', '/': '!', '-': ')', '1': '&' },
} as const satisfies Record<string, Record<string, string>>;

describe('a code typed in the wrong keyboard layout', () => {
  test.each(Object.entries(layouts))(
    '%s is named as such in base45',
    (_name, keys: Record<string, string>) => {
      fc.assert(
        fc.property(anyCode, (bytes) => {
          const typed = writeAppCode(bytes, 'base45', URL_START).replaceAll(/./g, (key) => keys[key] ?? key);
          expect(readAppCodeForm(typed)).toEqual({ kind: 'refused', code: 'SCANNER_LAYOUT' });
        }),
        { numRuns: 50 },
      );
    },
  );
});

describe('base45', () => {
  test('gives what RFC 9285, 4.3 and 4.4 give', () => {
    for (const [plain, encoded] of [
      ['AB', 'BB8'],
      ['Hello!!', '%69 VD92EX0'],
      ['base-45', 'UJCLQE7W581'],
      ['ietf!', 'QED8WEX0'],
    ] as const) {
      expect(encodeBase45(Buffer.from(plain))).toBe(encoded);
      expect(Buffer.from(decodeBase45(encoded) ?? []).toString()).toBe(plain);
    }
    expect(decodeBase45('GGW')).toBeUndefined();
    expect(decodeBase45('::')).toBeUndefined();
    expect(decodeBase45('A')).toBeUndefined();
    expect(decodeBase45('aa')).toBeUndefined();
  });

  test('comes back from any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(decodeBase45(encodeBase45(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe('the QR symbol at level M', () => {
  /** Modules on a side; version v has 17 + 4v (ISO/IEC 18004, 5.1). */
  function version(text: string): number {
    const [symbol] = bwip.raw('qrcode', text, 'eclevel=M');
    if (symbol === undefined || !('pixx' in symbol)) throw new Error('no matrix');
    return (symbol.pixx - 17) / 4;
  }

  test('is of version 6 or smaller in each form, and 5 in digits', () => {
    for (const vector of vectors.valid) {
      expect(version(vector.digits)).toBeLessThanOrEqual(5);
      expect(version(vector.base45)).toBeLessThanOrEqual(6);
      expect(version(vector.url)).toBeLessThanOrEqual(6);
      expect(version(`https://app.example#${vector.digits}`)).toBeLessThanOrEqual(6);
    }
  });
});
