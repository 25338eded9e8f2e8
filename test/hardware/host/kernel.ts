import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CannotBeHad } from './cannot-be-had.ts';
import { run } from './run.ts';

/** A kernel and the folder of its modules. */
export interface Kernel {
  readonly version: string;
  readonly image: string;
  readonly modules: string;
}

/**
 * Debian's kernel, fetched with apt once and kept unpacked in `cache`. Not the one for clouds: it has no USB.
 * @throws CannotBeHad where there is no apt or no network
 */
export async function debianKernel(cache: string): Promise<Kernel> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new CannotBeHad(`the guest is a Linux for x64, and this is ${process.platform} on ${process.arch}`);
  const kept = await unpackedIn(cache);
  if (kept !== undefined) return kept;
  const depends = await run('apt-cache', ['depends', 'linux-image-amd64']);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined)
    throw new CannotBeHad('apt knows no kernel for linux-image-amd64; try apt-get update');
  const fetching = join(cache, 'fetching');
  await rm(fetching, { recursive: true, force: true });
  await mkdir(fetching, { recursive: true });
  await run('apt-get', ['-qq', 'download', name], { folder: fetching });
  const file = (await readdir(fetching)).find((each) => each.endsWith('.deb'));
  if (file === undefined) throw new CannotBeHad(`apt-get download ${name} brought nothing`);
  const root = join(fetching, 'root');
  await run('dpkg-deb', ['-x', join(fetching, file), root]);
  await run('depmod', ['-b', root, name.replace('linux-image-', '')], { from: 'kmod' });
  await rm(join(cache, 'kernel'), { recursive: true, force: true });
  await rename(root, join(cache, 'kernel'));
  await rm(fetching, { recursive: true });
  const fetched = await unpackedIn(cache);
  if (fetched === undefined) throw new CannotBeHad(`${name} holds no kernel`);
  return fetched;
}

async function unpackedIn(cache: string): Promise<Kernel | undefined> {
  const lib = join(cache, 'kernel', 'lib', 'modules');
  const [version] = existsSync(lib) ? await readdir(lib) : [];
  if (version === undefined) return undefined;
  const image = join(cache, 'kernel', 'boot', `vmlinuz-${version}`);
  return existsSync(image) ? { version, image, modules: join(lib, version) } : undefined;
}
