// Goal: half a scan at unplug is counted, and never completed by what comes after replugging; on a pseudo-terminal.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SystemClock } from '../../../../foundation/clock.ts';
import { silentLog } from '../../../../foundation/log.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import type { ReaderStatus, Scan } from '../../../../drivers/driver.ts';
import { driverFor, ReaderConfig } from '../../../../drivers/registry.ts';
import { ReaderSupervisor } from '../../../../drivers/supervisor.ts';
import type { Pty } from '../../../../drivers/transport/pty.ts';
import { openPty } from '../../../../drivers/transport/pty.ts';
import { asText, text } from '../../hex.ts';
import { Inbox } from '../../inbox.ts';

let folder: string;
let pty: Pty;
let till: ReaderSupervisor;
const scans = new Inbox<Scan>();
const statuses = new Inbox<ReaderStatus>();

beforeEach(async (context) => {
  if (process.platform === 'win32') context.skip('this platform has no pseudo-terminals');
  folder = await mkdtemp(join(tmpdir(), 'unplug-'));
  pty = await openPty({ link: join(folder, 'scanner') });
});

afterEach(async () => {
  await till.close();
  await pty.close();
  await rm(folder, { recursive: true });
  scans.clear();
  statuses.clear();
});

test.each([
  ['a delimited line', { kind: 'delimited' }],
  ['a line of the line parser', { kind: 'line', terminator: 'cr' }],
])(
  'the head of a scan cut off by the cable is noise, and the next scan is its own: %s',
  async (_, framing) => {
    const path = join(folder, 'scanner');
    const config = ReaderConfig.parse({ kind: 'serial', id: 'counter', path, framing });
    till = await ReaderSupervisor.open({
      readers: [{ id: 'counter', driver: driverFor(config) }],
      clock: new SystemClock(),
      random: new SeededRandom(1),
      log: silentLog,
      reopen: { firstMs: 20, maxMs: 50 },
      onScan: (scan) => scans.put(scan),
      onStatus: (status) => statuses.put(status),
    });
    await statuses.until(({ kind }) => kind === 'ready');
    // In one write, so that the head is there when the scan before it is.
    await pty.write(text('K-0\r4006'));
    expect(asText((await scans.next()).payload)).toBe('K-0');
    await pty.close();
    await statuses.until(({ kind }) => kind === 'waiting');
    expect(till.statuses()[0]?.counters.noiseBytes).toBe(4);

    pty = await openPty({ link: path });
    await statuses.until(({ kind }) => kind === 'ready');
    await pty.write(text('381333931\r'));
    expect(asText((await scans.next()).payload)).toBe('381333931');
  },
);
