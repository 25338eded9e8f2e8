import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from '../../drivers/hex.ts';
import { Counter } from '../guest/counter.ts';
import { press } from '../guest/qemu-keyboard.ts';
import { eventually } from '../guest/stage.ts';
import type { Stage } from '../guest/stage.ts';

const HUBS = '/sys/bus/usb/drivers/hub';
const DROP_MS = 200;

export async function hubDrops(stage: Stage): Promise<void> {
  const before = hubs();
  const devices = [
    { driver: 'usb-hub', id: 'hub', port: '3' },
    { driver: 'usb-serial', id: 'hub-serial', chardev: 'serial', port: '3.1' },
    { driver: 'usb-kbd', id: 'hub-keyboard', port: '3.2' },
  ];
  for (const each of devices) await stage.machine('device_add', { ...each, bus: 'usb.0' });
  try {
    const hub = await eventually('the hub', () => hubs().find((each) => !before.includes(each)), 10_000);
    await using counter = await Counter.open([
      { kind: 'serial', id: 'serial', device: { vendorId: '0403', productId: '6001' } },
      { kind: 'keyboard-wedge', id: 'wedge', device: { vendorId: '0627', productId: '0001' } },
    ]);
    await stage.claim('two readers behind a hub scan', () => bothScan(stage, counter));
    const since = counter.statuses.length;
    writeFileSync(`${HUBS}/unbind`, hub);
    await new Promise<void>((resolve) => setTimeout(resolve, DROP_MS));
    writeFileSync(`${HUBS}/bind`, hub);
    const backAtMs = counter.clock.monotonicMs();
    await stage.claim(`the hub drops for ${DROP_MS} ms: both are lost`, async () => {
      await counter.lost('serial', since);
      await counter.lost('wedge', since);
    });
    await stage.claim('and both come back by themselves and scan', () => bothScan(stage, counter));
    await stage.figure(
      `from the hub’s return to the scans of both: ${((counter.clock.monotonicMs() - backAtMs) / 1000).toFixed(1)} s`,
    );
  } finally {
    for (const { id } of devices.toReversed()) await stage.machine('device_del', { id });
  }
}

async function bothScan(stage: Stage, counter: Counter): Promise<void> {
  await counter.steady('serial', 20_000);
  await counter.steady('wedge', 20_000);
  await stage.serial(text(']E04006381333931\r\n'));
  await counter.scanned('serial ]E0 4006381333931');
  await press(stage, ['4', '7', '1', '1', 'ret']);
  await counter.scanned('wedge - 4711');
  counter.noMore();
}

/** Interfaces such as `1-3:1.0` that the hub driver has, those of the controllers themselves left out. */
function hubs(): readonly string[] {
  return readdirSync(HUBS).filter(
    (name) =>
      /^\d+-[\d.]+:/.test(name) && readFileSync(`${HUBS}/${name}/bInterfaceClass`, 'latin1').trim() === '09',
  );
}
