// Goal: every HidDevice keeps the one contract: node-hid's through its binding, and the one in memory.
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../../foundation/error-codes.ts';
import { isFault } from '../../../foundation/errors.ts';
import { DeviceMatch } from '../../../drivers/device-match.ts';
import type { HidDevice, OpenHid } from '../../../drivers/transport/hid-device.ts';
import { nodeHidDevice } from '../../../drivers/transport/hid.ts';
import { MemoryHidDevice } from '../../../drivers/transport/memory-hid.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { hex } from '../hex.ts';
import { BindingInMemory } from './hid-binding-in-memory.ts';

/** The far end, as the device has it. */
interface FarEnd {
  readonly open: OpenHid;
  send(report: Uint8Array): void;
  vanish(): void;
  absent(): void;
  /** Feature and output reports it was sent, as hexadecimal. */
  taken(): { readonly feature: readonly string[]; readonly output: readonly string[] };
}

function asHex(reports: readonly Uint8Array[]): string[] {
  return reports.map((report) => Buffer.from(report).toString('hex'));
}

function memory(): FarEnd {
  const device = new MemoryHidDevice({ vendorId: 1, productId: 2 });
  return {
    open: device.open,
    send: (report) => device.send(report),
    vanish: () => device.unplug(),
    absent: () => device.unplug(),
    taken: () => ({ feature: asHex(device.features), output: asHex(device.written) }),
  };
}

function nodeHid(): FarEnd {
  const binding = new BindingInMemory();
  binding.attached = [{ path: '/dev/hidraw0', vendorId: 1, productId: 2, interface: 0 }];
  const sent = (kind: string): string[] =>
    binding.handles.flatMap((handle) =>
      handle.sent.flatMap((each) => (each.startsWith(kind) ? [each.slice(kind.length + 1)] : [])),
    );
  return {
    open: nodeHidDevice(DeviceMatch.parse({ vendorId: '0001', productId: '0002' }), {
      binding,
      sysfs: '/nowhere',
    }),
    send: (report) => binding.handles.at(-1)?.emit('data', Buffer.from(report)),
    vanish: () => binding.handles.at(-1)?.emit('error', 'could not read from HID device'),
    absent: () => (binding.attached = []),
    taken: () => ({ feature: sent('feature'), output: sent('output') }),
  };
}

interface Near {
  readonly device: HidDevice;
  readonly clock: ManualClock;
  readonly reports: string[];
  readonly lost: ErrorCode[];
}

async function near(far: FarEnd): Promise<Near> {
  const clock = new ManualClock();
  const reports: string[] = [];
  const lost: ErrorCode[] = [];
  const device = await far.open({
    clock,
    signal: new AbortController().signal,
    onReport: (report) => reports.push(Buffer.from(report).toString('hex')),
    onLost: (error) => lost.push(error.code),
  });
  return { device, clock, reports, lost };
}

async function codeOf(work: Promise<unknown>): Promise<ErrorCode | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return isFault(error) ? error.code : undefined;
  }
}

describe.each([
  ['in memory', memory],
  ['of node-hid', nodeHid],
])('a HID device %s', (_name, make) => {
  test('hands on reports in order and takes feature and output reports', async () => {
    const far = make();
    const { device, reports } = await near(far);
    far.send(hex('02 01'));
    far.send(hex('02 02'));
    await device.sendFeature(hex('FE 01'));
    await device.write(hex('04 01'));
    expect(reports).toEqual(['0201', '0202']);
    expect(far.taken()).toEqual({ feature: ['fe01'], output: ['0401'] });
    expect(device.identity).toMatchObject({ vendorId: 1, productId: 2 });
    await device.close();
  });

  test('that vanishes is lost once, and stays so', async () => {
    const far = make();
    const { device, clock, reports, lost } = await near(far);
    far.vanish();
    far.vanish();
    far.send(hex('02 01'));
    expect([reports, lost]).toEqual([[], ['DRV_PORT_LOST']]);
    expect(await codeOf(device.write(hex('04 01')))).toBe('DRV_PORT_LOST');
    expect(await codeOf(device.sendFeature(hex('FE 01')))).toBe('DRV_PORT_LOST');
    await device.close();
    await settle();
    expect([lost.length, clock.pending]).toEqual([1, 0]);
  });

  test('that is closed, twice, says nothing more and takes nothing', async () => {
    const far = make();
    const { device, clock, reports, lost } = await near(far);
    await Promise.all([device.close(), device.close()]);
    far.send(hex('02 01'));
    far.vanish();
    expect([reports, lost, clock.pending]).toEqual([[], [], 0]);
    expect(await codeOf(device.write(hex('04 01')))).toBe('DRV_PORT_LOST');
  });

  test('can be opened again after loss', async () => {
    const far = make();
    const first = await near(far);
    await first.device.close();
    const again = await near(far);
    far.send(hex('02 03'));
    expect([first.reports, again.reports]).toEqual([[], ['0203']]);
    await again.device.close();
  });

  test('that is not there is absent, and is not opened once given up', async () => {
    const far = make();
    far.absent();
    expect(await codeOf(near(far))).toBe('DRV_PORT_ABSENT');
    const stopped = far.open({
      clock: new ManualClock(),
      signal: AbortSignal.abort(new Error('given up')),
      onReport: () => {},
      onLost: () => {},
    });
    await expect(stopped).rejects.toThrow('given up');
  });
});
