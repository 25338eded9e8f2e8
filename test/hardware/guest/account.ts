import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { z } from 'zod';
import { projectFile } from '../../support/run-program.ts';
import { eventually } from './stage.ts';

/** The account begin.sh made for the daemon: in no group but its own. */
export const STAMMKUNDE = 4711;

const Said = z.object({
  status: z
    .object({
      readerId: z.string(),
      kind: z.string(),
      since: z.number().optional(),
      code: z.string().optional(),
    })
    .optional(),
  scan: z.string().optional(),
});

/** Emulated, a Node.js takes half a minute to load the drivers, and several where the machine does other things too. */
const STARTED_WITHIN_MS = 600_000;
export const STEADY_MS = 500;

interface Status {
  readonly kind: string;
  readonly code?: string;
  readonly atMs: number;
}

/** Another account's own counter, in a process of that account. */
export class AccountCounter {
  readonly #process: ChildProcess;
  readonly #statuses = new Map<string, Status>();
  readonly #scans: string[] = [];
  #begun = '';
  #ended: string | undefined;

  constructor(readers: readonly Readonly<Record<string, unknown>>[]) {
    this.#process = spawn(
      process.execPath,
      [projectFile('test/hardware/guest/readers-of-account.ts'), JSON.stringify(readers)],
      { uid: STAMMKUNDE, gid: STAMMKUNDE, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#process.once('exit', (code, signal) => (this.#ended = String(signal ?? code)));
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#begun + text).split('\n');
      this.#begun = lines.pop() ?? '';
      for (const line of lines) this.#hear(Said.parse(JSON.parse(line)));
    });
  }

  async waiting(readerId: string, code: string): Promise<void> {
    await eventually(
      () => `${readerId} to be waiting with ${code}; it is ${JSON.stringify(this.#statuses.get(readerId))}`,
      () => (this.#statusOf(readerId)?.code === code ? true : undefined),
      STARTED_WITHIN_MS,
    );
  }

  /**
   * Waits until it has been ready for so long that what arrives is no longer taken for left over.
   * @param afterMs monotonic; only what was told after it counts
   */
  async steady(readerId: string, afterMs = 0): Promise<void> {
    await eventually(
      () => `${readerId} to stay ready; it is ${JSON.stringify(this.#statuses.get(readerId))}`,
      () => {
        const status = this.#statusOf(readerId);
        if (status?.kind !== 'ready' || status.atMs < afterMs) return undefined;
        return performance.now() - status.atMs > STEADY_MS ? true : undefined;
      },
      STARTED_WITHIN_MS, // it may only be starting
    );
  }

  async scanned(expected: string): Promise<void> {
    const got = await eventually('a scan', () => this.#scans.shift(), 5000);
    if (got !== expected) throw new Error(`expected ${expected}, got ${got}`);
  }

  /** @throws Error when the process ended by itself, for nothing more is going to come of it */
  #statusOf(readerId: string): Status | undefined {
    if (this.#ended !== undefined) throw new Error(`the process of the account ended with ${this.#ended}`);
    return this.#statuses.get(readerId);
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()));
    this.#process.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #hear({ status, scan }: z.output<typeof Said>): void {
    if (scan !== undefined) this.#scans.push(scan);
    if (status === undefined) return;
    const { readerId, kind, code } = status;
    this.#statuses.set(readerId, {
      kind,
      ...(code === undefined ? {} : { code }),
      atMs: performance.now(),
    });
  }
}
