import type { LayoutName } from '../../../drivers/keyboard/layout.ts';
import { typed } from '../../../simulator/readers/keyboard-typist.ts';
import { keyboardDescriptor } from '../../drivers/hid/descriptors.ts';
import { Counter } from '../guest/counter.ts';
import { eventNodes, KeySpy } from '../guest/key-spy.ts';
import { press } from '../guest/qemu-keyboard.ts';
import { eventually } from '../guest/stage.ts';
import type { Stage } from '../guest/stage.ts';
import { UhidDevice } from '../guest/uhid-device.ts';
import { UsbGadget } from '../guest/usb-gadget.ts';

const MEMBER = ']Q1Kunde-Nr. 4711/ß§_@{z:y}';
const READ = 'wedge ]Q1 Kunde-Nr. 4711/ß§_@{z:y}';
const layout: LayoutName = 'de';

/** QEMU's own USB keyboard. */
const QEMU_KEYBOARD = { vendorId: '0627', productId: '0001' };
const QEMU_KEYBOARD_NAME = 'QEMU USB Keyboard';

export async function keyboardWedgeShared(stage: Stage): Promise<void> {
  const scanner = await UhidDevice.plug({
    name: 'Keyboard wedge',
    vendorId: 0x0c2e,
    productId: 0x0b61,
    serialNumber: 'W1',
    descriptor: keyboardDescriptor,
  });
  try {
    await using counter = await Counter.open([
      { kind: 'keyboard-wedge', id: 'wedge', device: { vendorId: '0c2e', productId: '0b61' }, layout },
    ]);
    await stage.claim('typed by a scanner set to German, a code is read through hidraw', async () => {
      await counter.steady('wedge');
      await scanner.send(...typed(MEMBER, { layout, suffix: 'enter' }));
      await counter.scanned(READ);
    });
    await stage.claim('shared, the keys also reach whoever reads the input device', async () => {
      using spy = new KeySpy();
      await scanner.send(...typed('4711', { layout, suffix: 'enter' }));
      await counter.scanned('wedge - 4711');
      await eventually(
        () => `10 key events; ${spy.keys} came`,
        () => (spy.keys >= 10 ? true : undefined),
        5000,
      );
    });
  } finally {
    await scanner.unplug();
  }
}

export async function keyboardWedgeExclusive(stage: Stage): Promise<void> {
  using scanner = UsbGadget.make('wedge', {
    vendorId: 0x05f9,
    productId: 0x2204,
    product: 'Wedge on a cable',
    serialNumber: 'W2',
    controller: 0,
    hid: { descriptor: keyboardDescriptor, reportBytes: 8, keyboard: true },
  });
  await scanner.plug();
  await nodeOf('Wedge on a cable');
  using spy = new KeySpy();
  {
    await using counter = await Counter.open([
      {
        kind: 'keyboard-wedge',
        id: 'wedge',
        device: { vendorId: '05f9', productId: '2204' },
        layout,
        exclusive: true,
      },
    ]);
    await stage.claim('a real USB keyboard is opened exclusively over libusb', () => counter.steady('wedge'));
    await stage.claim('its node in /dev/input is gone meanwhile', () => {
      const left = eventNodes('Wedge on a cable');
      if (left.length > 0) throw new Error(`there is still ${left.join(', ')}`);
    });
    await stage.claim('what it types is read', async () => {
      await scanner.sendReports(...typed(MEMBER, { layout, suffix: 'enter' }));
      await counter.scanned(READ);
      counter.noMore();
    });
    await stage.claim('and no key reached another reader of /dev/input/event*', () => {
      if (spy.keys > 0) throw new Error(`${spy.keys} key events were seen`);
    });
    await stage.claim('pulled out and plugged in again, it is exclusive again', async () => {
      const since = counter.statuses.length;
      scanner.unplug();
      await counter.lost('wedge', since);
      await scanner.plug();
      await counter.steady('wedge');
      await scanner.sendReports(...typed(MEMBER, { layout, suffix: 'enter' }));
      await counter.scanned(READ);
      if (spy.keys > 0) throw new Error(`${spy.keys} key events were seen`);
    });
  }
  await stage.claim('closed, it is a keyboard again', () => nodeOf('Wedge on a cable'));
  await stage.claim('and types for everybody', async () => {
    await new Promise<void>((resolve) => setTimeout(resolve, 300)); // until the spy has found it
    await scanner.sendReports(...typed('4711', { layout, suffix: 'enter' }));
    await eventually(
      () => `10 key events; ${spy.keys} came`,
      () => (spy.keys >= 10 ? true : undefined),
      5000,
    );
  });
}

export async function keyboardWedgeOfQemu(stage: Stage): Promise<void> {
  await stage.machine('device_add', { driver: 'usb-kbd', id: 'keyboard', bus: 'usb.0', port: '1' });
  try {
    await nodeOf(QEMU_KEYBOARD_NAME);
    using spy = new KeySpy();
    {
      await using counter = await Counter.open([
        { kind: 'keyboard-wedge', id: 'wedge', device: QEMU_KEYBOARD, layout: 'us' },
      ]);
      await stage.claim('keys pressed on QEMU’s USB keyboard are read through hidraw', async () => {
        await counter.steady('wedge');
        await press(stage, ['4', '7', '1', '1', 'ret']);
        await counter.scanned('wedge - 4711');
      });
    }
    const before = spy.keys;
    {
      await using counter = await Counter.open([
        { kind: 'keyboard-wedge', id: 'wedge', device: QEMU_KEYBOARD, layout: 'us', exclusive: true },
      ]);
      await stage.claim('and exclusively, with its node gone and no key seen by anybody else', async () => {
        await counter.steady('wedge');
        const left = eventNodes(QEMU_KEYBOARD_NAME);
        if (left.length > 0) throw new Error(`there is still ${left.join(', ')}`);
        await press(stage, ['8', '1', '5', 'ret']);
        await counter.scanned('wedge - 815');
        if (spy.keys > before) throw new Error(`${spy.keys - before} key events were seen`);
      });
    }
    await stage.claim('closed, its node is back', () => nodeOf(QEMU_KEYBOARD_NAME));
  } finally {
    await stage.machine('device_del', { id: 'keyboard' });
  }
}

function nodeOf(name: string): Promise<string> {
  return eventually(`an input device ${name}`, () => eventNodes(name)[0], 10_000);
}
