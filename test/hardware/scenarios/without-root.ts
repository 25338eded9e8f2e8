import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { listAttachedReaders } from '../../../drivers/attached-readers.ts';
import { hidPosReports } from '../../../simulator/readers/hid-reports.ts';
import { typed } from '../../../simulator/readers/keyboard-typist.ts';
import { keyboardDescriptor } from '../../drivers/hid/descriptors.ts';
import { text } from '../../drivers/hex.ts';
import { projectFile } from '../../support/run-program.ts';
import { AccountCounter, STAMMKUNDE, STEADY_MS } from '../guest/account.ts';
import { eventNodes } from '../guest/key-spy.ts';
import { eventually } from '../guest/stage.ts';
import type { Stage } from '../guest/stage.ts';
import { UsbGadget } from '../guest/usb-gadget.ts';
import type { UsbGadgetIdentity } from '../guest/usb-gadget.ts';
import { datalogic, datalogicReaders } from './composite-gadget.ts';

const RULES_FILE = '/etc/udev/rules.d/70-stammkunde-readers.rules';
const Report = z.array(
  z.object({
    usb: z.string().optional(),
    path: z.string().optional(),
    lacks: z.array(z.object({ what: z.string(), file: z.string().optional(), line: z.string().optional() })),
  }),
);

const WEDGE = 'Wedge of the account';
const UNREAD = 'Wedge of nobody';
const WEDGE_ON_A_CABLE: UsbGadgetIdentity = {
  vendorId: 0x05f9,
  productId: 0x2204,
  product: WEDGE,
  serialNumber: 'W2',
  controller: 1,
  hid: { descriptor: keyboardDescriptor, reportBytes: 8, keyboard: true },
};
const WEDGE_READER = {
  kind: 'keyboard-wedge',
  id: 'wedge',
  device: { vendorId: '05f9', productId: '2204' },
  layout: 'de',
  exclusive: true,
};

export async function withoutRoot(stage: Stage): Promise<void> {
  if (!existsSync('/run/udev/control')) {
    await stage.leftOut('there is no udev in this guest (Debian: apt-get install udev)');
    return;
  }
  using scanner = UsbGadget.make('plain', datalogic);
  using wedge = UsbGadget.make('wedge', WEDGE_ON_A_CABLE);
  await scanner.plug();
  await wedge.plug();
  await linked();
  rmSync(RULES_FILE, { force: true });
  await using counter = new AccountCounter([...datalogicReaders, WEDGE_READER]);
  await stage.claim('without a rule, the daemon’s account gets DRV_PORT_DENIED on all', () =>
    allDenied(counter),
  );
  const printed = await printedLines(stage);
  await underRules(
    stage,
    scanner,
    counter,
    'the lines that were printed, put into the file that was named',
    printed,
  );
  scanner.unplug();
  wedge.unplug();
  withRulesFile(undefined);
  await scanner.plug();
  await wedge.plug();
  await linked();
  await stage.claim('without them all are denied again', () => allDenied(counter));
  await underRules(stage, scanner, counter, 'the rules of deploy/udev', readFileSync(OURS, 'utf8'));
  await stage.claim('ModemManager is told to leave the serial side alone', async () => {
    const paths = (await nodesOf(0x05f9, 0x2203)).filter((path) => path.startsWith('/dev/tty'));
    const told = paths.map(propertiesOf).join('');
    if (!told.includes('ID_MM_DEVICE_IGNORE=1')) throw new Error(told);
  });
  await wedgeUnderRules(stage, wedge, counter);
  scanner.unplug();
  await desktopLeavesAlone(stage);
  withRulesFile(undefined);
}

const OURS = projectFile('deploy/udev/70-stammkunde-readers.rules');

async function allDenied(counter: AccountCounter): Promise<void> {
  for (const id of ['hid', 'serial', 'wedge']) await counter.waiting(id, 'DRV_PORT_DENIED');
}

