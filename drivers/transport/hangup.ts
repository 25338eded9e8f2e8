import { execFile } from 'node:child_process';
import { asError } from '../../foundation/errors.ts';

/** What a machine that is busy needs to start so small a program, ms. */
const STTY_DEADLINE_MS = 1000;

/**
 * Has the kernel leave DTR alone when the port at `path` is closed. Serial drivers of Linux start with HUPCL set, and
 * the serialport binding never clears it, whatever `hupcl` says; scanners that take DTR for power would restart each
 * time the daemon does. Linux only; elsewhere, and where there is no `stty`, nothing happens.
 * @returns why it could not be done, or undefined
 */
export async function leaveDtrOnClose(path: string): Promise<Error | undefined> {
  if (process.platform !== 'linux') return undefined;
  return new Promise((resolve) => {
    try {
      execFile('stty', [`--file=${path}`, '-hupcl'], { timeout: STTY_DEADLINE_MS }, (error) =>
        resolve(error ?? undefined),
      );
    } catch (error) {
      resolve(asError(error)); // a path with NUL in it
    }
  });
}
