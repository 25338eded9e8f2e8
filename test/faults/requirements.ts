import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findMosquitto, NO_MOSQUITTO } from '../support/mosquitto.ts';

const POSTGRES = '/usr/lib/postgresql';

/** What is installed that the faults are made with. */
export interface Installed {
  readonly mosquitto: string;
  /** Folder of PostgreSQL's programs. */
  readonly postgres: string;
  /** Library that makes a process believe in another time; undefined: those faults are left out. */
  readonly faketime: string | undefined;
  /** Whether a file system can be mounted; without it the full disk is left out. */
  readonly canMount: boolean;
}

/** @returns what there is, or what is missing that nothing can be done without */
export function findInstalled(): Installed | { readonly missing: readonly string[] } {
  const mosquitto = findMosquitto();
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES) : [];
  const [version] = versions.toSorted((a, b) => Number(b) - Number(a));
  if (mosquitto === undefined || version === undefined) {
    return {
      missing: [
        ...(mosquitto === undefined ? [NO_MOSQUITTO] : []),
        ...(version === undefined ? ['no PostgreSQL installed (apt-get install postgresql)'] : []),
      ],
    };
  }
  const faketime = ['/usr/lib', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu']
    .map((folder) => join(folder, 'faketime/libfaketime.so.1'))
    .find((path) => existsSync(path));
  const canMount = process.platform === 'linux' && process.getuid?.() === 0;
  return { mosquitto, postgres: join(POSTGRES, version, 'bin'), faketime, canMount };
}
