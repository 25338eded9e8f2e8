import { execFileSync } from 'node:child_process';
import { findSerial } from '../../../drivers/transport/serial-devices.ts';
import { DeviceMatch } from '../../../drivers/device-match.ts';
import { text } from '../../drivers/hex.ts';
import { Counter } from '../guest/counter.ts';
import type { Stage } from '../guest/stage.ts';

const device = { vendorId: '0403', productId: '6001' };

export async function usbSerialAdapter(stage: Stage): Promise<void> {
  await using counter = await Counter.open(
    [{ kind: 'serial', id: 'ftdi', device, framing: { kind: 'delimited', stxEtx: true, terminators: [] } }],
    { onlyNews: true },
  );
  await counter.waiting('ftdi', 'DRV_PORT_ABSENT');
  await plug(stage);
  try {
    await stage.claim('an FTDI adapter plugged in is found by the news of /dev alone', () =>
      counter.ready('ftdi'),
    );
    await stage.claim('a scan over it', async () => {
      await stage.serial(text('\x02]C04711\x03'));
      await counter.scanned('ftdi ]C0 4711');
    });
    await stage.claim('the kernel is told to leave DTR alone on close (hupcl is off)', async () => {
      const path = await findSerial(DeviceMatch.parse(device));
      const settings = execFileSync('stty', ['-F', path, '-a'], { encoding: 'utf8' });
      if (!/ -hupcl\b/.test(settings)) throw new Error(settings);
    });
    const since = counter.statuses.length;
    await stage.serial(text('\x02]C0first half'));
    await new Promise<void>((resolve) => setTimeout(resolve, 200)); // until it is through the adapter
    await unplug(stage);
    await stage.claim('pulled out within a scan, it is lost with DRV_PORT_LOST', () =>
      counter.lost('ftdi', since),
    );
    await plug(stage);
    await stage.claim('plugged in again, it is opened again by itself', () => counter.ready('ftdi'));
    await stage.claim('and the half from before is in no scan', async () => {
      await stage.serial(text('\x02]C0815\x03'));
      await counter.scanned('ftdi ]C0 815');
      counter.noMore();
    });
  } finally {
    await unplug(stage);
  }
}

function plug(stage: Stage): Promise<void> {
  return stage.machine('device_add', {
    driver: 'usb-serial',
    id: 'ftdi',
    chardev: 'serial',
    bus: 'usb.0',
    port: '2',
  });
}

function unplug(stage: Stage): Promise<void> {
  return stage.machine('device_del', { id: 'ftdi' });
}
