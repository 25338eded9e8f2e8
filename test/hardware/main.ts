import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { asError } from '../../foundation/errors.ts';
import { projectFile } from '../support/run-program.ts';
import { CannotBeHad } from './host/cannot-be-had.ts';
import { GuestMachine } from './host/guest-machine.ts';
import { makeInitrd } from './host/initrd.ts';
import { kernelFaults } from './host/kernel-faults.ts';
import { debianKernel } from './host/kernel.ts';
import { Results } from './host/results.ts';
import { run } from './host/run.ts';

const USAGE = `npm run test:hardware [-- --only WORD] [--console]

  Boots a Linux in QEMU, without KVM and without rights, plugs emulated readers into it and has the drivers read them.

  --only WORD   only the scenarios with this word in their names
  --minutes N   give the whole this long; a guest that is not through by then is ended (default 30)
  --console     show what the guest's kernel and programs print

Exit codes: 0 all claims held · 1 one did not, or the guest never came to its end · 77 nothing was tested, because QEMU
or the kernel cannot be had
`;
const FAILED = 1;
const NOT_TESTED = 77;
const MINUTE_MS = 60_000;
const CONSOLE_LINES = 60;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      minutes: { type: 'string', default: '30' },
      console: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  if (values.help || !(minutes > 0)) {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    return values.help ? 0 : FAILED;
  }
  await run('qemu-system-x86_64', ['--version'], { from: 'qemu-system-x86' });
  const cache = projectFile('.stammkunde/hardware');
  await mkdir(cache, { recursive: true });
  const kernel = await debianKernel(cache);
  const folder = await mkdtemp(join(tmpdir(), 'stammkunde-hardware-'));
  try {
    const initrd = await makeInitrd(kernel, folder, {
      STAMMKUNDE_PROJECT: projectFile('.').replace(/\/$/, ''),
      STAMMKUNDE_NODE: process.execPath,
      STAMMKUNDE_ONLY: values.only,
    });
    const results = new Results(process.stdout);
    results.begin(`Linux ${kernel.version} in QEMU, software emulation`);
    const machine = await GuestMachine.start({
      kernel,
      initrd,
      folder,
      onMessage: (message) => results.take(message),
    });
    const deadline = setTimeout(() => void machine.kill(), minutes * MINUTE_MS); // never rejects
    const stop = (): void => void machine.kill();
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    await machine.ended;
    clearTimeout(deadline);
    const held = results.conclude();
    if (!held || values.console) {
      const console = await readFile(join(folder, 'console.log'), 'latin1');
      const faults = kernelFaults(console);
      if (faults.length > 0)
        process.stdout.write(`\nWhat the guest's kernel says went wrong:\n${faults.join('\n')}\n`);
      const printed = console.split('\n');
      const shown = values.console ? printed : printed.slice(-CONSOLE_LINES);
      process.stdout.write(`\nWhat the guest printed:\n${shown.join('\n')}\n`);
    }
    return held ? 0 : FAILED;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof CannotBeHad) {
    process.stderr.write(`\nNOTHING WAS TESTED: ${error.message}\n`);
    process.exitCode = NOT_TESTED;
  } else {
    process.stderr.write(`${asError(error).stack ?? asError(error).message}\n`);
    process.exitCode = FAILED;
  }
}
