import { compositeGadget } from '../scenarios/composite-gadget.ts';
import { hidPosOverUhid } from '../scenarios/hid-pos-over-uhid.ts';
import { hubDrops } from '../scenarios/hub-drops.ts';
import {
  keyboardWedgeExclusive,
  keyboardWedgeOfQemu,
  keyboardWedgeShared,
} from '../scenarios/keyboard-wedge.ts';
import { twoEqualScanners } from '../scenarios/two-equal-scanners.ts';
import { unpluggedWithinAScan } from '../scenarios/unplugged-within-a-scan.ts';
import { usbSerialAdapter } from '../scenarios/usb-serial-adapter.ts';
import { withoutRoot } from '../scenarios/without-root.ts';
import { Stage } from './stage.ts';

const scenarios: readonly (readonly [string, (stage: Stage) => Promise<void>])[] = [
  ['hid-pos: a scanner of the kernel’s uhid', hidPosOverUhid],
  ['two equal scanners on one till', twoEqualScanners],
  ['a scanner pulled out in the middle of a code', unpluggedWithinAScan],
  ['keyboard wedge, shared with the operating system', keyboardWedgeShared],
  ['keyboard wedge, exclusive', keyboardWedgeExclusive],
  ['keyboard wedge, QEMU’s USB keyboard', keyboardWedgeOfQemu],
  ['FTDI adapter on a USB port', usbSerialAdapter],
  ['a hub that drops', hubDrops],
  ['without root, under udev’s rules', withoutRoot],
  ['HID and serial in one device, and a storm of plugging', compositeGadget],
];

const only = process.env['STAMMKUNDE_ONLY'] ?? '';
const stage = Stage.open();
for (const [name, play] of scenarios) {
  if (name.includes(only)) await stage.scenario(name, () => play(stage));
}
await stage.end();
process.exit(0);
