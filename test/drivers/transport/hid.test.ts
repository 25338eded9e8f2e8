// Goal: whatever node-hid and the system do, a HID device is the one that is meant, opens patiently, and is let go of.
// Method: a binding with node-hid's manners and hidapi's texts, on a clock that moves only when told.
import { getEventListeners } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StammkundeError } from '../../../foundation/errors.ts';
import { ProgrammerError } from '../../../foundation/errors.ts';
import { DeviceMatch } from '../../../drivers/device-match.ts';
import type { ListedHid } from '../../../drivers/transport/hid-binding.ts';
import { nodeHidBinding } from '../../../drivers/transport/hid-binding.ts';
import type { HidDevice } from '../../../drivers/transport/hid-device.ts';
import { listHid } from '../../../drivers/transport/hid-list.ts';
import { nodeHidDevice } from '../../../drivers/transport/hid.ts';
import type { NodeHidOptions } from '../../../drivers/transport/hid.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { honeywellDescriptor } from '../hid/descriptors.ts';
import { hex } from '../hex.ts';
import { BindingInMemory } from './hid-binding-in-memory.ts';
import type { HandleInMemory } from './hid-binding-in-memory.ts';

const DENIED =
  "cannot open device with path /dev/hidraw3: Failed to open a device with path '/dev/hidraw3': Permission denied";
const GONE = 'could not read from HID device: hid_read_timeout: unexpected poll error (device disconnected)';

let sysfs: string;
let clock: ManualClock;
let binding: BindingInMemory;
let reports: string[];
let lost: StammkundeError[];
let stop: AbortController;

beforeEach(async () => {
  sysfs = await mkdtemp(join(tmpdir(), 'sysfs-'));
  clock = new ManualClock();
  binding = new BindingInMemory();
  reports = [];
  lost = [];
  stop = new AbortController();
});

afterEach(async () => {
  await rm(sysfs, { recursive: true });
});

function listed(more: Partial<ListedHid> = {}): ListedHid {
  return {
    path: '/dev/hidraw3',
    vendorId: 0x0c2e,
    productId: 0x0b87,
    serialNumber: 'S1',
    interface: 0,
    usagePage: 0x8c,
    usage: 2,
    ...more,
  };
}

/** As Linux shows it: /sys/class/hidraw/hidraw3/device leads to the interface of the USB port. */
async function inSysfs(name: string, port: string, descriptor = honeywellDescriptor): Promise<void> {
  const device = join(sysfs, 'devices/pci0000:00/usb1/1-2', port, `${port}:1.0`, '0003:0C2E:0B87.0001');
  await mkdir(device, { recursive: true });
  await writeFile(join(device, 'report_descriptor'), descriptor);
  await mkdir(join(sysfs, 'class/hidraw', name), { recursive: true });
  await symlink(device, join(sysfs, 'class/hidraw', name, 'device'));
}

const scanner = { vendorId: '0c2e', productId: '0b87' };

function open(match: Record<string, unknown> = {}, options: NodeHidOptions = {}): Promise<HidDevice> {
  const meant = DeviceMatch.parse({ ...scanner, ...match });
  return nodeHidDevice(meant, { binding, sysfs, ...options })({
    clock,
    signal: stop.signal,
    onReport: (report) => reports.push(Buffer.from(report).toString('hex')),
    onLost: (error) => lost.push(error),
  });
}

/** What opening throws. The clock moves only while it waits to ask again: how long files take is not the clock's. */
async function fault(
  match: Record<string, unknown> = {},
  options: NodeHidOptions = {},
): Promise<StammkundeError> {
  let thrown: unknown;
  const opening = open(match, options).catch((error: unknown) => (thrown = error));
  while (thrown === undefined) await (clock.pending > 1 ? clock.advance(100) : settle());
  await opening;
  // Whatever it is, the expectations name the code it must have.
  return thrown as StammkundeError;
}

