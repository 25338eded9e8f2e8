// Goal: whoever installs a till is told what each attached reader lacks, with the exact line that gives it.
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { AttachedReader } from '../../../drivers/attached-reader.ts';
import { spokenOverHid } from '../../../drivers/attached-reader.ts';
import { matchesDevice } from '../../../drivers/device-match.ts';
import { ReaderConfigs } from '../../../drivers/registry.ts';
import { printReport } from '../../../edge/readers-report/print-report.ts';
import { reportReaders } from '../../../edge/readers-report/readers-report.ts';

function device(more: Partial<AttachedReader> = {}): AttachedReader {
  return {
    path: '/dev/hidraw0',
    name: 'Honeywell Xenon 1900',
    vendorId: 0x0c2e,
    productId: 0x0b81,
    serialNumber: undefined,
    interfaceNumber: 0,
    usbPort: '1-2',
    speaks: { kind: 'reader', as: 'hid-pos' },
    ...more,
  };
}

const nobody = new Set<string>();
const configurationLine = (reader: AttachedReader, all: readonly AttachedReader[] = [reader]): string => {
  const [report] = reportReaders([reader, ...all.filter((each) => each !== reader)], nobody, []);
  return report?.lacks.find(({ what }) => what === 'configuration')?.line ?? '';
};

describe('what is configured', () => {
  test('a reader that is configured and may be opened lacks nothing', () => {
    const configured = [{ id: 'counter', device: { vendorId: 0x0c2e, productId: 0x0b81 } }];
    expect(reportReaders([device()], nobody, configured)).toMatchObject([
      { usb: '0c2e:0b81', speaks: 'hid-pos', configuredAs: 'counter', lacks: [] },
    ]);
  });

  test.each([
    ['a HID POS scanner', device()],
    ['ids that are numbers to YAML', device({ vendorId: 0x0536, productId: 0x05e0 })],
    [
      'a magnetic stripe reader',
      device({ vendorId: 0x0801, productId: 2, speaks: { kind: 'reader', as: 'magstripe' } }),
    ],
    ['a keyboard wedge', device({ speaks: { kind: 'reader', as: 'keyboard-wedge' } })],
    [
      'IBM hand-held',
      device({ vendorId: 0x05e0, productId: 0x1300, speaks: { kind: 'reader', as: 'ibm-hand-held' } }),
    ],
    ['a serial scanner on USB', device({ path: '/dev/ttyACM0', speaks: { kind: 'reader', as: 'serial' } })],
    [
      'a serial port of the mainboard',
      device({
        path: '/dev/ttyS0',
        vendorId: undefined,
        productId: undefined,
        usbPort: undefined,
        interfaceNumber: undefined,
        speaks: { kind: 'reader', as: 'serial' },
      }),
    ],
  ])('the line given for %s is right as it is, and means this device', (_title, reader) => {
    const readers = ReaderConfigs.parse(parse(configurationLine(reader)));
    const [configured] = readers;
    expect(readers).toHaveLength(1);
    expect(reportReaders([reader], nobody, [configured as never])[0]?.lacks).toEqual([]);
  });

  test('two equal scanners are told apart by serial number, without one by port', () => {
    const numbered = [
      device({ serialNumber: 'A1' }),
      device({ serialNumber: 'B2', usbPort: '1-3', path: '/dev/hidraw1' }),
    ];
    const bare = [device(), device({ usbPort: '1-3', path: '/dev/hidraw1' })];
    for (const pair of [numbered, bare]) {
      for (const one of pair) {
        const [configured] = ReaderConfigs.parse(parse(configurationLine(one, pair)));
        const match = (configured as { device?: never }).device;
        if (match === undefined) throw new Error('no device in the line');
        expect(pair.filter((each) => matchesDevice(match, each))).toEqual([one]);
      }
    }
    expect(configurationLine(numbered[0] ?? device(), numbered)).toContain('serialNumber: "A1"');
    expect(configurationLine(bare[0] ?? device(), bare)).toContain('usbPort: "1-2"');
  });

  test('two new readers get two names', () => {
    const reports = reportReaders([device(), device({ productId: 0x0b82, path: '/dev/hidraw1' })], nobody, [
      { id: 'scanner', path: '/dev/elsewhere' },
    ]);
    const ids = reports.map(({ lacks }) => /id: (\S+),/.exec(lacks[0]?.line ?? '')?.[1]);
    expect(ids).toEqual(['scanner-2', 'scanner-3']);
  });

  test('without a configuration nothing is lacking from it', () => {
    expect(reportReaders([device()], nobody, undefined)[0]?.lacks).toEqual([]);
  });
});

