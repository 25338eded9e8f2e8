import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CannotBeHad } from './cannot-be-had.ts';

const execute = promisify(execFile);

/**
 * Runs a program to its end.
 * @returns what it printed
 * @throws CannotBeHad when there is no such program, or it does not succeed
 */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly folder?: string; readonly from?: string } = {},
): Promise<string> {
  try {
    const { stdout } = await execute(program, [...args], {
      ...(options.folder === undefined ? {} : { cwd: options.folder }),
      maxBuffer: 64 * 1024 * 1024,
      timeout: 120_000,
    });
    return stdout;
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const advice = options.from === undefined ? '' : ` (Debian: apt-get install ${options.from})`;
    throw new CannotBeHad(
      missing
        ? `${program} is not installed${advice}`
        : `${program} ${args.join(' ')} failed: ${textOf(error)}`,
      { cause: error },
    );
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'stderr' in error && typeof error.stderr === 'string' && error.stderr !== ''
    ? error.stderr.trim()
    : error.message;
}