function only(): HandleInMemory {
  const [handle, ...more] = binding.handles;
  if (handle === undefined || more.length > 0) throw new ProgrammerError(`${binding.handles.length} handles`);
  return handle;
}

describe('attached devices', () => {
  test('are listed with USB port and without empty texts', async () => {
    await inSysfs('hidraw3', '1-2.3');
    binding.attached = [
      listed({ serialNumber: '', product: 'Scanner', manufacturer: '' }),
      listed({ path: '1-4.2:1.1', interface: -1, usagePage: undefined, usage: undefined }),
      listed({ path: '' }),
    ];
    expect(await listHid({ binding, sysfs })).toEqual([
      {
        path: '/dev/hidraw3',
        vendorId: 0x0c2e,
        productId: 0x0b87,
        serialNumber: undefined,
        interfaceNumber: 0,
        usbPort: '1-2.3',
        usagePage: 0x8c,
        usage: 2,
        product: 'Scanner',
        manufacturer: undefined,
      },
      expect.objectContaining({ usbPort: '1-4.2', interfaceNumber: undefined, usagePage: undefined }),
    ]);
  });

  test('can be listed by both native libraries of one process', async () => {
    const [hidraw, libusb] = await Promise.all([nodeHidBinding('hidraw'), nodeHidBinding('libusb')]);
    expect(await Promise.all([hidraw.list(), libusb.list()])).toEqual([expect.any(Array), expect.any(Array)]);
  });
});

describe('which device', () => {
  test('is the one that is meant, wherever it is now', async () => {
    await inSysfs('hidraw3', '1-2.3');
    binding.attached = [listed({ vendorId: 1, path: '/dev/hidraw0' }), listed()];
    const device = await open();
    expect(binding.opened).toEqual(['/dev/hidraw3']);
    expect(device.identity).toMatchObject({ serialNumber: 'S1', usbPort: '1-2.3' });
    expect(device.reportDescriptor).toEqual(honeywellDescriptor);
    await device.close();
    binding.attached = [listed({ path: '/dev/hidraw7' })];
    await (await open()).close();
    expect(binding.opened.at(-1)).toBe('/dev/hidraw7');
  });

  test('of two equal ones is told by serial number, by USB port, or not at all', async () => {
    await inSysfs('hidraw3', '1-2.3');
    await inSysfs('hidraw4', '1-2.4');
    binding.attached = [listed(), listed({ path: '/dev/hidraw4', serialNumber: 'S2' })];
    await (await open({ serialNumber: 'S2' })).close();
    await (await open({ usbPort: '1-2.3' })).close();
    expect(binding.opened).toEqual(['/dev/hidraw4', '/dev/hidraw3']);
    const ambiguous = await fault();
    expect(ambiguous.code).toBe('DRV_AMBIGUOUS');
    expect(ambiguous.message).toMatch(/S1.*1-2\.3.*S2.*1-2\.4/);
    expect(binding.opened).toHaveLength(2);
  });

  test('that is not attached says which equal ones are', async () => {
    binding.attached = [listed()];
    const absent = await fault({ serialNumber: 'S9' });
    expect(absent.code).toBe('DRV_PORT_ABSENT');
    expect(absent.message).toContain('S1');
  });

  test('of several interfaces is the one with the wanted usage, listed once or twice', async () => {
    binding.attached = [
      listed({ path: '/dev/hidraw1', interface: 1, usagePage: 1, usage: 6 }),
      listed(),
      listed({ usage: 3 }),
    ];
    await (await open({}, { wanted: [{ page: 0x8c }] })).close();
    expect(binding.opened).toEqual(['/dev/hidraw3']);
  });

  test('in another mode says so', async () => {
    binding.attached = [listed({ usagePage: 1, usage: 6 })];
    const wrong = await fault({}, { wanted: [{ page: 0x8c }] });
    expect(wrong.code).toBe('DRV_HID_MODE');
    expect(wrong.message).toContain('usage page 0001 usage 0006');
  });

  test('is chosen without usages where the system tells none', async () => {
    binding.attached = [listed({ path: '1-2:1.0', usagePage: undefined, usage: undefined })];
    await (await open({}, { wanted: [{ page: 1, id: 6 }] })).close();
    expect(binding.opened).toEqual(['1-2:1.0']);
  });

  test('whose path came to name another while it was opened is not taken', async () => {
    binding.attached = [listed()];
    binding.onOpened = () => (binding.attached = [listed({ vendorId: 1 })]);
    expect((await fault()).code).toBe('DRV_PORT_LOST');
    expect(only().closed).toBe(1);
  });
});