describe('what is lacking', () => {
  test('permission comes with the udev rule for this device, on its hidraw node', () => {
    const [report] = reportReaders([device()], new Set(['/dev/hidraw0']), undefined);
    expect(report?.lacks).toMatchObject([
      {
        what: 'permission',
        file: '/etc/udev/rules.d/70-stammkunde-readers.rules',
        line: 'KERNEL=="hidraw*", ATTRS{idVendor}=="0c2e", ATTRS{idProduct}=="0b81", GROUP="stammkunde", MODE="0660"',
      },
    ]);
  });

  test('a USB device nobody drives, a maker’s own mode and a keyboard are said as such', () => {
    const reports = reportReaders(
      [
        device({ path: undefined, speaks: { kind: 'vendor-mode' } }),
        device({ speaks: { kind: 'keyboard' } }),
        device({ speaks: { kind: 'other' } }),
      ],
      nobody,
      [],
    );
    expect(reports.map(({ lacks }) => lacks.map(({ what }) => what))).toEqual([['driver', 'mode'], ['mode']]);
  });
});

test('what a device says of itself cannot draw on the terminal', () => {
  const printed = printReport(reportReaders([device({ name: '\u001b[2Jevil\u202e' })], nobody, undefined));
  expect(printed).not.toContain('\u001b');
  expect(printed).not.toContain('\u202e');
  expect(printed).toContain('evil');
});

test('HID interfaces are known by their top-level collection, vendors’ own by who made them', () => {
  const of = (
    vendorId: number,
    productId: number,
    usagePage: number | undefined,
    usage: number,
    product = '',
  ) => spokenOverHid({ vendorId, productId, usagePage, usage, product, manufacturer: undefined });
  expect(of(0x1234, 1, 0x8c, 2)).toEqual({ kind: 'reader', as: 'hid-pos' });
  expect(of(0x0c2e, 1, 1, 6)).toEqual({ kind: 'reader', as: 'keyboard-wedge' });
  expect(of(0x1234, 1, 1, 6, 'USB Barcode Scanner')).toEqual({ kind: 'reader', as: 'keyboard-wedge' });
  expect(of(0x046d, 1, 1, 6, 'USB Keyboard')).toEqual({ kind: 'keyboard' });
  expect(of(0x046d, 1, 1, 2, 'USB Mouse')).toEqual({ kind: 'other' });
  expect(of(0x05e0, 0x1300, 0xff45, 1)).toEqual({ kind: 'reader', as: 'ibm-hand-held' });
  expect(of(0x05e0, 0x1900, 0xff00, 1)).toEqual({ kind: 'vendor-mode' });
  expect(of(0x0801, 2, 0xff00, 1)).toEqual({ kind: 'reader', as: 'magstripe' });
});

describe('a keyboard wedge that is read exclusively', () => {
  const usbNode = '/dev/bus/usb/001/004';
  const wedge = device({ speaks: { kind: 'keyboard' }, usbNode });
  const configured = [{ id: 'wedge', device: { vendorId: 0x0c2e, productId: 0x0b81 }, exclusive: true }];
  const lacking = (reader: AttachedReader, denied: readonly string[], of = configured): readonly string[] =>
    reportReaders([reader], new Set(denied), of).flatMap(({ lacks }) => lacks.map(({ what }) => what));

  test('needs the USB device itself, and is told the line for that', () => {
    const [report] = reportReaders([wedge], new Set(['/dev/hidraw0', usbNode]), configured);
    expect(report?.lacks[0]).toEqual({
      what: 'permission',
      why: `this account may not open ${usbNode}, which is how a wedge is read exclusively`,
      file: '/etc/udev/rules.d/70-stammkunde-readers.rules',
      line: 'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="0c2e", ATTR{idProduct}=="0b81", GROUP="stammkunde", MODE="0660"',
    });
    expect(lacking(wedge, ['/dev/hidraw0'])).not.toContain('permission');
  });

  test('shared, it needs its hidraw node and not the USB device', () => {
    const shared = configured.map((each) => ({ ...each, exclusive: false }));
    expect(lacking(wedge, [usbNode], shared)).not.toContain('permission');
    expect(lacking(wedge, ['/dev/hidraw0'], shared)).toContain('permission');
  });

  test('lacks nothing while the till has it, though the operating system shows no node of it', () => {
    const taken = device({ path: undefined, speaks: { kind: 'vendor-mode' }, usbNode });
    expect(lacking(taken, [])).toEqual([]);
    expect(lacking(taken, [], [])).toEqual(['driver', 'mode']);
  });
});
