// Goal: no key is enrolled under which somebody else could sign.
// Method: RFC 8032's own vectors; every point of small order and every spelling of it.
import { generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DevicePublicKey, isSoundPublicKey } from '../../../../sync/contract/app-code/device-key.ts';
import { verifyingKey } from '../../../../sync/contract/app-code/signature.ts';

const P = (1n << 255n) - 19n;

/** 32 bytes, little-endian, the sign of x in the highest bit (RFC 8032, 5.1.2). */
function point(y: bigint, isNegative = false): Buffer {
  const value = y | (isNegative ? 1n << 255n : 0n);
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

describe('a public key', () => {
  test('that a phone made is sound', () => {
    for (let i = 0; i < 50; i += 1) {
      const { publicKey } = generateKeyPairSync('ed25519');
      const x = publicKey.export({ format: 'jwk' }).x ?? '';
      expect(DevicePublicKey.safeParse(x).success).toBe(true);
      expect(isSoundPublicKey(Buffer.from(x, 'base64url'))).toBe(true);
    }
  });

  /** An y-coordinate of a point of order 8, and that of its negative. */
  const ORDER_8 = BigInt(
    `0x${bytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05').reverse().toString('hex')}`,
  );
  test.each([
    ['of order 1', 1n],
    ['of order 2', P - 1n],
    ['of order 4', 0n],
    ['of order 8', ORDER_8],
    ['of order 8, the other', P - ORDER_8],
  ])('%s is refused, whatever its sign and spelling', (_what, y) => {
    for (const isNegative of [false, true]) {
      expect(isSoundPublicKey(point(y, isNegative))).toBe(false);
      const spelledLonger = y + P < 1n << 255n ? y + P : y;
      expect(isSoundPublicKey(point(spelledLonger, isNegative))).toBe(false);
    }
  });

  test('beyond the field, off the curve, or of another length is refused', () => {
    expect(isSoundPublicKey(point(P))).toBe(false);
    expect(isSoundPublicKey(point((1n << 255n) - 1n))).toBe(false);
    // y = 2 is on no point of the curve; y = 3 is, and so is y = 3 + p, which is spelt too long.
    expect([2n, 7n].some((y) => isSoundPublicKey(point(y)))).toBe(false);
    expect(isSoundPublicKey(point(3n))).toBe(true);
    expect(isSoundPublicKey(point(3n + P))).toBe(false);
    expect(isSoundPublicKey(Buffer.alloc(31))).toBe(false);
    expect(isSoundPublicKey(Buffer.alloc(33))).toBe(false);
  });

  test('has one spelling in base64url', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const x = publicKey.export({ format: 'jwk' }).x ?? '';
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.indexOf(x.at(-1) ?? '');
    const same =
      x.slice(0, -1) + 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.charAt(last + 1);
    expect(Buffer.from(same, 'base64url')).toEqual(Buffer.from(x, 'base64url'));
    expect(DevicePublicKey.safeParse(same).success).toBe(false);
    expect(DevicePublicKey.safeParse(`${x}=`).success).toBe(false);
  });
});

describe('a signature', () => {
  // RFC 8032, 7.1, tests 1 to 3.
  test.each([
    [
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
    [
      'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      'af82',
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ],
  ])('of RFC 8032 under %s verifies', (key, message, signature) => {
    const publicKey = verifyingKey(bytes(key).toString('base64url'));
    expect(isSoundPublicKey(bytes(key))).toBe(true);
    expect(verify(null, bytes(message), publicKey, bytes(signature))).toBe(true);
  });
});
