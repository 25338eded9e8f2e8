// Goal: readers come back for ever, by themselves, politely; and end at once when told.
import { afterEach, describe, expect, test } from 'vitest';
import { ProgrammerError, StammkundeError } from '../../foundation/errors.ts';
import type { Log, LogFields } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import type { Driver, ReaderStatus, Scan } from '../../drivers/driver.ts';
import { SerialScannerConfig } from '../../drivers/protocol/scanner/config.ts';
import { scannerDriver } from '../../drivers/protocol/scanner/driver.ts';
import { ReaderSupervisor } from '../../drivers/supervisor.ts';
import type { SupervisorOptions } from '../../drivers/supervisor.ts';
import { MemoryDevice } from '../../drivers/transport/memory.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { asText, text } from './hex.ts';

class LogBook implements Log {
  readonly lines: { level: string; fields: LogFields }[] = [];
  error(fields: LogFields): void {
    this.lines.push({ level: 'error', fields });
  }
  warn(fields: LogFields): void {
    this.lines.push({ level: 'warn', fields });
  }
  info(fields: LogFields): void {
    this.lines.push({ level: 'info', fields });
  }
  debug(fields: LogFields): void {
    this.lines.push({ level: 'debug', fields });
  }
  count(level: string, event: string): number {
    return this.lines.filter((line) => line.level === level && line.fields.event === event).length;
  }
}

const clock = new ManualClock();
let log = new LogBook();
let scans: string[] = [];
let statuses: ReaderStatus[] = [];
const opened: ReaderSupervisor[] = [];

afterEach(async () => {
  const closing = opened.splice(0).map((supervisor) => supervisor.close());
  await clock.advance(60_000);
  await Promise.all(closing);
  if (clock.pending > 0) throw new ProgrammerError(`${clock.pending} timers were left behind`);
  log = new LogBook();
  scans = [];
  statuses = [];
});

function memoryDriver(device: MemoryDevice, id = 'counter'): Driver {
  return scannerDriver(SerialScannerConfig.parse({ kind: 'serial', id, path: 'memory' }), device.open);
}

async function supervise(
  drivers: Record<string, Driver>,
  options: Partial<SupervisorOptions> = {},
): Promise<ReaderSupervisor> {
  const supervisor = await ReaderSupervisor.open({
    readers: Object.entries(drivers).map(([id, driver]) => ({ id, driver })),
    clock,
    random: new SeededRandom(7),
    log,
    reopen: { firstMs: 100, maxMs: 1000 },
    onScan: (scan: Scan) => scans.push(`${scan.readerId}:${asText(scan.payload)}`),
    onStatus: (status) => statuses.push(status),
    ...options,
  });
  opened.push(supervisor);
  return supervisor;
}

function kinds(): string[] {
  return statuses.map(({ kind }) => kind);
}

test('a reader opens, is ready, and hands on its scans', async () => {
  const device = new MemoryDevice();
  const supervisor = await supervise({ counter: memoryDriver(device) });
  expect(supervisor.statuses()[0]?.kind).toBe('opening');
  await settle();
  device.send(text('one\rtwo\r'));
  expect(scans).toEqual(['counter:one', 'counter:two']);
  expect(kinds()).toEqual(['opening', 'ready']);
  expect(supervisor.statuses()).toEqual([
    {
      readerId: 'counter',
      kind: 'ready',
      since: clock.now(),
      counters: { frames: 2, scans: 2, repeats: 0, noiseBytes: 0, overlong: 0, reopened: 0 },
    },
  ]);
});

test('an unplugged reader waits, says why, and is ready again once plugged in', async () => {
  const device = new MemoryDevice();
  const supervisor = await supervise({ counter: memoryDriver(device) });
  await settle();
  device.unplug();
  await settle();
  const [waiting] = supervisor.statuses();
  expect(waiting).toMatchObject({ kind: 'waiting', code: 'DRV_PORT_LOST', attempt: 1 });
  await clock.advance(100);
  expect(supervisor.statuses()[0]).toMatchObject({ kind: 'waiting', code: 'DRV_PORT_ABSENT', attempt: 2 });
  device.plug();
  await clock.advance(1000);
  device.send(text('back\r'));
  expect(scans).toEqual(['counter:back']);
  expect(supervisor.statuses()[0]).toMatchObject({ kind: 'ready', counters: { reopened: 1 } });
});

