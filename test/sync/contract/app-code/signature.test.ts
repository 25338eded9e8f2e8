// Goal: a code is taken for signed by a phone only when that phone signed exactly it, and a signature has one spelling.
// Method: the classes of Wycheproof's Ed25519 vectors (C2SP, testvectors_v1/ed25519_test.json), made here from one fixed
// key. Where R or A is altered, S is computed anew over what was altered, so that only a verifier that reads R, A or S
// too leniently would be deceived. `judge-wycheproof.ts` beside this file judges Wycheproof's own file.
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AppCode } from '../../../../sync/contract/app-code/app-code.ts';
import { isSoundPublicKey } from '../../../../sync/contract/app-code/device-key.ts';
import { isSignedBy, signAppCode, verifyingKey } from '../../../../sync/contract/app-code/signature.ts';

/** The field and the order of the base point: RFC 8032, 5.1. */
const P = (1n << 255n) - 19n;
const L = (1n << 252n) + 27742317777372353535851937790883648493n;

const TENANT = 'wein-und-mehr';
const seed = Buffer.from('phone of a customer, made for it', 'utf8');
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
  format: 'der',
  type: 'pkcs8',
});
const publicKey = Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '', 'base64url');
const key = verifyingKey(publicKey.toString('base64url'));

/** The private scalar and what nonces are made with: RFC 8032, 5.1.5 and 5.1.6. */
const expanded = createHash('sha512').update(seed).digest();
const scalar = (number(expanded.subarray(0, 32)) & ((1n << 254n) - 8n)) | (1n << 254n);

/** A head the phone signs; the nonce makes it another. */
function head(nonce: number): Buffer {
  const bytes = Buffer.alloc(18, 0x2a);
  bytes[0] = 1;
  bytes.writeUInt32BE(nonce, 14);
  return bytes;
}
function message(of: Buffer, tenant = TENANT): Buffer {
  return Buffer.concat([Buffer.from(`stammkunde/app-code/v1\0${tenant}\0`), of]);
}

const good = Buffer.from(signAppCode(TENANT, head(0), privateKey).subarray(18));
const [R, S] = [good.subarray(0, 32), number(good.subarray(32))];
/** The nonce that R is the point of. */
const r = number(hash(expanded.subarray(32), message(head(0)))) % L;

function isTaken(signature: Uint8Array, by = key, of = head(0), tenant = TENANT): boolean {
  const code: AppCode = { keyId: '', issuedAt: 0, windowSeconds: 1, head: of, signature };
  return isSignedBy(code, tenant, by);
}
/** 32 bytes, little-endian; what is beyond them is cut off. */
function le(value: bigint): Buffer {
  return Buffer.from((value & ((1n << 256n) - 1n)).toString(16).padStart(64, '0'), 'hex').reverse();
}
function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}
function hash(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha512').update(Buffer.concat(parts)).digest();
}
/** S for an R written otherwise, and for whatever nonce: the equation holds, only its R is another. */
function sFor(writtenR: Uint8Array, nonce: bigint, writtenA: Uint8Array = publicKey): Buffer {
  const k = number(hash(writtenR, writtenA, message(head(0)))) % L;
  return le((nonce + k * scalar) % L);
}
function signature(writtenR: Uint8Array, s: Uint8Array): Buffer {
  return Buffer.concat([writtenR, s]);
}
function flipped(bytes: Uint8Array, bit: number): Buffer {
  const altered = Buffer.from(bytes);
  altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return altered;
}

/** The eight points of small order by their y, each with both signs, and their spellings beyond the field. */
const ORDER_8 = number(
  Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'),
);
const smallOrder = [1n, P - 1n, 0n, ORDER_8, P - ORDER_8].flatMap((y) =>
  [y, y + P].filter((spelt) => spelt < 1n << 255n).flatMap((spelt) => [le(spelt), le(spelt | (1n << 255n))]),
);

test('what is computed here is what was signed', () => {
  expect(isTaken(good)).toBe(true);
  expect(number(sFor(R, r))).toBe(S);
});

