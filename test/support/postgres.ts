import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Closable } from '../../foundation/lifecycle.ts';

const PROGRAMS = '/usr/lib/postgresql';

/** A PostgreSQL of one's own, on a socket in a temporary folder, gone with `close`. */
export interface TestPostgres extends Closable {
  readonly url: string;
}

/** Starts PostgreSQL, or says why that is not possible on this machine. */
export async function startPostgres(): Promise<TestPostgres | { readonly missing: string }> {
  const bin = newestPrograms();
  if (bin === undefined) return { missing: `no PostgreSQL below ${PROGRAMS}` };
  const account = unprivileged();
  if (account === undefined)
    return { missing: 'PostgreSQL refuses to run as root, and there is no other user' };
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-pg-'));
  if (account.uid !== undefined && account.gid !== undefined) chownSync(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const options = { ...account, cwd: folder, stdio: 'ignore' as const };
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'test', '-A', 'trust', '-N', '--no-instructions'],
    options,
  );
  const server = spawn(
    join(bin, 'postgres'),
    ['-D', data, '-k', folder, '-h', '', '-c', 'fsync=off', '-c', 'max_connections=60'],
    options,
  );
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const ready = join(bin, 'pg_isready');
  for (let attempt = 0; ; attempt += 1) {
    try {
      execFileSync(ready, ['-h', folder, '-U', 'test', '-t', '5'], options);
      break;
    } catch (error) {
      if (attempt > 100 || server.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    url: `postgres://test@localhost/postgres?host=${encodeURIComponent(folder)}`,
    close: async () => {
      server.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function newestPrograms(): string | undefined {
  try {
    const [version] = readdirSync(PROGRAMS).sort((a, b) => Number(b) - Number(a));
    return version === undefined ? undefined : join(PROGRAMS, version, 'bin');
  } catch {
    return undefined;
  }
}

/** Whom to run as: oneself, or when that is root, an account that owns nothing. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } | undefined {
  if (process.getuid?.() !== 0) return {};
  try {
    const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}