test('a reader that waits looks again at once when devices have changed', async () => {
  const device = new MemoryDevice();
  device.unplug();
  const supervisor = await supervise({ counter: memoryDriver(device) });
  await clock.advance(60_000);
  device.plug();
  expect(supervisor.statuses()[0]?.kind).toBe('waiting');
  supervisor.devicesChanged();
  await settle();
  expect(supervisor.statuses()[0]?.kind).toBe('ready');
});

test('a reader that waits to be told reads when it is asked, while it is ready and not otherwise', async () => {
  let asked = 0;
  let lose: () => void = () => {};
  const supervisor = await supervise({
    terminal: async (ports) => {
      lose = () => ports.onLost(new StammkundeError('DRV_PORT_LOST', 'gone'));
      return { close: async () => {}, request: () => void (asked += 1) };
    },
    counter: memoryDriver(new MemoryDevice()),
  });
  expect(supervisor.request('terminal')).toBe('not-ready');
  await settle();
  expect([
    supervisor.request('terminal'),
    supervisor.request('counter'),
    supervisor.request('nobody'),
  ]).toEqual(['asked', 'reads-by-itself', undefined]);
  expect(asked).toBe(1);
  lose();
  await settle();
  expect(supervisor.request('terminal')).toBe('not-ready');
  expect(asked).toBe(1);
});

test('a device that comes while an attempt is failing is not waited for long', async () => {
  const absent = (): never => {
    throw new StammkundeError('DRV_PORT_ABSENT', 'not there');
  };
  let attempt: () => Promise<never> = async () => absent();
  const supervisor = await supervise(
    { counter: () => attempt() },
    { reopen: { firstMs: 100, maxMs: 100_000 } },
  );
  await clock.advance(1_000_000);
  const last = Promise.withResolvers<void>();
  attempt = () => last.promise.then(absent);
  supervisor.devicesChanged();
  await settle();
  expect(supervisor.statuses()[0]?.kind).toBe('opening');
  supervisor.devicesChanged();
  last.resolve();
  await settle();
  const [waiting] = supervisor.statuses();
  if (waiting?.kind !== 'waiting') throw new ProgrammerError(`expected to wait, but is ${waiting?.kind}`);
  expect(waiting.nextAttemptInMs).toBeLessThanOrEqual(100);
  attempt = async () => absent();
});

test('opening is tried again for ever, in waits that grow, are jittered and never pass the cap', async () => {
  const device = new MemoryDevice();
  device.unplug();
  await supervise({ counter: memoryDriver(device) });
  await settle();
  const waits: number[] = [];
  for (let i = 0; i < 200; i += 1) {
    const waiting = statuses.at(-1);
    if (waiting?.kind !== 'waiting') throw new ProgrammerError(`expected to wait, but is ${waiting?.kind}`);
    expect(waiting.attempt).toBe(i + 1);
    waits.push(waiting.nextAttemptInMs);
    await clock.advance(waiting.nextAttemptInMs);
  }
  for (const [i, waitMs] of waits.entries()) {
    const boundMs = Math.min(1000, 100 * 2 ** i);
    expect(waitMs).toBeLessThanOrEqual(boundMs);
    expect(waitMs).toBeGreaterThanOrEqual(boundMs / 2);
  }
  expect(new Set(waits.slice(10)).size).toBeGreaterThan(100);
  expect(device.openings).toBe(201);
  device.plug();
  await clock.advance(1000);
  expect(kinds().at(-1)).toBe('ready');
});

