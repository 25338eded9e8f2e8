import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { StammkundeError } from '../../foundation/errors.ts';

/** A file that says which process works on something. Released by `release`, or taken over once that process is gone. */
export interface ProcessLock {
  release(): void;
}

/**
 * Takes the lock file for this process. A file left by a process that no longer runs is taken over; the start time
 * beside the process id tells a new process with an old id from the one that held the lock.
 * @throws StammkundeError DATA_IN_USE when a living process holds it · DATA_UNWRITABLE
 */
export function acquireProcessLock(path: string): ProcessLock {
  const mine = `${process.pid} ${startTimeOf(process.pid) ?? ''}`.trim();
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw new StammkundeError('DATA_UNWRITABLE', `${dirname(path)} cannot be created`, { cause: error });
  }
  // The second round follows a take-over; a third would mean that others are racing for the same folder.
  for (let round = 0; round < 2; round += 1) {
    if (create(path, mine)) {
      return {
        release: () => {
          if (read(path) === mine) rmSync(path, { force: true });
        },
      };
    }
    const holder = read(path);
    if (holder !== undefined && isAlive(holder)) break;
    rmSync(path, { force: true });
  }
  throw new StammkundeError('DATA_IN_USE', `${path} is held by process ${read(path)?.split(' ')[0] ?? '?'}`);
}

function create(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw new StammkundeError('DATA_UNWRITABLE', `${path} cannot be written`, { cause: error });
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function isAlive(holder: string): boolean {
  const [pid = '', startTime] = holder.split(' ');
  if (!/^\d+$/.test(pid)) return false;
  const now = startTimeOf(Number(pid));
  if (now !== undefined && startTime !== undefined) return now === startTime;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to someone else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Clock ticks after boot at which a process started (proc(5), /proc/PID/stat field 22); undefined off Linux. */
function startTimeOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // Field 2 is the command in parentheses and may hold anything, so fields are counted from the last ')'.
  return stat
    ?.slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .at(19);
}
