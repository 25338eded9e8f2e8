import { expect, test } from 'vitest';
import { RateLimit } from '../../../server/requests/rate-limit.ts';
import { ManualClock } from '../../support/manual-clock.ts';

test('each may do so many at once, and so many a second after that', async () => {
  const clock = new ManualClock();
  const limit = new RateLimit({ burst: 2, perSecond: 1 }, clock);
  const take = (): boolean[] => ['a', 'a', 'a', 'b'].map((who) => limit.take(who));
  expect(take()).toEqual([true, true, false, true]);
  await clock.advance(1_000);
  expect(take()).toEqual([true, false, false, true]);
});

test('of many more than are kept, who asked last is still limited, and who did not ask for the longest is forgotten', () => {
  const limit = new RateLimit({ burst: 1, perSecond: 1 }, new ManualClock(), 3);
  expect(limit.take('a')).toBe(true);
  for (let n = 0; n < 100; n += 1) {
    expect(limit.take(`name-${n}`)).toBe(true);
    expect(limit.take('a')).toBe(false);
  }
  expect(limit.take('name-99')).toBe(false);
  expect(limit.take('name-0')).toBe(true);
});