test('the time to the next attempt runs down as the clock goes', async () => {
  const device = new MemoryDevice();
  device.failNext('DRV_PORT_BUSY');
  const supervisor = await supervise({ counter: memoryDriver(device) });
  await settle();
  const remainingMs = (): number => {
    const [status] = supervisor.statuses();
    return status?.kind === 'waiting' ? status.nextAttemptInMs : Number.NaN;
  };
  const beforeMs = remainingMs();
  await clock.advance(10);
  expect(beforeMs - remainingMs()).toBeCloseTo(10);
});

test('a fault that repeats is warned of once, and again after the reader was well', async () => {
  const device = new MemoryDevice();
  device.failNext('DRV_PORT_DENIED', 'DRV_PORT_DENIED', 'DRV_PORT_DENIED', 'DRV_PORT_BUSY');
  await supervise({ counter: memoryDriver(device) });
  await clock.advance(5000);
  expect(kinds().at(-1)).toBe('ready');
  expect(log.count('warn', 'reader.waiting')).toBe(2);
  device.unplug();
  device.failNext('DRV_PORT_BUSY');
  device.plug();
  await clock.advance(5000);
  expect(log.count('warn', 'reader.waiting')).toBe(4);
});

test('a reader that comes and goes without a scan is opened ever less often', async () => {
  const device = new MemoryDevice();
  await supervise({ counter: memoryDriver(device) });
  for (let i = 0; i < 8; i += 1) {
    await settle();
    device.unplug();
    device.plug();
    await settle();
    const waiting = statuses.at(-1);
    expect(waiting).toMatchObject({ kind: 'waiting', attempt: i + 1 });
    await clock.advance(1000);
  }
});

test('after a scan, or ten seconds of being ready, the back-off starts anew', async () => {
  const device = new MemoryDevice();
  device.failNext('DRV_PORT_ABSENT', 'DRV_PORT_ABSENT', 'DRV_PORT_ABSENT');
  await supervise({ counter: memoryDriver(device) });
  await clock.advance(3000);
  device.send(text('one\r'));
  device.unplug();
  await settle();
  expect(statuses.at(-1)).toMatchObject({ kind: 'waiting', attempt: 1 });
  device.plug();
  await clock.advance(1000 + 10_000);
  device.unplug();
  await settle();
  expect(statuses.at(-1)).toMatchObject({ kind: 'waiting', attempt: 1 });
});

describe('one broken reader never affects another', () => {
  const broken: Record<string, Driver> = {
    'throws synchronously': () => {
      throw new ProgrammerError('bug in a driver');
    },
    'throws something that is no error': async () => Promise.reject('unplugged' as unknown as Error),
    'never finishes opening': () => new Promise(() => {}),
    'never finishes closing': async ({ onLost }) => {
      queueMicrotask(() => onLost(new StammkundeError('DRV_PORT_LOST', 'gone')));
      return { close: () => new Promise(() => {}) };
    },
    'fails to close': async ({ onLost }) => {
      queueMicrotask(() => onLost(new StammkundeError('DRV_PORT_LOST', 'gone')));
      return { close: () => Promise.reject(new Error('will not close')) };
    },
  };
  test.each(Object.keys(broken))('a driver that %s', async (name) => {
    const device = new MemoryDevice();
    const driver = broken[name];
    if (driver === undefined) throw new ProgrammerError('no such driver');
    const supervisor = await supervise({ broken: driver, counter: memoryDriver(device) });
    await clock.advance(120_000);
    device.send(text('well\r'));
    expect(scans).toEqual(['counter:well']);
    const [bad, good] = supervisor.statuses();
    expect(good?.kind).toBe('ready');
    expect(statuses.some((status) => status.readerId === 'broken' && status.kind === 'waiting')).toBe(true);
    expect(bad?.kind).not.toBe('closed');
  });
});

test('an owner who throws on a scan loses that scan and not the reader', async () => {
  const device = new MemoryDevice();
  const seen: string[] = [];
  await supervise(
    { counter: memoryDriver(device) },
    {
      onScan: (scan) => {
        if (asText(scan.payload) === 'bad') throw new Error('owner failed');
        seen.push(asText(scan.payload));
      },
    },
  );
  await settle();
  device.send(text('bad\rgood\r'));
  expect(seen).toEqual(['good']);
  expect(log.count('error', 'reader.callback-failed')).toBe(1);
});

