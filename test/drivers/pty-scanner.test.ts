// Goal: a scanner on a real pseudo-terminal, unplugged and plugged in again, as the till meets it.
import { mkdtemp, readdir, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../foundation/clock.ts';
import { sleep, SystemClock } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import type { ReaderStatus, Scan } from '../../drivers/driver.ts';
import { driverFor, ReaderConfig } from '../../drivers/registry.ts';
import { ReaderSupervisor } from '../../drivers/supervisor.ts';
import { openPty } from '../../drivers/transport/pty.ts';
import type { Pty } from '../../drivers/transport/pty.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Inbox } from './inbox.ts';
import { captured } from './captured-frames.ts';
import { asText } from './hex.ts';

let folder: string;
let link: string;
let pty: Pty;
let supervisor: ReaderSupervisor | undefined;
const scans = new Inbox<Scan>();
const statuses = new Inbox<ReaderStatus>();

beforeEach(async (context) => {
  if (process.platform === 'win32') context.skip('this platform has no pseudo-terminals');
  folder = await mkdtemp(join(tmpdir(), 'pty-'));
  link = join(folder, 'scanner');
  pty = await openPty({ link });
});

afterEach(async () => {
  await supervisor?.close();
  supervisor = undefined;
  await pty.close();
  await rm(folder, { recursive: true });
  scans.clear();
  statuses.clear();
});

async function supervise(
  config: Record<string, unknown> = {},
  clock: Clock = new SystemClock(),
): Promise<ReaderSupervisor> {
  supervisor = await open(config, statuses, clock);
  return supervisor;
}

/** Lets the clock run until the reader is ready: how long the operating system takes to open is not the clock's. */
async function openedBy(clock: ManualClock): Promise<void> {
  let ready = false;
  const waiting = statuses.until((status) => status.kind === 'ready').then(() => (ready = true));
  while (!ready) await clock.advance(50);
  await waiting;
}

async function open(
  config: Record<string, unknown>,
  into: Inbox<ReaderStatus>,
  clock: Clock = new SystemClock(),
): Promise<ReaderSupervisor> {
  const parsed = ReaderConfig.parse({ kind: 'serial', id: 'counter', path: link, ...config });
  return ReaderSupervisor.open({
    readers: [{ id: parsed.id, driver: driverFor(parsed) }],
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    reopen: { firstMs: 20, maxMs: 50 },
    onScan: (scan) => scans.put(scan),
    onStatus: (status) => into.put(status),
  });
}

test('a card scanned on a serial port becomes one scan with its bytes', async () => {
  await supervise();
  await statuses.until((status) => status.kind === 'ready');
  await pty.write(captured.ean13WithAimCr);
  const scan = await scans.next();
  expect(scan.symbology).toBe('ean-13');
  expect(scan.aim).toBe(']E0');
  expect(asText(scan.payload)).toBe('4006381333931');
  expect(scan.readerId).toBe('counter');
});

test('a plain CR LF device is read through the line parser', async () => {
  await supervise({ framing: { kind: 'line' }, symbology: 'code-128' });
  await statuses.until((status) => status.kind === 'ready');
  await pty.write(Buffer.from('K-1001\r\nK-1002\r\n'));
  expect(asText((await scans.next()).payload)).toBe('K-1001');
  expect(asText((await scans.next()).payload)).toBe('K-1002');
});

test('a scanner pulled out and put back reads on by itself', async () => {
  const till = await supervise();
  await statuses.until((status) => status.kind === 'ready');
  await pty.write(Buffer.from('before\r'));
  expect(asText((await scans.next()).payload)).toBe('before');

  await pty.close();
  const lost = await statuses.until((status) => status.kind === 'waiting');
  expect(lost).toMatchObject({ code: 'DRV_PORT_LOST' });
  await statuses.until((status) => status.kind === 'waiting' && status.code === 'DRV_PORT_ABSENT');

  pty = await openPty({ link });
  await statuses.until((status) => status.kind === 'ready');
  await pty.write(Buffer.from('after\r'));
  expect(asText((await scans.next()).payload)).toBe('after');
  expect(till.statuses()[0]?.counters).toMatchObject({ scans: 2, reopened: 1 });
});

test('a second opener of the same device is told that it is busy', async () => {
  await supervise();
  await statuses.until((status) => status.kind === 'ready');
  const seenBySecond = new Inbox<ReaderStatus>();
  const second = await open({ id: 'second' }, seenBySecond);
  try {
    const status = await seenBySecond.until(({ kind }) => kind !== 'opening');
    expect(status).toMatchObject({ kind: 'waiting', code: 'DRV_PORT_BUSY' });
  } finally {
    await second.close();
  }
  await pty.write(Buffer.from('still mine\r'));
  expect(asText((await scans.next()).payload)).toBe('still mine');
});

test('a scan is delivered though nothing else wakes the process', async () => {
  await supervise();
  await statuses.until((status) => status.kind === 'ready');
  const outcome = Promise.race([
    scans.next().then((scan) => asText(scan.payload)),
    sleep(new SystemClock(), 2000).then(() => 'only when a timer woke the process'),
  ]);
  await pty.write(Buffer.from('at once\r'));
  expect(await outcome).toBe('at once');
});

test('a path that has come to lead to another device is noticed, and that device is opened', async () => {
  const clock = new ManualClock();
  await supervise({}, clock);
  await openedBy(clock);
  const other = await openPty();
  try {
    await symlink(other.path, `${link}.other`);
    await rename(`${link}.other`, link);
    const lost = statuses.until((status) => status.kind === 'waiting');
    await clock.advance(5000);
    expect(await lost).toMatchObject({ code: 'DRV_PORT_LOST' });
    await openedBy(clock);
    await other.write(Buffer.from('other\r'));
    expect(asText((await scans.next()).payload)).toBe('other');
  } finally {
    await supervisor?.close();
    await other.close();
  }
});

test('10 MB of chatter on a serial port are noise, every byte counted, and the scan after them is read', async () => {
  const till = await supervise();
  await statuses.until((status) => status.kind === 'ready');
  const chatter = Buffer.alloc(10 * 1024 * 1024, 0x41);
  await pty.write(chatter);
  await pty.write(Buffer.from('\rgood\r'));
  expect(asText((await scans.next()).payload)).toBe('good');
  expect(till.statuses()[0]?.counters).toMatchObject({ scans: 1, overlong: 1, noiseBytes: chatter.length });
});

test('a device nobody reads keeps what it was told to send, within limits, until it is unplugged', async () => {
  const sixteenMegabytes = Buffer.alloc(16 * 1024 * 1024, 0x41);
  const outcome = pty.write(sixteenMegabytes).catch((error: unknown) => error);
  await expect(pty.write(Buffer.from('one more'))).rejects.toThrow('nobody reads');
  await pty.close();
  expect(await outcome).toMatchObject({ message: `${link} is closed` });
  await expect(pty.write(Buffer.from('late'))).rejects.toThrow('is closed');
});

test('a pseudo-terminal that was closed leaves no descriptor behind', async () => {
  const before = await readdir('/dev/fd');
  const another = await openPty({ link: join(folder, 'another') });
  await another.write(Buffer.from('unread\r'));
  await another.close();
  expect(await readdir('/dev/fd')).toHaveLength(before.length);
  expect(await readdir(folder)).toEqual(['scanner']);
});

test('a path that is not there is reported as absent', async () => {
  await supervise({ path: join(folder, 'nothing') });
  const status = await statuses.until(({ kind }) => kind !== 'opening');
  expect(status).toMatchObject({ kind: 'waiting', code: 'DRV_PORT_ABSENT', attempt: 1 });
});
