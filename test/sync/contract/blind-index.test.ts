import { createHmac, hkdfSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ProgrammerError } from '../../../foundation/errors.ts';
import { BLIND_INDEX_PATTERN, BlindIndexer } from '../../../sync/contract/blind-index.ts';
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