test('noise is counted and warned of once, without its content', async () => {
  const device = new MemoryDevice();
  const supervisor = await supervise({ counter: memoryDriver(device) });
  await settle();
  device.send(new Uint8Array(20_000).fill(0x35));
  device.send(text('\r'));
  device.send(new Uint8Array(9000).fill(0x35));
  device.send(text('\rgood\r'));
  expect(scans).toEqual(['counter:good']);
  expect(supervisor.statuses()[0]?.counters).toEqual({
    frames: 1,
    scans: 1,
    repeats: 0,
    noiseBytes: 29_000,
    overlong: 2,
    reopened: 0,
  });
  const warned = log.lines.filter(({ level, fields }) => level === 'warn' && fields.event === 'reader.noise');
  expect(warned.map(({ fields }) => fields['code'])).toEqual(['DRV_OVERLONG', 'DRV_NOISE']);
  expect(JSON.stringify(log.lines)).not.toContain('5555');
});

describe('closing', () => {
  test('lets go of the device and drops every later scan', async () => {
    const device = new MemoryDevice();
    const supervisor = await supervise({ counter: memoryDriver(device) });
    await settle();
    device.send(text('half'));
    const closing = supervisor.close();
    device.send(text(' a scan\r'));
    await closing;
    expect(scans).toEqual([]);
    expect(device.isOpen).toBe(false);
    expect(supervisor.statuses()[0]?.kind).toBe('closed');
    expect(clock.pending).toBe(0);
  });

  test('is one closing, however often it is asked for', async () => {
    const supervisor = await supervise({ counter: memoryDriver(new MemoryDevice()) });
    await settle();
    expect(supervisor.close()).toBe(supervisor.close());
    await supervisor.close();
    expect(kinds().filter((kind) => kind === 'closed')).toHaveLength(1);
  });

  test('while opening leaves nothing behind', async () => {
    const device = new MemoryDevice();
    const supervisor = await supervise({ counter: memoryDriver(device) });
    expect(supervisor.statuses()[0]?.kind).toBe('opening');
    await supervisor.close();
    await settle();
    expect(device.isOpen).toBe(false);
    expect(kinds()).toEqual(['opening', 'closed']);
  });

  test('closes a driver that finished opening in spite of it', async () => {
    const slow = Promise.withResolvers<void>();
    let closed = 0;
    const supervisor = await supervise({
      slow: async () => {
        await slow.promise;
        return { close: async () => void (closed += 1) };
      },
    });
    await settle();
    const closing = supervisor.close();
    slow.resolve();
    await closing;
    await settle();
    expect(closed).toBe(1);
  });

  test('while waiting ends the wait', async () => {
    const device = new MemoryDevice();
    device.unplug();
    const supervisor = await supervise({ counter: memoryDriver(device) });
    await settle();
    await supervisor.close();
    await clock.advance(60_000);
    expect(device.openings).toBe(1);
  });

  test('from within a scan is safe', async () => {
    const device = new MemoryDevice();
    let closing: Promise<void> | undefined;
    const seen: string[] = [];
    const supervisor = await supervise(
      { counter: memoryDriver(device) },
      {
        onScan: (scan) => {
          seen.push(asText(scan.payload));
          closing = supervisor.close();
        },
      },
    );
    await settle();
    device.send(text('one\rtwo\r'));
    await closing;
    expect(seen).toEqual(['one']);
  });

  test('does not wait for ever for a driver that will not open or close', async () => {
    const supervisor = await supervise({
      opening: () => new Promise(() => {}),
      closing: async () => ({ close: () => new Promise(() => {}) }),
    });
    await settle();
    const closing = supervisor.close();
    await clock.advance(5000);
    await closing;
    expect(supervisor.statuses().map(({ kind }) => kind)).toEqual(['closed', 'closed']);
  });
});