describe('valid', () => {
  test('signatures of every length of message are taken', () => {
    for (let length = 0; length < 130; length += 1) {
      const of = Buffer.alloc(length, length);
      expect(isTaken(sign(null, message(of), privateKey), key, of)).toBe(true);
    }
  });

  test('S just under its bound, or small, is taken; the same and the group order is not', () => {
    let [large, small] = [0, 0];
    for (let nonce = 0; large < 3 || small < 3; nonce += 1) {
      const of = head(nonce);
      const made = Buffer.from(sign(null, message(of), privateKey));
      const s = number(made.subarray(32));
      const isLarge = s > L - (1n << 243n);
      if (!isLarge && s >= 1n << 243n) continue;
      if (isLarge) large += 1;
      else small += 1;
      expect(isTaken(made, key, of)).toBe(true);
      expect(isTaken(signature(made.subarray(0, 32), le(s + L)), key, of)).toBe(false);
    }
  });
});

describe('a signature made up of special values', () => {
  const highBits = [252n, 253n, 254n, 255n].map((bit) => 1n << bit);
  const ends = [(1n << 255n) - 1n, (1n << 256n) - 1n];
  const special = [0n, 1n, 2n, L - 1n, L, L + 1n, 2n * L, 8n * L, P - 1n, P, P + 1n, ...highBits, ...ends];
  test('is not taken, whichever two', () => {
    for (const first of special) {
      for (const second of special) expect(isTaken(signature(le(first), le(second)))).toBe(false);
    }
  });

  test('is not taken with the R or the S of a good one either', () => {
    for (const value of special) {
      expect(isTaken(signature(R, le(value)))).toBe(false);
      expect(isTaken(signature(le(value), le(S)))).toBe(false);
    }
  });
});

describe('a signature of another length', () => {
  test('cut off anywhere, also to nothing, is not taken', () => {
    for (let length = 0; length < 64; length += 1) {
      expect(isTaken(good.subarray(0, length))).toBe(false);
      expect(isTaken(good.subarray(64 - length))).toBe(false);
    }
  });

  test.each([
    ['a zero before it', [Buffer.alloc(1), good]],
    ['a zero behind it', [good, Buffer.alloc(1)]],
    ['a zero between R and S', [R, Buffer.alloc(1), le(S)]],
    ['garbage behind it', [good, Buffer.from('  ')]],
    ['garbage before it', [Buffer.from('  '), good]],
    ['the public key behind it', [good, publicKey]],
    ['itself behind it', [good, good]],
  ])('with %s is not taken', (_what, parts) => {
    expect(isTaken(Buffer.concat(parts))).toBe(false);
  });

  test('without one of its zeros is not taken: first or last of R or S, or within', () => {
    const seen = new Set<number>();
    for (let nonce = 0; seen.size < 64 && nonce < 20_000; nonce += 1) {
      const of = head(nonce);
      const made = Buffer.from(sign(null, message(of), privateKey));
      for (const at of made.keys()) {
        if (made[at] !== 0 || seen.has(at)) continue;
        seen.add(at);
        const shortened = Buffer.concat([made.subarray(0, at), made.subarray(at + 1)]);
        expect(isTaken(shortened, key, of)).toBe(false);
        // As a reader that fills up what is missing would have it: the very signature only where the zero was the last.
        const filled = Buffer.concat([shortened, Buffer.alloc(1)]);
        expect(isTaken(filled, key, of)).toBe(filled.equals(made));
      }
    }
    expect([0, 31, 32, 62].filter((at) => !seen.has(at))).toEqual([]);
  });
});

describe('a signature altered', () => {
  test('in any one bit is not taken', () => {
    for (let bit = 0; bit < 512; bit += 1) expect(isTaken(flipped(good, bit))).toBe(false);
  });

  test('in any one byte, to all its values, is not taken', () => {
    for (const at of good.keys()) {
      for (let by = 1; by < 256; by += 51) expect(isTaken(good.with(at, (good[at] ?? 0) ^ by))).toBe(false);
    }
  });

  test('with R and S the other way round, or either twice, is not taken', () => {
    for (const parts of [
      [le(S), R],
      [R, R],
      [le(S), le(S)],
    ]) {
      expect(isTaken(Buffer.concat(parts))).toBe(false);
    }
  });

  test('in S by a multiple of the group order, a high bit or the field, is not taken: it has one spelling', () => {
    for (let more = S + L; more < 1n << 256n; more += L) expect(isTaken(signature(R, le(more)))).toBe(false);
    for (const added of [1n << 252n, 1n << 253n, 1n << 254n, 1n << 255n, P, 2n * P, -1n, 1n]) {
      expect(isTaken(signature(R, le(S + added)))).toBe(false);
    }
    expect(isTaken(signature(R, le(L - S)))).toBe(false);
  });
});

