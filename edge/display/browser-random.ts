import type { Random } from '../../foundation/random.ts';

/** The browser's randomness. */
export class BrowserRandom implements Random {
  next(): number {
    const [word = 0] = crypto.getRandomValues(new Uint32Array(1));
    return word / 0x100000000;
  }

  bytes(length: number): Uint8Array {
    return crypto.getRandomValues(new Uint8Array(length));
  }
}
