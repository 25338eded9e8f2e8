import { listHid } from '../../../drivers/transport/hid-list.ts';
import { hidPosReports } from '../../../simulator/readers/hid-reports.ts';
import { honeywellDescriptor } from '../../drivers/hid/descriptors.ts';
import { text } from '../../drivers/hex.ts';
import { Counter } from '../guest/counter.ts';
import { eventually } from '../guest/stage.ts';
import type { Stage } from '../guest/stage.ts';
import { UhidDevice } from '../guest/uhid-device.ts';
import type { UhidIdentity } from '../guest/uhid-device.ts';

export const honeywell: UhidIdentity = {
  name: 'Honeywell 1900g',
  vendorId: 0x0c2e,
  productId: 0x0b81,
  serialNumber: '17221B1234',
  descriptor: honeywellDescriptor,
};
/** Longer than the 56 bytes of a report. */
const QR = 'https://kundenkarte.example/app/token?c=0123456789ABCDEFGHIJKLMNOPQR';
/** What came before a reader was ready for this long is left over from before it, and is no scan. */
const STALE_MS = 300;

export async function hidPosOverUhid(stage: Stage): Promise<void> {
  await using counter = await Counter.open(
    [{ kind: 'hid-pos', id: 'counter', device: { vendorId: '0c2e', productId: '0b81' } }],
    { onlyNews: true },
  );
  await stage.claim('without its device it waits with DRV_PORT_ABSENT', () =>
    counter.waiting('counter', 'DRV_PORT_ABSENT'),
  );
  await using first = await UhidDevice.plug(honeywell);
  await stage.claim('plugged in, it is found by the news of /dev alone', () =>
    counter.ready('counter', 5000),
  );
  const path = await pathOf(honeywell.vendorId);
  await stage.claim('the scanner is told that somebody listens (feature report FE 01)', () =>
    eventually(
      () => `FE 01; it got ${JSON.stringify(first.features)}`,
      () => (first.features.some((each) => each[0] === 0xfe && each[1] === 0x01) ? true : undefined),
      5000,
    ),
  );
  await stage.claim('a scan', async () => {
    await settled(counter);
    await first.send(...hidPosReports(']E0', text('4006381333931')));
    await counter.scanned('counter ]E0 4006381333931');
  });
  await stage.claim(`a QR code of ${QR.length} bytes in two reports is one scan`, async () => {
    await first.send(...hidPosReports(']Q1', text(QR)));
    await counter.scanned(`counter ]Q1 ${QR}`);
  });
  const since = counter.statuses.length;
  await first.unplug();
  await stage.claim('pulled out, it is lost with DRV_PORT_LOST', () => counter.lost('counter', since, 5000));
  await stage.claim('and then waits for its device', () =>
    counter.waiting('counter', 'DRV_PORT_ABSENT', 5000),
  );
  // Takes the number that is free again, so that the scanner comes back under another.
  await using _other = await UhidDevice.plug({ ...honeywell, vendorId: 0x1eab, productId: 0x0001 });
  await pathOf(0x1eab);
  await using second = await UhidDevice.plug(honeywell);
  await stage.claim('plugged in again under another number, it is opened again by itself', async () => {
    await counter.ready('counter', 5000);
    const now = await pathOf(honeywell.vendorId);
    if (now === path) throw new Error(`it came back as ${now} again`);
  });
  await stage.claim('and scans as before', async () => {
    await settled(counter);
    await second.send(...hidPosReports(']E0', text('4006381333931')));
    await counter.scanned('counter ]E0 4006381333931');
    counter.noMore();
  });
}

/** Where a scanner of this maker is; the kernel makes its node in its own time. */
function pathOf(vendorId: number): Promise<string> {
  return eventually(
    'the scanner to be listed',
    async () => (await listHid()).find((each) => each.vendorId === vendorId)?.path,
    5000,
  );
}

/** Waits until what arrives is no longer taken for left over. */
export async function settled({ clock }: Pick<Counter, 'clock'>): Promise<void> {
  await new Promise<void>((resolve) => clock.schedule(STALE_MS, resolve));
}
