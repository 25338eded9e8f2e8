import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SeededRandom, SystemRandom, uuidV7 } from '../../foundation/random.ts';

test.each([
  ['the system’s', new SystemRandom()],
  ['a seeded', new SeededRandom(7)],
])('%s randomness lies in [0, 1), spreads evenly, and gives as many bytes as asked', (_name, random) => {
  const draws = Array.from({ length: 20_000 }, () => random.next());
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...draws)).toBeLessThan(1);
  for (let tenth = 0; tenth < 10; tenth += 1) {
    const share = draws.filter((draw) => Math.floor(draw * 10) === tenth).length / draws.length;
    expect(share).toBeGreaterThan(0.08);
    expect(share).toBeLessThan(0.12);
  }
  for (const length of [0, 1, 16, 2_047, 2_048, 5_000]) expect(random.bytes(length)).toHaveLength(length);
});

test('the system’s randomness never gives the same bytes twice, and none are left at nought', () => {
  const random = new SystemRandom();
  const seen = new Set(Array.from({ length: 5_000 }, () => Buffer.from(random.bytes(16)).toString('hex')));
  expect(seen.size).toBe(5_000);
  expect(seen.has('0'.repeat(32))).toBe(false);
});

test('the same seed gives the same course, another seed another', () => {
  const course = (seed: number): number[] => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 50 }, () => random.next());
  };
  expect(course(1)).toEqual(course(1));
  expect(course(1)).not.toEqual(course(2));
});

test('a UUID has version 7 and variant 1, and sorts by the time it was made', () => {
  const random = new SeededRandom(3);
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.integer({ min: 1, max: 1_000 }), (at, laterMs) => {
      const [first, second] = [uuidV7(at, random), uuidV7(at + laterMs, random)];
      expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(first.replaceAll('-', '').slice(0, 12), 16)).toBe(at);
      expect(first < second).toBe(true);
    }),
  );
});
