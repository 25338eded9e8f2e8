import { createHmac, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProgrammerError } from '../../../foundation/errors.ts';
import { BLIND_INDEX_PATTERN, BlindIndexer, identifierKeyName } from '../../../sync/contract/blind-index.ts';
import { Credential, identifierKinds } from '../../../sync/contract/credential.ts';

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const indexer = new BlindIndexer(KEY, 'kaufhaus');

describe('blind indexes', () => {
  test('the index is HMAC-SHA-256 under a key derived for tenant and kind', () => {
    const key = Buffer.from(hkdfSync('sha256', KEY, 'stammkunde', 'bi/v1/kaufhaus/card', 32));
    const expected = createHmac('sha256', key).update('card\x0013\x002501234567890').digest('base64url');
    expect(indexer.index('card', '2501234567890')).toBe(expected);
    expect(expected).toMatch(BLIND_INDEX_PATTERN);
  });

  test('the indexes never change: these values are in every database', () => {
    expect(indexer.index('card', '2501234567890')).toBe('4PnP6HxR7rI0AiRVUTeNP3GDP-b4kZV54un3xdiiMGs');
  });

  test('server and till get the same index from the same key', () => {
    const other = new BlindIndexer(Uint8Array.from(KEY), 'kaufhaus');
    expect(other.index('app', 'x')).toBe(indexer.index('app', 'x'));
  });

  test('the same number has another index for each kind, tenant and key', () => {
    const number = '2501234567890';
    const indexes = [
      ...identifierKinds.map((kind) => indexer.index(kind, number)),
      new BlindIndexer(KEY, 'kaufhaus-2').index('card', number),
      new BlindIndexer(
        KEY.map((byte) => byte ^ 1),
        'kaufhaus',
      ).index('card', number),
    ];
    expect(new Set(indexes).size).toBe(indexes.length);
  });

  test('a credential’s index is that of its number', () => {
    const credential = new Credential('gsrn', 'house', 'L1', '801234567890123456');
    expect(indexer.indexOf(credential)).toBe(indexer.index('gsrn', '801234567890123456'));
  });

  test.each([0, 16, 31, 33])('a key of %i bytes is our own mistake', (length) => {
    expect(() => new BlindIndexer(new Uint8Array(length), 'kaufhaus')).toThrow(ProgrammerError);
  });
});

describe('a chain of identifier keys', () => {
  const SECOND = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
  const THIRD = Uint8Array.from({ length: 32 }, (_, i) => i * 3);
  const chain = [KEY, SECOND, THIRD];
  const rotated = new BlindIndexer(chain, 'kaufhaus');
  const number = '2501234567890';

  test('the first form is what the first key alone makes, and so on with each key', () => {
    expect(rotated.forms('card', number)).toEqual(
      [1, 2, 3].map((n) => new BlindIndexer(chain.slice(0, n), 'kaufhaus').index('card', number)),
    );
    expect(rotated.index('card', number)).toBe(rotated.forms('card', number).at(-1));
  });

  test('the forms never change: these values are in every database', () => {
    expect(rotated.forms('card', number)).toMatchInlineSnapshot(`
      [
        "4PnP6HxR7rI0AiRVUTeNP3GDP-b4kZV54un3xdiiMGs",
        "5KPYD-c0LsnaYXVh08Lj3yx1SHm0nfUG-Uq8vRkoLWd",
        "gP4dGEwyulfw-E_FR-aRurjpAAK6UtBeD4gLIfc6Xqm",
      ]
    `);
  });

  test('an index is lifted to every later version without the number, and says its version itself', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...identifierKinds),
        fc.string(),
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 0, max: 3 }),
        (kind, canonical, keys, back) => {
          const indexer = new BlindIndexer(
            Array.from({ length: keys }, (_, i) => new Uint8Array(32).fill(i + 1)),
            't',
          );
          const forms = indexer.forms(kind, canonical);
          expect(forms).toHaveLength(keys);
          const at = Math.max(0, keys - 1 - back);
          const form = forms[at] ?? '';
          expect(form).toMatch(BLIND_INDEX_PATTERN);
          expect(indexer.versionOf(form)).toBe(at + 1);
          expect(indexer.formsFrom(form)).toEqual(forms.slice(at));
          expect(indexer.newest(form)).toBe(forms.at(-1));
        },
      ),
    );
  });

  test('an index of a key not known here stays as it is', () => {
    const foreign = rotated.index('card', number);
    expect(indexer.versionOf(foreign)).toBeUndefined();
    expect(indexer.newest(foreign)).toBe(foreign);
  });

  test('who has a later key and not the first cannot make the index of a number', () => {
    const thief = new BlindIndexer([new Uint8Array(32), SECOND, THIRD], 'kaufhaus');
    expect(thief.forms('card', number)).not.toContain(rotated.index('card', number));
  });

  test('the name of a key is no part of any index and differs for each key', () => {
    expect(new Set(chain.map(identifierKeyName)).size).toBe(3);
    expect(identifierKeyName(KEY)).toMatch(/^[0-9a-f]{16}$/);
  });

  test.each([0, 17])('a chain of %i keys is our own mistake', (length) => {
    expect(
      () =>
        new BlindIndexer(
          Array.from({ length }, () => KEY),
          'kaufhaus',
        ),
    ).toThrow(ProgrammerError);
  });
});
