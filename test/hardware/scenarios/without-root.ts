import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { hidPosReports } from '../../../simulator/readers/hid-reports.ts';
import { typed } from '../../../simulator/readers/keyboard-typist.ts';
import { keyboardDescriptor } from '../../drivers/hid/descriptors.ts';
import { text } from '../../drivers/hex.ts';
import { projectFile } from '../../support/run-program.ts';
import { AccountCounter, STAMMKUNDE } from '../guest/account.ts';
import { eventNodes } from '../guest/key-spy.ts';
import { eventually } from '../guest/stage.ts';
import type { Stage } from '../guest/stage.ts';
import { UsbGadget } from '../guest/usb-gadget.ts';
import { datalogic, datalogicReaders } from './composite-gadget.ts';

const RULES_FILE = '/etc/udev/rules.d/70-stammkunde-readers.rules';
const Report = z.array(
  z.object({
    usb: z.string().optional(),
    path: z.string().optional(),
    lacks: z.array(z.object({ what: z.string(), file: z.string().optional(), line: z.string().optional() })),
  }),
);

export async function withoutRoot(stage: Stage): Promise<void> {
  if (!existsSync('/run/udev/control')) {
    await stage.leftOut('there is no udev in this guest (Debian: apt-get install udev)');
    return;
  }
  using gadget = UsbGadget.make('plain', datalogic);
  await gadget.plug();
  await linked();
  const lines = await withoutRules(stage);
  await withRules(
    stage,
    gadget,
    'the lines that were printed, put into the file that was named',
    lines.join('\n'),
  );
  const ours = readFileSync(projectFile('deploy/udev/70-stammkunde-readers.rules'), 'utf8');
  await withRules(stage, gadget, 'the rules of deploy/udev', ours);
}

async function withoutRules(stage: Stage): Promise<readonly string[]> {
  rmSync(RULES_FILE, { force: true });
  await using counter = new AccountCounter(datalogicReaders);
  await stage.claim('without a rule, the daemon’s account gets DRV_PORT_DENIED on both', async () => {
    await counter.waiting('hid', 'DRV_PORT_DENIED');
    await counter.waiting('serial', 'DRV_PORT_DENIED');
  });
  return stage.claim('stammkunde-edge readers tells the lack and a udev line for each', () => {
    const printed = execFileSync(
      process.execPath,
      [projectFile('bin/stammkunde-edge.js'), 'readers', '--json'],
      { uid: STAMMKUNDE, gid: STAMMKUNDE, encoding: 'utf8' },
    );
    const lacks = Report.parse(JSON.parse(printed))
      .filter(({ usb }) => usb === '05f9:2203')
      .flatMap(({ lacks: all }) => all.filter(({ what }) => what === 'permission'));
    const told = lacks.flatMap(({ file, line }) => (file === RULES_FILE && line !== undefined ? [line] : []));
    if (told.length !== 2) throw new Error(printed);
    return told;
  });
}

async function withRules(stage: Stage, gadget: UsbGadget, which: string, rules: string): Promise<void> {
  await using counter = new AccountCounter(datalogicReaders);
  await counter.waiting('hid', 'DRV_PORT_DENIED');
  await counter.waiting('serial', 'DRV_PORT_DENIED');
  gadget.unplug();
  writeFileSync(RULES_FILE, `${rules}\n`);
  execFileSync('udevadm', ['control', '--reload']);
  try {
    const sinceMs = performance.now();
    await gadget.plug();
    await stage.claim(`with ${which}, a running daemon opens both once they are plugged in`, async () => {
      await counter.steady('hid');
      await counter.steady('serial');
    });
    await stage.figure(
      `ready ${((performance.now() - sinceMs - 500) / 1000).toFixed(1)} s after plugging in`,
    );
    await stage.claim('and both scan', async () => {
      await gadget.sendReports(...hidPosReports(']E0', text('H')));
      await counter.scanned('hid ]E0 H');
      await gadget.sendBytes(text(']E0S\r\n'));
      await counter.scanned('serial ]E0 S');
    });
    await stage.claim('the nodes are its group’s and nobody else’s', () => {
      for (const path of nodes()) {
        const { gid, mode } = statSync(path);
        if (gid !== STAMMKUNDE || (mode & 0o777) !== 0o660)
          throw new Error(`${path} is of group ${gid}, mode ${(mode & 0o777).toString(8)}`);
      }
    });
  } finally {
    rmSync(RULES_FILE);
    execFileSync('udevadm', ['control', '--reload']);
    gadget.unplug();
    await gadget.plug();
    await linked();
  }
}

/** A scanner in keyboard mode under the rules of deploy/udev. */
export async function exclusiveWithoutRoot(stage: Stage): Promise<void> {
  if (!existsSync('/run/udev/control')) {
    await stage.leftOut('there is no udev in this guest (Debian: apt-get install udev)');
    return;
  }
  const name = 'Wedge of the account';
  using gadget = UsbGadget.make('wedge', {
    vendorId: 0x05f9,
    productId: 0x2204,
    product: name,
    serialNumber: 'W2',
    controller: 0,
    hid: { descriptor: keyboardDescriptor, reportBytes: 8, keyboard: true },
  });
  writeFileSync(RULES_FILE, readFileSync(projectFile('deploy/udev/70-stammkunde-readers.rules'), 'utf8'));
  execFileSync('udevadm', ['control', '--reload']);
  try {
    await gadget.plug();
    const node = await eventually('its input device', () => eventNodes(name)[0], 10_000);
    await stage.claim('a desktop is told not to take its keys', () =>
      eventually(
        () => `LIBINPUT_IGNORE_DEVICE; udev knows ${propertiesOf(node)}`,
        () => (propertiesOf(node).includes('LIBINPUT_IGNORE_DEVICE=1') ? true : undefined),
        10_000,
      ),
    );
    await using counter = new AccountCounter([
      {
        kind: 'keyboard-wedge',
        id: 'wedge',
        device: { vendorId: '05f9', productId: '2204' },
        layout: 'de',
        exclusive: true,
      },
    ]);
    await stage.claim('the daemon’s account opens it exclusively', () => counter.steady('wedge'));
    await stage.claim('and reads it', async () => {
      await gadget.sendReports(...typed(']Q1Kunde z-y', { layout: 'de', suffix: 'enter' }));
      await counter.scanned('wedge ]Q1 Kunde z-y');
      if (eventNodes(name).length > 0) throw new Error('its input device is still there');
    });
  } finally {
    rmSync(RULES_FILE);
    execFileSync('udevadm', ['control', '--reload']);
  }
}

function propertiesOf(node: string): string {
  return execFileSync('udevadm', ['info', '--query=property', `/dev/input/${node}`], { encoding: 'utf8' });
}

/** udev is through with the device when its name is there. */
function linked(): Promise<true> {
  return eventually(
    '/dev/serial/by-id',
    () => (existsSync('/dev/serial/by-id') && readdirSync('/dev/serial/by-id').length > 0 ? true : undefined),
    10_000,
  );
}

function nodes(): readonly string[] {
  return readdirSync('/dev')
    .filter((name) => /^(?:hidraw|ttyACM)\d+$/.test(name))
    .map((name) => `/dev/${name}`);
}
