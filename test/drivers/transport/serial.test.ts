// Goal: a serial port is opened patiently, held alone and let go of without dropping DTR; on real pseudo-terminals.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SerialPort } from 'serialport';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import type { StammkundeError } from '../../../foundation/errors.ts';
import { DeviceMatch } from '../../../drivers/device-match.ts';
import type { Pty } from '../../../drivers/transport/pty.ts';
import { openPty } from '../../../drivers/transport/pty.ts';
import type { SerialTransportOptions } from '../../../drivers/transport/serial.ts';
import { serialTransport } from '../../../drivers/transport/serial.ts';
import type { Transport, TransportPorts } from '../../../drivers/transport/transport.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { asText, text } from '../hex.ts';
import { Inbox } from '../inbox.ts';
import { SysfsTree } from './sysfs-tree.ts';

const line = { baudRate: 9600, dataBits: 8, stopBits: 1, parity: 'none', rtscts: false } as const;
const run = promisify(execFile);

let pty: Pty;
const opened: Transport[] = [];

beforeEach(async (context) => {
  if (process.platform === 'win32') context.skip('this platform has no pseudo-terminals');
  pty = await openPty();
});

afterEach(async () => {
  for (const transport of opened.splice(0)) await transport.close();
  await pty.close();
});

interface Seen {
  readonly bytes: Inbox<string>;
  readonly lost: Inbox<StammkundeError>;
  readonly ports: TransportPorts;
}

function seen(
  clock: TransportPorts['clock'] = new SystemClock(),
  signal = new AbortController().signal,
): Seen {
  const bytes = new Inbox<string>();
  const lost = new Inbox<StammkundeError>();
  return {
    bytes,
    lost,
    ports: {
      clock,
      signal,
      onBytes: (chunk) => bytes.put(asText(chunk)),
      onLost: (error) => lost.put(error),
    },
  };
}

async function open(path: string, ports = seen().ports): Promise<Transport> {
  const transport = await serialTransport({ ...line, path })(ports);
  opened.push(transport);
  return transport;
}

async function settings(path: string): Promise<string> {
  return (await run('stty', [`--file=${path}`, '--all'])).stdout;
}

/** Lets the clock run until `work` has ended: how long the operating system takes is not the clock's. */
async function driven<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let over = false;
  const ended = work.finally(() => (over = true));
  ended.catch(() => {});
  while (!over) await clock.advance(50);
  return ended;
}

/** A port that is refused `times` times before it opens, as between plugging in and udev. */
function deniedAtFirst(times: number): SerialTransportOptions & { readonly attempts: () => number } {
  let attempts = 0;
  return {
    attempts: () => attempts,
    createPort: (options) => {
      const port = new SerialPort(options);
      const really = port.open.bind(port);
      port.open = (callback) => {
        attempts += 1;
        if (attempts > times) really(callback);
        else callback?.(new Error(`Error: Permission denied, cannot open ${options.path}`));
      };
      return port;
    },
  };
}

describe('access that udev has not given yet', () => {
  test('is asked for again until it is there', async () => {
    const clock = new ManualClock();
    const denied = deniedAtFirst(3);
    opened.push(await driven(clock, serialTransport({ ...line, path: pty.path }, denied)(seen(clock).ports)));
    expect(denied.attempts()).toBe(4);
  });

  test('is a fault after two seconds', async () => {
    const clock = new ManualClock();
    const denied = deniedAtFirst(1000);
    await expect(
      driven(clock, serialTransport({ ...line, path: pty.path }, denied)(seen(clock).ports)),
    ).rejects.toMatchObject({ code: 'DRV_PORT_DENIED' });
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(2000);
    expect(clock.monotonicMs()).toBeLessThan(2200);
  });

  test('is not waited for by whoever gave up', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const opening = serialTransport(
      { ...line, path: pty.path },
      deniedAtFirst(1000),
    )(seen(clock, stop.signal).ports);
    opening.catch(() => {});
    await clock.advance(300);
    stop.abort();
    await expect(driven(clock, opening)).rejects.toMatchObject({ name: 'AbortError' });
    expect(clock.pending).toBe(0);
  });
});

test('a device that vanishes within 250 ms of being opened was never open', async () => {
  const clock = new ManualClock();
  const { ports, lost } = seen(clock);
  const device = new Inbox<SerialPort>();
  const opening = serialTransport(
    { ...line, path: pty.path },
    {
      createPort: (options) => {
        const port = new SerialPort(options);
        port.once('open', () => device.put(port));
        return port;
      },
    },
  )(ports);
  opening.catch(() => {});
  await device.next();
  // The binding may never tell: its device is gone by name at once.
  await pty.close();
  await expect(driven(clock, opening)).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
  expect(lost.items).toEqual([]);
});