describe('opening', () => {
  test('waits while udev has not given access yet', async () => {
    binding.attached = [listed()];
    binding.refusals.push(...Array.from({ length: 19 }, () => DENIED));
    const opening = open();
    for (let i = 0; i < 19; i += 1) {
      await binding.asked();
      await settle();
      await clock.advance(100);
    }
    await (await opening).close();
    expect(binding.opened).toHaveLength(20);
  });

  test('gives up on access after two seconds', async () => {
    binding.attached = [listed()];
    binding.refusals.push(...Array.from({ length: 100 }, () => DENIED));
    const opening = open();
    opening.catch(() => {});
    for (let i = 0; i < 21; i += 1) {
      await binding.asked();
      await settle();
      await clock.advance(100);
    }
    await expect(opening).rejects.toMatchObject({ code: 'DRV_PORT_DENIED' });
    expect([binding.opened.length, clock.pending]).toEqual([21, 0]);
  });

  test.each([
    ["Failed to open a device with path '/dev/hidraw3': No such file or directory", 'DRV_PORT_ABSENT'],
    ["Failed to open a device with path '/dev/hidraw3': Device or resource busy", 'DRV_PORT_BUSY'],
    ['open_device: (0x00000020) Der Prozess kann nicht zugreifen', 'DRV_PORT_BUSY'],
    ['open_device: (0x00000005) Zugriff verweigert', 'DRV_PORT_DENIED'],
    ['failed to open IOHIDDevice from mach entry: (0xE00002C5) exclusive access', 'DRV_PORT_BUSY'],
    ['failed to open IOHIDDevice from mach entry: (0xE00002E2) not permitted', 'DRV_PORT_DENIED'],
    ['anything else', 'DRV_PORT_ABSENT'],
  ])('that fails with "%s" is %s', async (text, code) => {
    binding.attached = [listed()];
    binding.refusals.push(...Array.from({ length: 100 }, () => text));
    const thrown = await fault();
    expect(thrown.code).toBe(code);
    expect(thrown.cause).toBeInstanceOf(Error);
  });

  test('through libusb, which gives no reason, is absent when the port has no device any more', async () => {
    binding.attached = [listed({ path: '1-2:1.0' })];
    binding.refusals.push('cannot open device with path 1-2:1.0: hid_error is not implemented yet');
    expect((await fault()).code).toBe('DRV_PORT_ABSENT');
  });

  test('that is given up ends at once, and what opens later is closed', async () => {
    binding.attached = [listed()];
    const slow = Promise.withResolvers<void>();
    binding.opening = slow.promise;
    const opening = open();
    await binding.asked();
    stop.abort(new Error('given up'));
    await expect(opening).rejects.toThrow('given up');
    expect(clock.pending).toBe(0);
    slow.resolve();
    await settle();
    expect(only().closed).toBe(1);
    expect(clock.pending).toBe(0);
  });

  test('that is given up while the device is looked for opens nothing', async () => {
    await inSysfs('hidraw3', '1-2');
    binding.attached = [listed()];
    const slow = Promise.withResolvers<void>();
    binding.listing = slow.promise;
    const opening = open();
    stop.abort(new Error('given up'));
    await expect(opening).rejects.toThrow('given up');
    slow.resolve();
    for (let i = 0; i < 10; i += 1) await listHid({ binding, sysfs }); // longer than looking takes
    await settle();
    expect(binding.opened).toEqual([]);
  });

  test('leaves nothing on the signal it was given', async () => {
    binding.attached = [listed()];
    await (await open()).close();
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  test('that is given up while waiting for access asks no more', async () => {
    binding.attached = [listed()];
    binding.refusals.push(DENIED, DENIED);
    const opening = open();
    await binding.asked();
    stop.abort(new Error('given up'));
    await expect(opening).rejects.toThrow('given up');
    await clock.advance(5000);
    expect(binding.opened).toHaveLength(1);
  });

  test('that never ends is absent after ten seconds', async () => {
    binding.attached = [listed()];
    binding.opening = new Promise(() => {});
    const opening = open();
    opening.catch(() => {});
    await binding.asked();
    await clock.advance(10_000);
    await expect(opening).rejects.toMatchObject({ code: 'DRV_PORT_ABSENT' });
  });

  test('is not begun when it was given up before', async () => {
    stop.abort(new Error('given up'));
    await expect(open()).rejects.toThrow('given up');
    expect(binding.opened).toEqual([]);
  });
});

describe('an open device', () => {
  let device: HidDevice;

  beforeEach(async () => {
    binding.attached = [listed()];
    device = await open();
  });

  test('hands on its reports', () => {
    only().emit('data', hex('02 01 5D'));
    expect(reports).toEqual(['02015d']);
  });

  test('takes feature and output reports', async () => {
    await device.sendFeature(hex('FE 01'));
    await device.write(hex('04 01'));
    expect(only().sent).toEqual(['feature fe01', 'output 0401']);
  });

  test('that takes none, or does not answer, is a fault with a code', async () => {
    only().refusal = new Error('could not send feature report to device: ioctl (SFEATURE): Broken pipe');
    await expect(device.sendFeature(hex('FE 01'))).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
    await expect(device.write(hex('04 01'))).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
    expect(lost).toEqual([]);
  });

  test('is lost once, with the binding’s text as cause, and let go of at once', async () => {
    only().emit('error', GONE);
    only().emit('error', GONE);
    only().emit('data', hex('02'));
    await settle();
    expect(lost.map(({ code }) => code)).toEqual(['DRV_PORT_LOST']);
    expect(lost[0]?.cause).toMatchObject({ message: GONE });
    expect(reports).toEqual([]);
    expect(only().closed).toBe(1);
    await expect(device.write(hex('04 01'))).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
    await device.close();
    expect([only().closed, clock.pending]).toEqual([1, 0]);
  });

  test('that was closed says nothing any more, and is closed once', async () => {
    const closing = device.close();
    expect(device.close()).toBe(closing);
    only().emit('data', hex('02'));
    only().emit('error', GONE);
    await closing;
    expect([reports, lost, only().closed, clock.pending]).toEqual([[], [], 1, 0]);
  });

  test('whose path leads elsewhere is lost, also when the binding says nothing', async () => {
    await device.close();
    const path = join(sysfs, 'node');
    await writeFile(path, '');
    binding.attached = [listed({ path })];
    device = await open();
    await rm(path);
    while (lost.length === 0) await clock.advance(5000);
    expect(lost.map(({ code }) => code)).toEqual(['DRV_PORT_LOST']);
    await device.close();
    expect([binding.handles.at(-1)?.closed, clock.pending]).toEqual([1, 0]);
  });

  test('may be closed in the very moment it is open', async () => {
    binding = new BindingInMemory();
    binding.attached = [listed()];
    await open().then((opened) => opened.close());
    await settle();
    expect([only().readAfterClose, only().closed]).toEqual([false, 1]);
  });

  test('whose closing hangs is given up after two seconds, with a code', async () => {
    only().closing = new Promise(() => {});
    const closing = device.close();
    closing.catch(() => {});
    await clock.advance(2000);
    await expect(closing).rejects.toMatchObject({ code: 'DRV_PORT_LOST' });
  });
});
