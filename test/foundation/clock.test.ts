// Goal: what is measured on the monotonic clock goes on while the machine sleeps, and heeds no setting of the wall clock.
import { expect, test } from 'vitest';
import { SystemClock } from '../../foundation/clock.ts';
import type { MachineTime } from '../../foundation/clock.ts';
import { RecentIdentifications } from '../../edge/sale/recent-identifications.ts';

class Machine implements MachineTime {
  #wallMs = Date.UTC(2026, 10, 22, 20);
  #awakeMs = 5_000.25;
  #uptimeMs = 86_400_000;
  asked = 0;

  wallMs(): number {
    return this.#wallMs;
  }
  awakeMs(): number {
    return this.#awakeMs;
  }
  /** To hundredths of a second. */
  uptimeMs(): number {
    this.asked += 1;
    return Math.floor(this.#uptimeMs / 10) * 10;
  }
  run(ms: number): void {
    this.#awakeMs += ms;
    this.sleep(ms);
  }
  sleep(ms: number): void {
    this.#uptimeMs += ms;
    this.#wallMs += ms;
  }
  setWall(byMs: number): void {
    this.#wallMs += byMs;
  }
}

function started(): {
  readonly machine: Machine;
  readonly clock: SystemClock;
  readonly passed: () => number;
} {
  const machine = new Machine();
  const clock = new SystemClock(machine);
  const since = clock.monotonicMs();
  return { machine, clock, passed: () => clock.monotonicMs() - since };
}

test('a machine that slept for hours is hours older, each time it slept', () => {
  const { machine, passed } = started();
  machine.run(3);
  expect(passed()).toBe(3);
  machine.sleep(8 * 3_600_000);
  machine.run(1_000);
  expect(passed()).toBeCloseTo(8 * 3_600_000 + 1_003, -2);
  machine.sleep(60_000);
  expect(passed()).toBeCloseTo(8 * 3_600_000 + 61_003, -2);
});

test('a wall clock that is set, forth or back, changes nothing', () => {
  const { machine, passed } = started();
  for (const byMs of [86_400_000, -172_800_000, 3_000]) {
    machine.setWall(byMs);
    machine.run(10);
  }
  expect(passed()).toBeCloseTo(30, 5);
});

test('time never goes back, and the uptime is asked for only where the wall clock jumped', () => {
  const { machine, clock } = started();
  const asked = machine.asked;
  let last = clock.monotonicMs();
  for (let i = 0; i < 1_000; i += 1) {
    machine.run(0.125);
    expect(clock.monotonicMs()).toBeGreaterThan(last);
    last = clock.monotonicMs();
  }
  expect(machine.asked).toBe(asked);
  machine.sleep(5_000);
  machine.setWall(-3_600_000);
  expect(clock.monotonicMs()).toBeGreaterThan(last + 4_900);
});

test('a customer identified before the lid was closed waits for no sale in the morning', () => {
  const { machine, clock } = started();
  const recent = new RecentIdentifications(clock, 120_000, 600_000);
  recent.wait({ identificationId: 'evening' } as never); // only its name matters here
  machine.run(60_000);
  expect(recent.waiting).toBeDefined();
  machine.sleep(9 * 3_600_000);
  expect(recent.waiting).toBeUndefined();
});

test('the machine’s own time goes on', () => {
  const clock = new SystemClock();
  const since = clock.monotonicMs();
  while (clock.monotonicMs() === since);
  expect(clock.monotonicMs()).toBeGreaterThan(since);
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(60_000);
});
