// Goal: what a fuzz test says of time is about the codec: not about a garbage collection, and not hidden by one.
import { expect, test } from 'vitest';
import { fuzzInputs, Slices } from './slices.ts';

/** Each work takes, in order, as long as told. */
function taking(...each: readonly number[]): Slices {
  const times = each.values();
  return new Slices('codec', (work) => {
    work();
    return times.next().value ?? 0;
  });
}

test('an input that took long once, and not when it was given again, is no input that takes too long', () => {
  const slices = taking(0.5, 23, 12, 0.2, 0.3);
  slices.measure('first', () => 0);
  slices.measure('second', () => 0);
  expect(slices.tooLong()).toEqual([]);
  expect(slices.report()).toBe(
    'codec: 2 slices, longest 23.00 ms, 1 over 10 ms, of which repeated 0, the longest repetition 0.20 ms',
  );
});

test('one that takes long each time is told, with both figures', () => {
  const slices = taking(40, 35, 31, 33);
  slices.measure(Uint8Array.of(0xca, 0xfe), () => 0);
  expect(slices.tooLong()).toEqual(['40.00 ms, again 31.00 ms: cafe (2)']);
  expect(slices.report()).toContain('1 over 10 ms, of which repeated 1, the longest repetition 31.00 ms');
});

test('the repetitions are made by a codec of their own, and their answers are not the first one’s', () => {
  const done: string[] = [];
  const slices = taking(11, 0, 0, 0);
  expect(
    slices.measure(
      'x',
      () => done.push('kept'),
      () => done.push('new'),
    ),
  ).toBe(1);
  expect(done).toEqual(['kept', 'new', 'new', 'new']);
});

test('what is thrown is thrown on', () => {
  expect(() =>
    new Slices('codec').measure('x', () => {
      throw new Error('no');
    }),
  ).toThrow('no');
});

test('processor time is what is measured, in ms', () => {
  const slices = new Slices('codec');
  let sum = 0;
  slices.measure('busy', () => {
    for (let i = 0; i < 1_000; i += 1) sum += i;
    return sum;
  });
  expect(slices.report()).toMatch(/^codec: 1 slices, longest \d+\.\d\d ms/);
});

test('as many inputs as ordinary, unless a long run is asked for', () => {
  expect(fuzzInputs(7)).toBe(Number(process.env['STAMMKUNDE_FUZZ'] ?? 7));
});
