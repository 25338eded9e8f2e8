// Started by hid-umockdev.test.ts where fake scanners are attached: prints what is found and scanned, as JSON lines.
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import type { Scan } from '../../../drivers/driver.ts';
import { DeviceMatch } from '../../../drivers/device-match.ts';
import { HidPosConfig } from '../../../drivers/protocol/hid-pos/config.ts';
import { hidPosDriver } from '../../../drivers/protocol/hid-pos/driver.ts';
import type { HidDevice } from '../../../drivers/transport/hid-device.ts';
import { listHid } from '../../../drivers/transport/hid-list.ts';
import { nodeHidDevice } from '../../../drivers/transport/hid.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ASK } from '../../support/umockdev.ts';
import { asText } from '../hex.ts';
import { Inbox } from '../inbox.ts';

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function main(): Promise<void> {
  const attached = await listHid();
  print(attached);
  for (const identity of attached) {
    const device = {
      vendorId: identity.vendorId.toString(16).padStart(4, '0'),
      productId: identity.productId.toString(16).padStart(4, '0'),
      serialNumber: identity.serialNumber,
    };
    const config = HidPosConfig.parse({ kind: 'hid-pos', id: 'counter', device });
    const open = nodeHidDevice(DeviceMatch.parse(device));
    const clock = new ManualClock();
    const closedAtOnce = await open({
      clock,
      signal: new AbortController().signal,
      onReport: () => {},
      onLost: (error) => print(error.code),
    });
    await closedAtOnce.close();
    const scans = new Inbox<Scan>();
    const arrived = new Inbox<Uint8Array>();
    let opened: HidDevice | undefined;
    const driver = await hidPosDriver(config, async (ports) => {
      opened = await open({
        ...ports,
        onReport: (report, atMonotonicMs) => {
          ports.onReport(report, atMonotonicMs);
          arrived.put(report);
        },
      });
      return opened;
    })({
      readerId: 'counter',
      clock,
      random: new SeededRandom(1),
      log: silentLog,
      signal: new AbortController().signal,
      onFrame: () => {},
      onScan: (scan) => scans.put(scan),
      onNoise: (noise) => print(noise),
      onLost: (error) => print(error.code),
    });
    await clock.advance(250);
    while (scans.items.length === 0) {
      await opened?.write(ASK);
      await arrived.next();
    }
    const { symbology, payload } = await scans.next();
    print({ symbology, payload: asText(payload) });
    // The last one stays open: a program must be able to end all the same.
    if (identity !== attached.at(-1)) {
      await driver.close();
      await opened?.close();
    }
  }
  process.exit(0);
}

await main();
