import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recogniseRevenue } from '../../../server/reports/breakage.ts';

// KPMG, Revenue handbook, examples 10A and 10B: 9,000 allocated to points.
test('the published example: 4,175, then 3,552 with more expected, or 4,140 with fewer', () => {
  const first = recogniseRevenue({ allocated: 9_000, expected: 9_700, redeemed: 4_500, recognised: 0 });
  expect(first).toEqual({ revenue: 4_175, total: 4_175, deferred: 4_825 });
  const then = { allocated: 9_000, redeemed: 8_500, recognised: first.total };
  expect(recogniseRevenue({ ...then, expected: 9_900 }).revenue).toBe(3_552);
  expect(recogniseRevenue({ ...then, expected: 9_200 }).revenue).toBe(4_140);
});

test('periods sum to the whole when all that is expected was redeemed, whatever was expected between', () => {
  fc.assert(
    fc.property(
      fc.nat(10 ** 9),
      fc.array(fc.record({ more: fc.nat(1_000), unredeemed: fc.nat(1_000) }), { maxLength: 10 }),
      (allocated, periods) => {
        let [redeemed, recognised] = [0, 0];
        for (const { more, unredeemed } of [...periods, { more: 1, unredeemed: 0 }]) {
          redeemed += more;
          const expected = Math.max(1, redeemed + unredeemed);
          const { revenue, total, deferred } = recogniseRevenue({
            allocated,
            expected,
            redeemed,
            recognised,
          });
          expect(total).toBe(recognised + revenue);
          expect(total + deferred).toBe(allocated);
          recognised = total;
        }
        expect(recognised).toBe(allocated);
      },
    ),
  );
});

test('more redeemed than expected in all is a mistake of whoever asks', () => {
  expect(() => recogniseRevenue({ allocated: 1, expected: 1, redeemed: 2, recognised: 0 })).toThrow(
    '2 points were redeemed of 1',
  );
});
