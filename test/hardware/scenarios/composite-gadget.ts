import { listAttachedReaders } from '../../../drivers/attached-readers.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { listSerial } from '../../../drivers/transport/serial-devices.ts';
import { hidPosReports, hidPosScanner } from '../../../simulator/readers/hid-reports.ts';
import { hex, text } from '../../drivers/hex.ts';
import { Counter, openFiles } from '../guest/counter.ts';
import { eventually } from '../guest/stage.ts';
import type { Stage } from '../guest/stage.ts';
import { UsbGadget } from '../guest/usb-gadget.ts';
import type { UsbGadgetIdentity } from '../guest/usb-gadget.ts';

/** A Datalogic that is a HID POS scanner and a virtual serial port at once. */
export const datalogic: UsbGadgetIdentity = {
  vendorId: 0x05f9,
  productId: 0x2203,
  product: 'Composite scanner',
  serialNumber: 'S/N G17A02',
  controller: 0,
  hid: { descriptor: hex(hidPosScanner.reportDescriptorHex ?? ''), reportBytes: 64 },
  serial: true,
};
const device = { vendorId: '05f9', productId: '2203' };
export const datalogicReaders = [
  { kind: 'hid-pos', id: 'hid', device },
  { kind: 'serial', id: 'serial', device },
];

const ROUNDS = 20;
/** What a till may take until a scanner that is back is used again. Emulated, everything is some 20 times slower. */
const BACK_WITHIN_MS = 20_000;

export async function compositeGadget(stage: Stage): Promise<void> {
  using gadget = UsbGadget.make('composite', datalogic);
  await gadget.plug();
  await stage.claim('both sides of it are listed among the attached readers', () =>
    eventually(
      'hidraw and ttyACM of 05f9:2203',
      async () => {
        const { readers } = await listAttachedReaders();
        const kinds = readers
          .filter(({ vendorId, productId }) => vendorId === 0x05f9 && productId === 0x2203)
          .map(({ speaks, path }) => (speaks.kind === 'reader' ? `${speaks.as} ${path}` : ''));
        return ['hid-pos /dev/hidraw', 'serial /dev/ttyACM'].every((each) =>
          kinds.some((kind) => kind.startsWith(each)),
        )
          ? true
          : undefined;
      },
      10_000,
    ),
  );
  const byId = await stage.claim('udev made a name in /dev/serial/by-id, and it is told', () =>
    eventually(
      '/dev/serial/by-id',
      async () => (await listSerial()).find(({ vendorId }) => vendorId === 0x05f9)?.byId,
      10_000,
    ),
  );
  {
    await using counter = await Counter.open([
      ...datalogicReaders.slice(0, 1),
      { kind: 'serial', id: 'serial', path: byId },
    ]);
    await stage.claim('the serial side is read under that name', () => bothScan(counter, gadget, 0));
  }
  await storm(stage, gadget);
}

/** Pulled out and plugged in again at any moment, also while its readers are just being opened. */
async function storm(stage: Stage, gadget: UsbGadget): Promise<void> {
  const random = new SeededRandom(17);
  await using counter = await Counter.open(datalogicReaders);
  await stage.claim('found by what it says of itself, both sides scan', () => bothScan(counter, gadget, 0));
  const backAfterMs: number[] = [];
  let filesAfterFirst = 0;
  await stage.claim(
    `after each of ${ROUNDS} rounds of pulling it out, both sides are back and scan`,
    async () => {
      for (let round = 1; round <= ROUNDS; round += 1) {
        const since = counter.statuses.length;
        const plugs = round % 3 === 0 ? 3 : 1;
        let unpluggedAt = 0;
        for (let plug = 0; plug < plugs; plug += 1) {
          unpluggedAt = counter.clock.now();
          gadget.unplug();
          await pause(counter, random.next() * 300);
          await gadget.plug();
          if (plug < plugs - 1) await pause(counter, random.next() * 1500);
        }
        const pluggedAtMs = counter.clock.monotonicMs();
        try {
          await counter.lost('hid', since, BACK_WITHIN_MS);
          await counter.lost('serial', since, BACK_WITHIN_MS);
          await bothScan(counter, gadget, round, unpluggedAt);
        } catch (error) {
          throw new Error(`in round ${round}`, { cause: error });
        }
        backAfterMs.push(counter.clock.monotonicMs() - pluggedAtMs);
        if (round === 3) filesAfterFirst = openFiles();
      }
    },
  );
  const files = openFiles();
  await stage.claim('no open file was left behind', () => {
    if (files > filesAfterFirst) throw new Error(`${filesAfterFirst} after round 3, ${files} after the last`);
  });
  const sorted = backAfterMs.toSorted((a, b) => a - b);
  const seconds = (at: number): string => ((sorted[at] ?? 0) / 1000).toFixed(1);
  await stage.figure(
    `from plugging in to the scans of both sides: median ${seconds(ROUNDS / 2)} s, longest ${seconds(ROUNDS - 1)} s; ` +
      `open files ${filesAfterFirst} after round 3, ${files} after round ${ROUNDS}; ` +
      `reopened hid ${counter.status('hid').counters.reopened}, serial ${counter.status('serial').counters.reopened} times; ` +
      `noise ${counter.status('hid').counters.noiseBytes} and ${counter.status('serial').counters.noiseBytes} bytes`,
  );
}

async function bothScan(
  counter: Counter,
  gadget: UsbGadget,
  round: number,
  openedAfter?: number,
): Promise<void> {
  await counter.steady('hid', BACK_WITHIN_MS, openedAfter);
  await counter.steady('serial', BACK_WITHIN_MS, openedAfter);
  await gadget.sendReports(...hidPosReports(']E0', text(`H${round}`)));
  await counter.scanned(`hid ]E0 H${round}`);
  await gadget.sendBytes(text(`]E0S${round}\r\n`));
  await counter.scanned(`serial ]E0 S${round}`);
  counter.noMore();
}

function pause({ clock }: Counter, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.schedule(delayMs, resolve));
}
