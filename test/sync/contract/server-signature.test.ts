import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFault } from '../../../foundation/errors.ts';
import { ALL_TILLS, signStatement, verifyStatement } from '../../../sync/contract/server-signature.ts';
import type { ServerStatement } from '../../../sync/contract/server-signature.ts';

const server = generateKeyPairSync('ed25519');
const intruder = generateKeyPairSync('ed25519');
const NOW = 1_800_000_000_000;
const command: ServerStatement<'command'> = {
  to: 'till-1',
  kind: 'command',
  version: 3,
  expiresAt: NOW + 1_000,
  body: { kind: 'reseed' },
};
const expected = { kind: 'command', till: 'till-1', publicKey: server.publicKey, now: NOW } as const;

function codeOf(
  payload: Uint8Array,
  expectation: Parameters<typeof verifyStatement>[1] = expected,
): string | undefined {
  try {
    verifyStatement(payload, expectation);
    return undefined;
  } catch (error) {
    return isFault(error) ? error.code : 'another error';
  }
}

describe('what the server signs', () => {
  test('is believed by the till it is for', () => {
    expect(verifyStatement(signStatement(command, server.privateKey), expected)).toEqual(command);
  });

  test('is believed by every till when it is for all', () => {
    const toAll = { ...command, to: ALL_TILLS };
    expect(verifyStatement(signStatement(toAll, server.privateKey), expected)).toEqual(toAll);
  });

  test('is not believed by another till', () => {
    expect(codeOf(signStatement({ ...command, to: 'till-2' }, server.privateKey))).toBe('WIRE_FOREIGN');
  });

  test('is not believed from another signer', () => {
    expect(codeOf(signStatement(command, intruder.privateKey))).toBe('WIRE_SIGNATURE');
  });

  test('is not believed with a single bit changed', () => {
    const payload = signStatement(command, server.privateKey);
    fc.assert(
      fc.property(fc.nat(payload.length - 1), fc.nat(7), (at, bit) => {
        const changed = Buffer.from(payload);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        // base64url's last character has bits that mean nothing: then it still is the very same signature.
        const code = codeOf(changed) ?? JSON.stringify(verifyStatement(changed, expected).body);
        expect([JSON.stringify(command.body), 'WIRE_SIGNATURE', 'WIRE_MALFORMED', 'WIRE_TOO_NEW']).toContain(
          code,
        );
      }),
      { numRuns: 500 },
    );
  });

  test('is not taken for a message of another kind', () => {
    const payload = signStatement(command, server.privateKey);
    expect(codeOf(payload, { ...expected, kind: 'receipt' })).toBe('WIRE_MALFORMED');
  });

  test('is refused as a command once it has expired, and not before', () => {
    const payload = signStatement(command, server.privateKey);
    expect(codeOf(payload, { ...expected, now: NOW + 1_000 })).toBeUndefined();
    expect(codeOf(payload, { ...expected, now: NOW + 1_001 })).toBe('WIRE_EXPIRED');
  });

  test('is believed late when it orders one journal to be wiped, and not when it orders any', () => {
    const late = { ...expected, now: NOW + 86_400_000 };
    const wipe = (incarnation: string | null): ServerStatement<'command'> => ({
      ...command,
      body: { kind: 'wipe', incarnation },
    });
    const meant = wipe('0190f8a0-0000-7000-8000-000000000001');
    expect(verifyStatement(signStatement(meant, server.privateKey), late)).toEqual(meant);
    expect(codeOf(signStatement(wipe(null), server.privateKey), late)).toBe('WIRE_EXPIRED');
  });

  test('is accepted as a receipt by a till whose clock is years off', () => {
    const receipt: ServerStatement<'receipt'> = {
      to: 'till-1',
      kind: 'receipt',
      version: 1,
      expiresAt: NOW,
      body: {
        incarnation: '0190f8a0-0000-7000-8000-000000000001',
        contiguous: 0,
        hash: null,
        holes: [],
        verdicts: [],
        serverTime: NOW,
      },
    };
    const payload = signStatement(receipt, server.privateKey);
    for (const now of [0, NOW * 2]) {
      expect(verifyStatement(payload, { ...expected, kind: 'receipt', now })).toEqual(receipt);
    }
  });

  test('is malformed when its body is not of its kind, even when signed', () => {
    // A statement no honest server makes.
    const wrong = { ...command, body: { kind: 'unheard of' } } as unknown as typeof command;
    expect(codeOf(signStatement(wrong, server.privateKey))).toBe('WIRE_MALFORMED');
  });
});