describe('R written otherwise, S computed over what is written', () => {
  test('with any one bit altered is not taken, also not that of its sign', () => {
    for (let bit = 0; bit < 256; bit += 1) {
      const written = flipped(R, bit);
      expect(isTaken(signature(written, sFor(written, r)))).toBe(false);
    }
  });

  test.each([
    ['as zero', Buffer.alloc(32)],
    ['as all ones', Buffer.alloc(32, 0xff)],
    ['with all bits altered', Buffer.from(R.map((byte) => ~byte & 0xff))],
    ['as p', le(P)],
    ['as the public key', publicKey],
  ])('%s is not taken', (_what, written) => {
    expect(isTaken(signature(written, sFor(written, r)))).toBe(false);
  });

  test('as the negative of the point, with the nonce or its negative, is taken only where that is the signature of it', () => {
    const negative = flipped(R, 255);
    expect(isTaken(signature(negative, sFor(negative, r)))).toBe(false);
    // The phone itself may choose any nonce, also −r, whose point is −R.
    expect(isTaken(signature(negative, sFor(negative, L - r)))).toBe(true);
  });

  test('as a point of small order is not taken', () => {
    for (const written of smallOrder) expect(isTaken(signature(written, sFor(written, r)))).toBe(false);
    // With the nonce 0 the neutral point is the right one. Only the phone could choose it, and whether it is taken is up
    // to the OpenSSL; under every other name it is not.
    for (const written of smallOrder.filter((each) => !each.equals(le(1n)))) {
      expect(isTaken(signature(written, sFor(written, 0n)))).toBe(false);
    }
  });
});

describe('the key', () => {
  test('altered in any one bit, it is not the one that signed, S computed over it or not', () => {
    for (let bit = 0; bit < 256; bit += 1) {
      const written = flipped(publicKey, bit);
      expect(isTakenUnder(written, good)).toBe(false);
      expect(isTakenUnder(written, signature(R, sFor(R, r, written)))).toBe(false);
    }
  });

  /** Where an OpenSSL takes the neutral point for a key, a nonce alone is a signature of everything. */
  test('of small order is never enrolled, however it is spelt', () => {
    for (const written of smallOrder) {
      expect(isSoundPublicKey(written)).toBe(false);
    }
  });

  test('beyond the field is not enrolled', () => {
    for (let y = P; y < 1n << 255n; y += 1n) {
      expect(isSoundPublicKey(le(y))).toBe(false);
      expect(isSoundPublicKey(le(y | (1n << 255n)))).toBe(false);
    }
  });

  /** A key that cannot be read at all signs nothing. */
  function isTakenUnder(written: Buffer, made: Buffer): boolean {
    let under;
    try {
      under = verifyingKey(written.toString('base64url'));
    } catch {
      return false;
    }
    return isTaken(made, under);
  }
});

describe('the message', () => {
  test('altered in any one bit was not signed', () => {
    for (let bit = 0; bit < 18 * 8; bit += 1) expect(isTaken(good, key, flipped(head(0), bit))).toBe(false);
  });

  test('cut, longer, empty, or of another programme was not signed', () => {
    const of = head(0);
    for (const other of [
      of.subarray(1),
      of.subarray(0, 17),
      Buffer.concat([of, Buffer.alloc(1)]),
      Buffer.alloc(0),
    ]) {
      expect(isTaken(good, key, other)).toBe(false);
    }
    for (const other of ['', 'wein-und-meh', 'wein-und-mehr2', 'Wein-und-mehr', `${TENANT}\0`]) {
      expect(isTaken(good, key, of, other)).toBe(false);
    }
  });

  test('is not what is signed by itself: without the context it means nothing here', () => {
    for (const bare of [head(0), Buffer.concat([Buffer.from(`${TENANT}\0`), head(0)])]) {
      expect(isTaken(sign(null, bare, privateKey))).toBe(false);
    }
  });
});
