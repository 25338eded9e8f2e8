import { randomFillSync } from 'node:crypto';

/** Randomness as everything here sees it. Passed in, so a seeded world repeats itself. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
}

/** The machine's cryptographic randomness. The only place that draws it. */
export class SystemRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES);
  #used = POOL_BYTES;

  /** 53 bits, as many as a number between 0 and 1 holds. */
  next(): number {
    const bytes = this.bytes(8);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return ((view.getUint32(0) >>> 6) * 0x8000000 + (view.getUint32(4) >>> 5)) / 0x20000000000000;
  }

  bytes(length: number): Uint8Array {
    if (length > POOL_BYTES) return randomFillSync(new Uint8Array(length));
    if (this.#used + length > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const bytes = this.#pool.slice(this.#used, this.#used + length);
    // What was given out is wiped here, so that it lives nowhere but with its owner.
    this.#pool.fill(0, this.#used, this.#used + length);
    this.#used += length;
    return bytes;
  }
}

/** Drawn at once: a call into the system costs more than a hundred ids. */
const POOL_BYTES = 2_048;

/** A repeatable generator (xoshiro128++ seeded by splitmix32) for simulations and tests; never for keys. */
export class SeededRandom implements Random {
  #state: [number, number, number, number];

  constructor(seed: number) {
    let s = seed | 0;
    const mix = (): number => {
      s = (s + 0x9e3779b9) | 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.#state = [mix(), mix(), mix(), mix()];
  }

  next(): number {
    return this.#uint32() / 0x100000000;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#uint32() & 0xff);
  }

  /** xoshiro128++ by Blackman and Vigna (public domain). */
  #uint32(): number {
    const s = this.#state;
    const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
    const result = (rotl(s[0] + s[3], 7) + s[0]) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11);
    return result;
  }
}

/**
 * A UUID version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then randomness. Sorts by time of making.
 * @param nowMs ms since the epoch
 */
export function uuidV7(nowMs: number, random: Random): string {
  const bytes = random.bytes(16);
  let ms = Math.max(0, Math.trunc(nowMs));
  for (let i = 5; i >= 0; i -= 1) {
    bytes[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
