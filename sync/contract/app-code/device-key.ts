import { z } from 'zod';
import { PUBLIC_KEY_BYTES } from './app-code.ts';

/** An Ed25519 public key in base64url: 43 characters of which the last holds two bits of padding, written as zero. */
const PUBLIC_KEY_PATTERN = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
export const DevicePublicKey = z
  .string()
  .regex(PUBLIC_KEY_PATTERN)
  .describe('Ed25519 public key (RFC 8032), 32 bytes in base64url');

/** The field of Curve25519, RFC 8032, 5.1. */
const P = (1n << 255n) - 19n;
const D = mod(-121_665n * power(121_666n, P - 2n));

/**
 * True for a point other people's signatures cannot be made for: written in the one canonical way, on the curve, and
 * not one of the eight of small order, under which anybody can make signatures that verify (RFC 8032, 5.1.3 and 8.9).
 */
export function isSoundPublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return false;
  const value = BigInt(`0x${Buffer.from(publicKey).reverse().toString('hex')}`);
  const y = value & ((1n << 255n) - 1n);
  const isNegative = value >> 255n === 1n;
  if (y >= P) return false;
  const ySquared = mod(y * y);
  const xSquared = mod((ySquared - 1n) * power(mod(D * ySquared + 1n), P - 2n));
  // Euler: a square, or zero, whose root cannot be negative.
  if (xSquared === 0n ? isNegative : power(xSquared, (P - 1n) / 2n) !== 1n) return false;
  return !hasSmallOrder(xSquared, ySquared);
}

/** Doubled three times a point of order 1, 2, 4 or 8 is the neutral one, (0, 1). Only squares are needed for x. */
function hasSmallOrder(xSquared: bigint, ySquared: bigint): boolean {
  // Order 1 and 2: x = 0. Order 4: y = 0.
  if (xSquared === 0n || ySquared === 0n) return true;
  // Order 8: its double has y = 0, and y₂ = (y² + x²) / (1 − d·x²·y²).
  return mod(ySquared + xSquared) === 0n;
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let rest = exponent, square = mod(base); rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}
