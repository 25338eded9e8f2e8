import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Kernel } from './kernel.ts';
import { run } from './run.ts';

/** What the guest needs of its kernel, with parameters; what each of them needs is added. */
const WANTED = (
  'virtio_pci virtio_console 9pnet_virtio 9p overlay configfs ' +
  'hid-generic usbhid uhid evdev xhci-pci cdc-acm ftdi_sio dummy_hcd libcomposite usb_f_hid usb_f_acm'
).split(' ');
/** Two controllers, so that two gadgets can be plugged in at once. */
const PARAMETERS: Readonly<Record<string, string>> = { dummy_hcd: ' num=2' };

/**
 * Makes the guest's first file system: busybox, the modules in the order they are loaded, and how to begin.
 * @param environment of what the guest runs
 * @throws CannotBeHad
 */
export async function makeInitrd(
  kernel: Kernel,
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const root = join(folder, 'initrd');
  await rm(root, { recursive: true, force: true });
  await mkdir(join(root, 'modules'), { recursive: true });
  await mkdir(join(root, 'bin'));
  const busybox = (await run('which', ['busybox'], { from: 'busybox-static' })).trim();
  await copyFile(busybox, join(root, 'bin', 'busybox'));
  await copyFile(fileURLToPath(new URL('../guest/init.sh', import.meta.url)), join(root, 'init'));
  await chmod(join(root, 'init'), 0o755);
  const modules = loadingOrder(await readFile(join(kernel.modules, 'modules.dep'), 'utf8'));
  for (const module of modules) {
    const copy = join(root, 'modules', basename(module));
    await copyFile(join(kernel.modules, module), copy);
    if (copy.endsWith('.xz')) await run('xz', ['-d', copy], { from: 'xz-utils' });
  }
  const names = modules.map(
    (module) => `${basename(module).replace(/\.xz$/, '')}${PARAMETERS[plain(module)] ?? ''}`,
  );
  await writeFile(join(root, 'modules', 'order'), `${names.join('\n')}\n`);
  const exports = Object.entries(environment).map(
    ([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`,
  );
  await writeFile(join(root, 'environment'), exports.join(''));
  const file = join(folder, 'initrd.cpio');
  await run('sh', ['-c', `find . | cpio --quiet -o -H newc > '${file.replaceAll("'", `'\\''`)}'`], {
    folder: root,
    from: 'cpio',
  });
  return file;
}

/** `modules.dep` has a line for each module: its file, and all it needs, the nearest first. */
function loadingOrder(modulesDep: string): readonly string[] {
  const needs = new Map<string, { readonly file: string; readonly needed: readonly string[] }>();
  for (const line of modulesDep.split('\n')) {
    const [file, rest] = line.split(':');
    if (file === undefined || rest === undefined) continue;
    needs.set(plain(file), {
      file,
      needed: rest
        .trim()
        .split(' ')
        .filter((each) => each !== ''),
    });
  }
  const order = new Set<string>();
  for (const name of WANTED) {
    const module = needs.get(plain(name));
    if (module === undefined) continue; // built into this kernel
    for (const needed of module.needed.toReversed()) order.add(needed);
    order.add(module.file);
  }
  return [...order];
}

function plain(module: string): string {
  return basename(module)
    .replace(/\.ko(?:\.xz)?$/, '')
    .replaceAll('-', '_');
}
