import { describe, expect, test } from 'vitest';
import { TrustedTime } from '../../../edge/app-code/trusted-time.ts';
import type { TimeKeeper } from '../../../edge/app-code/trusted-time.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const MINUTE_MS = 60_000;

class Keeper implements TimeKeeper {
  trustedAt: number;
  writes = 0;

  constructor(trustedAt = 0) {
    this.trustedAt = trustedAt;
  }

  trust(at: number): void {
    this.trustedAt = at;
    this.writes += 1;
  }
}

describe('the wall clock', () => {
  test('is good while nothing speaks against it', async () => {
    const clock = new ManualClock();
    const time = new TrustedTime(clock, new Keeper());
    await clock.advance(3_600_000);
    expect(time.quality).toBe('good');
  });

  test('is bad when it is before the last time that could be relied on, also after a restart', () => {
    const clock = new ManualClock();
    const keeper = new Keeper(clock.now() + MINUTE_MS);
    expect(new TrustedTime(clock, keeper).quality).toBe('good');
    keeper.trustedAt += 1;
    expect(new TrustedTime(clock, keeper).quality).toBe('bad');
  });

  test.each([
    [MINUTE_MS, 'good'],
    [MINUTE_MS + 1, 'bad'],
    [-MINUTE_MS, 'good'],
    [-MINUTE_MS - 1, 'bad'],
  ])('moved by %i ms while running is %s', (byMs, quality) => {
    const clock = new ManualClock();
    const time = new TrustedTime(clock, new Keeper());
    clock.setWallClock(clock.now() + byMs);
    expect(time.quality).toBe(quality);
  });

  test('is measured against the server’s from when the server has told, and the time since counts', async () => {
    const clock = new ManualClock();
    const time = new TrustedTime(clock, new Keeper());
    time.told(clock.now() + 5 * MINUTE_MS);
    expect(time.quality).toBe('bad');
    await clock.advance(5 * MINUTE_MS);
    expect(time.quality).toBe('bad');
    time.told(clock.now() - MINUTE_MS);
    expect(time.quality).toBe('good');
  });

  test('becomes good again when the server tells a right time after a wrong one', () => {
    const clock = new ManualClock();
    const keeper = new Keeper();
    const time = new TrustedTime(clock, keeper);
    time.told(clock.now() + 365 * 86_400_000);
    expect(time.quality).toBe('bad');
    time.told(clock.now());
    expect(time.quality).toBe('good');
    expect(keeper.trustedAt).toBe(clock.now());
  });
});

describe('what is kept', () => {
  test('is the server’s time, once a minute at most', async () => {
    const clock = new ManualClock();
    const keeper = new Keeper();
    const time = new TrustedTime(clock, keeper);
    for (let i = 0; i < 90; i += 1) {
      time.told(clock.now());
      await clock.advance(1_000);
    }
    expect(keeper.writes).toBe(2);
  });

  test('is a good clock’s own time where no server tells, and never a bad one’s', async () => {
    const clock = new ManualClock();
    const keeper = new Keeper();
    const time = new TrustedTime(clock, keeper);
    await clock.advance(MINUTE_MS);
    time.tick();
    expect(keeper.trustedAt).toBe(clock.now());
    clock.setWallClock(clock.now() + 86_400_000);
    time.tick();
    expect(keeper.trustedAt).toBeLessThan(clock.now());
  });
});