describe('a name that leads to another device', () => {
  let folder: string;
  let name: string;
  let other: Pty;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stammkunde-serial-'));
    name = join(folder, 'ttyACM0');
    other = await openPty();
    await symlink(pty.path, name);
  });
  afterEach(async () => {
    await other.close();
    await rm(folder, { recursive: true });
  });

  async function lead(to: Pty): Promise<void> {
    await rm(name);
    await symlink(to.path, name);
  }

  test('before the port is told to be open, it never was', async () => {
    const { ports, lost } = seen();
    const replaced: SerialTransportOptions = {
      createPort: (options) => {
        const port = new SerialPort(options);
        const really = port.open.bind(port);
        // Pulled out and plugged in again in the moment it was opened.
        port.open = (callback) => really((error) => void lead(other).then(() => callback?.(error)));
        return port;
      },
    };
    await expect(serialTransport({ ...line, path: name }, replaced)(ports)).rejects.toMatchObject({
      code: 'DRV_PORT_LOST',
    });
    expect(lost.items).toEqual([]);
    const { bytes, ports: next } = seen();
    await open(name, next); // which is the other one
    await other.write(text('other'));
    expect(await bytes.next()).toBe('other');
  });

  test('afterwards, it is lost within a second, though the driver said nothing', async () => {
    const clock = new ManualClock();
    const { ports, lost } = seen(clock);
    opened.push(await driven(clock, serialTransport({ ...line, path: name })(ports)));
    await lead(other);
    await clock.advance(1000);
    expect(await lost.next()).toMatchObject({ code: 'DRV_PORT_LOST' });
  });
});

describe('a device named by what it is', () => {
  const device = DeviceMatch.parse({ vendorId: '0c2e', productId: '090a' });
  const scanner = {
    driver: 'acm',
    usbPort: '1-2',
    interfaceNumber: 0,
    vendorId: '0c2e',
    productId: '090a',
  } as const;
  let tree: SysfsTree;

  beforeEach(async () => void (tree = await SysfsTree.make()));
  afterEach(() => tree.remove());

  test('is opened where it is now, and after replugging where it is then', async () => {
    const open = serialTransport({ ...line, device }, tree);
    await expect(open(seen().ports)).rejects.toMatchObject({ code: 'DRV_PORT_ABSENT' });

    await tree.plug({ ...scanner, name: 'ttyACM0' });
    await tree.node('ttyACM0', pty.path);
    const first = seen();
    opened.push(await open(first.ports));
    await pty.write(text('one'));
    expect(await first.bytes.next()).toBe('one');
    await pty.close();
    expect(await first.lost.next()).toMatchObject({ code: 'DRV_PORT_LOST' });

    await tree.unplug('ttyACM0');
    pty = await openPty();
    await tree.plug({ ...scanner, name: 'ttyACM7' });
    await tree.node('ttyACM7', pty.path);
    const second = seen();
    opened.push(await open(second.ports));
    await pty.write(text('two'));
    expect(await second.bytes.next()).toBe('two');
  });

  test('is not guessed where two are attached', async () => {
    await tree.plug({ ...scanner, name: 'ttyACM0' });
    await tree.plug({ ...scanner, name: 'ttyACM1', usbPort: '1-3' });
    await expect(serialTransport({ ...line, device }, tree)(seen().ports)).rejects.toMatchObject({
      code: 'DRV_AMBIGUOUS',
    });
  });
});

describe('a lock', () => {
  test('of this process keeps a second opening out, and goes when the first is closed', async () => {
    const first = await open(pty.path);
    await expect(open(pty.path)).rejects.toMatchObject({ code: 'DRV_PORT_BUSY' });
    await first.close();
    await open(pty.path);
  });

  test('of another process keeps us out, and is nothing once that process was killed', async () => {
    const holder = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { SerialPort } from 'serialport';
         const port = new SerialPort({ path: process.argv[1], baudRate: 9600 }, () => console.log('held'));`,
        pty.path,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const exited = once(holder, 'exit');
    try {
      await once(holder.stdout, 'data');
      await expect(open(pty.path)).rejects.toMatchObject({ code: 'DRV_PORT_BUSY' });
    } finally {
      holder.kill('SIGKILL');
      await exited;
    }
    await open(pty.path);
  });
});

test('DTR is left alone when the port is closed, though the kernel starts out otherwise', async (context) => {
  if (process.platform !== 'linux') context.skip('only Linux has stty --file');
  await run('stty', [`--file=${pty.path}`, 'hupcl']);
  expect(await settings(pty.path)).toMatch(/ hupcl/);
  const transport = await open(pty.path);
  expect(await settings(pty.path)).toMatch(/ -hupcl/);
  await transport.close();
  expect(await settings(pty.path)).toMatch(/ -hupcl/);
});

test('a pseudo-terminal has no modem lines, and its port is open and read all the same', async () => {
  const ports: SerialPort[] = [];
  const { ports: transportPorts, bytes } = seen();
  opened.push(
    await serialTransport(
      { ...line, path: pty.path },
      {
        createPort: (options) => {
          const port = new SerialPort(options);
          ports.push(port);
          return port;
        },
      },
    )(transportPorts),
  );
  const refused = await new Promise<Error | null>((resolve) => ports[0]?.get((error) => resolve(error)));
  expect(String(refused)).toMatch(/inappropriate ioctl|get/i);
  await pty.write(text('still read'));
  expect(await bytes.next()).toBe('still read');
});
