import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { sleep } from '../../foundation/clock.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { waitUntil } from '../../simulator/wait-until.ts';
import { projectFile } from '../support/run-program.ts';

/** As a service manager waits before it starts a program again. */
const RESTART_MS = 200;
const READY_DEADLINE_MS = 120_000;
const END_DEADLINE_MS = 20_000;

/**
 * One of the project's programs under a service manager: killed, or ended by itself, it is started again. Its input is
 * ours, so it ends when we are gone.
 */
export class FaultProcess implements Closable {
  readonly name: string;
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #logPath: string;
  readonly #clock: Clock;
  readonly #isReady: () => Promise<boolean>;
  readonly #imports: readonly string[];
  readonly #given: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #cancel: () => void = () => {};
  #wanted = true;
  #killed = false;
  /** Ends nobody asked for, by their exit code. */
  readonly fellOver: string[] = [];
  /** Added to the environment from the next start on. */
  env: Readonly<Record<string, string>> = {};

  constructor(options: {
    readonly name: string;
    readonly program: string;
    readonly args: readonly string[];
    readonly logPath: string;
    readonly clock: Clock;
    readonly isReady: () => Promise<boolean>;
    /** Modules that are loaded before the program. */
    readonly imports?: readonly string[];
    /** Added to the environment. */
    readonly given?: Readonly<Record<string, string>>;
  }) {
    this.name = options.name;
    this.#program = options.program;
    this.#args = options.args;
    this.#logPath = options.logPath;
    this.#clock = options.clock;
    this.#isReady = options.isReady;
    this.#imports = options.imports ?? [];
    this.#given = options.given ?? {};
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it answers. @throws Error when it does not within two minutes */
  async ready(): Promise<void> {
    await waitUntil(async () => ((await this.#isReady()) ? true : undefined), {
      clock: this.#clock,
      deadlineMs: READY_DEADLINE_MS,
      everyMs: 50,
      what: `${this.name}`,
    });
  }

  /** `kill -9`; it comes back by itself. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.#killed = true;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Stands still for a while, as a machine that swaps, and goes on as if nothing had been. */
  async freeze(forMs: number): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGSTOP');
    await sleep(this.#clock, forMs);
    child.kill('SIGCONT');
  }

  /** The opposite of {@link close}. */
  reopen(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#start();
  }

  async close(): Promise<void> {
    this.#wanted = false;
    this.#cancel();
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const cancel = this.#clock.schedule(END_DEADLINE_MS, () => child.kill('SIGKILL'));
    await gone;
    cancel();
  }

  #start(): void {
    const log = openSync(this.#logPath, 'a', 0o600);
    const child = spawn(
      process.execPath,
      [
        '--import',
        pathToFileURL(projectFile('bin/end-with-parent.js')).href,
        ...this.#imports.flatMap((path) => ['--import', pathToFileURL(path).href]),
        projectFile(this.#program),
        ...this.#args,
      ],
      { stdio: ['pipe', log, log], env: { ...process.env, ...this.#given, ...this.env } },
    );
    closeSync(log);
    child.stdin?.on('error', () => {});
    this.#child = child;
    child.once('exit', (code, signal) => {
      if (!this.#wanted) return;
      if (!this.#killed) this.fellOver.push(`${this.name}: ${signal ?? `exit code ${code ?? '?'}`}`);
      this.#killed = false;
      this.#cancel = this.#clock.schedule(RESTART_MS, () => this.#start());
    });
  }
}