async function printedLines(stage: Stage): Promise<string> {
  return stage.claim('stammkunde-edge readers tells the lack and a udev line for each', () => {
    const { stdout, stderr, status, signal } = spawnSync(
      process.execPath,
      [projectFile('bin/stammkunde-edge.js'), 'readers', '--json'],
      { uid: STAMMKUNDE, gid: STAMMKUNDE, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`it ended with ${signal ?? status}\n${stderr}${stdout}`);
    const lacks = Report.parse(JSON.parse(stdout))
      .filter(({ usb }) => usb === '05f9:2203')
      .flatMap(({ lacks: all }) => all.filter(({ what }) => what === 'permission'));
    const told = lacks.flatMap(({ file, line }) => (file === RULES_FILE && line !== undefined ? [line] : []));
    if (told.length !== 2) throw new Error(stdout);
    return told.join('\n');
  });
}

async function underRules(
  stage: Stage,
  scanner: UsbGadget,
  counter: AccountCounter,
  which: string,
  rules: string,
): Promise<void> {
  scanner.unplug();
  withRulesFile(rules);
  const sinceMs = performance.now();
  await scanner.plug();
  await stage.claim(`with ${which}, a running daemon opens both sides once plugged in`, async () => {
    await counter.steady('hid', sinceMs);
    await counter.steady('serial', sinceMs);
  });
  await stage.figure(
    `ready ${((performance.now() - sinceMs - STEADY_MS) / 1000).toFixed(1)} s after plugging in`,
  );
  await stage.claim('and both scan', async () => {
    await scanner.sendReports(...hidPosReports(']E0', text('H')));
    await counter.scanned('hid ]E0 H');
    await scanner.sendBytes(text(']E0S\r\n'));
    await counter.scanned('serial ]E0 S');
  });
  await stage.claim('the nodes are its group’s and nobody else’s', async () => {
    for (const path of await nodesOf(0x05f9, 0x2203)) {
      const { gid, mode } = statSync(path);
      if (gid !== STAMMKUNDE || (mode & 0o777) !== 0o660)
        throw new Error(`${path} is of group ${gid}, mode ${(mode & 0o777).toString(8)}`);
    }
  });
}

/** The scanner in keyboard mode, whose USB device itself has to be opened. */
async function wedgeUnderRules(stage: Stage, wedge: UsbGadget, counter: AccountCounter): Promise<void> {
  wedge.unplug();
  const sinceMs = performance.now();
  await wedge.plug();
  await stage.claim('the daemon’s account opens the wedge exclusively', () =>
    counter.steady('wedge', sinceMs),
  );
  await stage.claim('and reads it', async () => {
    await wedge.sendReports(...typed(']Q1Kunde z-y', { layout: 'de', suffix: 'enter' }));
    await counter.scanned('wedge ]Q1 Kunde z-y');
    if (eventNodes(WEDGE).length > 0) throw new Error('its input device is still there');
  });
  await counter.close(); // with SIGKILL, so that nothing is given back to the kernel's driver
  await using next = new AccountCounter([WEDGE_READER]);
  await stage.claim('a daemon started after one that was killed has the wedge again', async () => {
    await next.steady('wedge');
    await wedge.sendReports(...typed(']Q1Kunde z-y', { layout: 'de', suffix: 'enter' }));
    await next.scanned('wedge ]Q1 Kunde z-y');
  });
}

/** undefined: there are no rules of ours. */
function withRulesFile(rules: string | undefined): void {
  if (rules === undefined) rmSync(RULES_FILE, { force: true });
  else writeFileSync(RULES_FILE, `${rules}\n`);
  execFileSync('udevadm', ['control', '--reload']);
}

/** A scanner in keyboard mode that nobody reads, so that its input device stays. */
async function desktopLeavesAlone(stage: Stage): Promise<void> {
  using unread = UsbGadget.make('unread', {
    ...WEDGE_ON_A_CABLE,
    productId: 0x2205,
    product: UNREAD,
    controller: 0,
  });
  await unread.plug();
  let told = '';
  await stage.claim('a desktop is told not to take the keys of a wedge', () =>
    eventually(
      () => `LIBINPUT_IGNORE_DEVICE; udev knows ${told}`,
      () => {
        const [node] = eventNodes(UNREAD);
        if (node === undefined) return undefined;
        told = propertiesOf(`/dev/input/${node}`);
        return told.includes('LIBINPUT_IGNORE_DEVICE=1') ? true : undefined;
      },
      10_000,
    ),
  );
}

function propertiesOf(node: string): string {
  return execFileSync('udevadm', ['info', '--query=property', node], { encoding: 'utf8' });
}

/** udev is through with the device when its name is there. */
function linked(): Promise<true> {
  return eventually(
    '/dev/serial/by-id',
    () => (existsSync('/dev/serial/by-id') && readdirSync('/dev/serial/by-id').length > 0 ? true : undefined),
    10_000,
  );
}

async function nodesOf(vendorId: number, productId: number): Promise<readonly string[]> {
  const { readers } = await listAttachedReaders();
  const paths = readers
    .filter((each) => each.vendorId === vendorId && each.productId === productId)
    .flatMap(({ path }) => (path === undefined ? [] : [path]));
  if (paths.length !== 2) throw new Error(`its nodes are ${paths.join(', ')}`);
  return paths;
}
