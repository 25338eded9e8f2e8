import { hidPosReports } from '../../../simulator/readers/hid-reports.ts';
import { text } from '../../drivers/hex.ts';
import { Counter } from '../guest/counter.ts';
import type { Stage } from '../guest/stage.ts';
import { UhidDevice } from '../guest/uhid-device.ts';
import { honeywell } from './hid-pos-over-uhid.ts';

/** Long enough for a report to be read, and shorter than a scan may pause between two. */
const ARRIVED_MS = 50;
const LONG = 'A'.repeat(100);

export async function unpluggedWithinAScan(stage: Stage): Promise<void> {
  await using counter = await Counter.open([
    { kind: 'hid-pos', id: 'counter', device: { vendorId: '0c2e', productId: '0b81' } },
  ]);
  await using first = await UhidDevice.plug(honeywell);
  await stage.claim('nothing of a scan cut off by pulling the cable comes out', async () => {
    await counter.steady('counter');
    const [head] = hidPosReports(']Q1', text(LONG));
    if (head === undefined) throw new Error('no report was made');
    await first.send(head);
    await new Promise<void>((resolve) => setTimeout(resolve, ARRIVED_MS)); // or the kernel would drop it
    const since = counter.statuses.length;
    await first.unplug();
    await counter.lost('counter', since);
    counter.noMore();
  });
  await using second = await UhidDevice.plug(honeywell);
  await stage.claim('and nothing of it gets into the next scan', async () => {
    await counter.steady('counter');
    await second.send(...hidPosReports(']Q1', text('B'.repeat(80))));
    await counter.scanned(`counter ]Q1 ${'B'.repeat(80)}`);
    counter.noMore();
  });
}
