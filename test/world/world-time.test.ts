import { expect, test } from 'vitest';
import { ProcessClock, WorldTime } from '../../simulator/world/world-time.ts';

const STARTED_AT = Date.UTC(2026, 0, 1);

test('events come by their time, and those of one instant in the order in which they were asked for', async () => {
  const time = new WorldTime(STARTED_AT);
  const seen: string[] = [];
  for (const [delayMs, name] of [
    [20, 'late'],
    [10, 'first'],
    [10, 'second'],
    [0, 'now'],
  ] as const) {
    time.schedule(delayMs, () => seen.push(`${name} at ${time.nowMs}`));
  }
  time.schedule(5, () => seen.push('cancelled'))();
  await time.pass(30);
  expect(seen).toEqual(['now at 0', 'first at 10', 'second at 10', 'late at 20']);
  expect(time.nowMs).toBe(30);
});

test('no time passes while something real is under way', async () => {
  const time = new WorldTime(STARTED_AT);
  const seen: string[] = [];
  time.schedule(1, () => {
    time.hold(
      (async () => {
        for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve));
        seen.push(`done at ${time.nowMs}`);
      })(),
    );
  });
  time.schedule(2, () => seen.push('next'));
  await time.pass(10);
  expect(seen).toEqual(['done at 1', 'next']);
});

test('what goes wrong in something real ends the world', async () => {
  const time = new WorldTime(STARTED_AT);
  time.hold(Promise.reject(new Error('broken')));
  await expect(time.pass(10)).rejects.toThrow('broken');
});

test('the timers of a process end with it, and its wall clock may be wrong', async () => {
  const time = new WorldTime(STARTED_AT);
  const wall = { aheadMs: -3_600_000 };
  const clock = new ProcessClock(time, wall);
  let calls = 0;
  clock.schedule(1, () => (calls += 1));
  clock.schedule(3, () => (calls += 1));
  await time.pass(2);
  clock.end();
  await time.pass(5);
  expect(calls).toBe(1);
  expect(clock.now()).toBe(STARTED_AT - 3_600_000 + 5);
  expect(clock.monotonicMs()).toBe(5);
});
