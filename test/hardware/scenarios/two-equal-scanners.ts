import { listHid } from '../../../drivers/transport/hid-list.ts';
import { hidPosReports, hidPosScanner } from '../../../simulator/readers/hid-reports.ts';
import { hex, text } from '../../drivers/hex.ts';
import { Counter } from '../guest/counter.ts';
import { eventually } from '../guest/stage.ts';
import type { Stage } from '../guest/stage.ts';
import { UhidDevice } from '../guest/uhid-device.ts';
import { UsbGadget } from '../guest/usb-gadget.ts';
import { honeywell, settled } from './hid-pos-over-uhid.ts';

const device = { vendorId: '0c2e', productId: '0b81' };

export async function twoEqualScanners(stage: Stage): Promise<void> {
  const left = await UhidDevice.plug({ ...honeywell, serialNumber: 'LEFT-1' });
  const right = await UhidDevice.plug({ ...honeywell, serialNumber: 'RIGHT-2' });
  try {
    await bySerialNumber(stage, left, right);
    await ambiguous(stage, right);
  } finally {
    await left.unplug();
    await right.unplug();
  }
  await byPort(stage);
}

async function bySerialNumber(stage: Stage, left: UhidDevice, right: UhidDevice): Promise<void> {
  await using counter = await Counter.open([
    { kind: 'hid-pos', id: 'right', device: { ...device, serialNumber: 'RIGHT-2' } },
    { kind: 'hid-pos', id: 'left', device: { ...device, serialNumber: 'LEFT-1' } },
  ]);
  await stage.claim('each reader opens the scanner with its serial number', async () => {
    await counter.ready('left');
    await counter.ready('right');
    await settled(counter);
    await left.send(...hidPosReports(']E0', text('1111111111116')));
    await counter.scanned('left ]E0 1111111111116');
    await right.send(...hidPosReports(']E0', text('2222222222222')));
    await counter.scanned('right ]E0 2222222222222');
    counter.noMore();
  });
}

async function ambiguous(stage: Stage, right: UhidDevice): Promise<void> {
  await using counter = await Counter.open([{ kind: 'hid-pos', id: 'counter', device }]);
  await stage.claim('a reader that could be either is opened on neither, and both are named', async () => {
    const message = await counter.waiting('counter', 'DRV_AMBIGUOUS');
    if (!message.includes('LEFT-1') || !message.includes('RIGHT-2')) throw new Error(message);
  });
  await right.unplug();
  await stage.claim('when one of them goes, the other is opened', () => counter.ready('counter'));
}

/** Two without serial numbers, which only their places tell apart. */
async function byPort(stage: Stage): Promise<void> {
  const identity = {
    vendorId: 0x0c2e,
    productId: 0x0b81,
    product: 'Scanner without a number',
    hid: { descriptor: hex(hidPosScanner.reportDescriptorHex ?? ''), reportBytes: 64 },
  };
  using one = UsbGadget.make('one', { ...identity, controller: 0 });
  using two = UsbGadget.make('two', { ...identity, controller: 1 });
  await one.plug();
  const [portOfOne] = await portsBut(undefined);
  await two.plug();
  const [portOfTwo] = await portsBut(portOfOne);
  {
    await using counter = await Counter.open([{ kind: 'hid-pos', id: 'counter', device }]);
    await stage.claim('without serial numbers, the message names their USB ports', async () => {
      const message = await counter.waiting('counter', 'DRV_AMBIGUOUS');
      if (![portOfOne, portOfTwo].every((port) => message.includes(`USB port ${port}`)))
        throw new Error(message);
    });
  }
  await using counter = await Counter.open([
    { kind: 'hid-pos', id: 'two', device: { ...device, usbPort: portOfTwo } },
    { kind: 'hid-pos', id: 'one', device: { ...device, usbPort: portOfOne } },
  ]);
  const both = async (): Promise<void> => {
    await counter.steady('one');
    await counter.steady('two');
    await one.sendReports(...hidPosReports(']E0', text('1111111111116')));
    await counter.scanned('one ]E0 1111111111116');
    await two.sendReports(...hidPosReports(']E0', text('2222222222222')));
    await counter.scanned('two ]E0 2222222222222');
    counter.noMore();
  };
  await stage.claim('and by USB port each reader opens its own', both);
  await stage.claim('also after both were pulled out and plugged in the other way round', async () => {
    const since = counter.statuses.length;
    one.unplug();
    two.unplug();
    await counter.lost('one', since);
    await counter.lost('two', since);
    await two.plug();
    await one.plug();
    await both();
  });
}

async function portsBut(known: string | undefined): Promise<readonly [string]> {
  return eventually(
    'the scanner to be listed with its USB port',
    async () => {
      const port = (await listHid()).find(
        ({ usbPort }) => usbPort !== undefined && usbPort !== known,
      )?.usbPort;
      return port === undefined ? undefined : ([port] as const);
    },
    10_000,
  );
}
