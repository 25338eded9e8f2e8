import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { devNull } from 'node:os';
import { resolve } from 'node:path';
import { isatty } from 'node:tty';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Clock } from '../foundation/clock.ts';
import type { Closable } from '../foundation/lifecycle.ts';

/** How long a program may take to end by itself before it is killed, ms. */
const END_DEADLINE_MS = 10_000;
/** Lines of its log shown when it died, and how much of each. */
const LAST_LINES = 12;
const LINE_MAX = 300;

/** How a program ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * One of the project's own programs as a process of its own, its output in a log file. It is in a process group of its
 * own, so that Ctrl-C reaches the simulator alone, which ends its children in the right order; should the simulator be
 * killed, they notice and end by themselves.
 */
export class ChildProgram implements Closable {
  readonly name: string;
  readonly logPath: string;
  /** Settles when the process is gone, by itself or because it was told to. */
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  #ending: Ending | undefined;
  #closing: Promise<void> | undefined;

  private constructor(name: string, logPath: string, child: ChildProcess, clock: Clock) {
    this.name = name;
    this.logPath = logPath;
    this.#child = child;
    this.#clock = clock;
    // A child that is gone takes no more input; its ending says so.
    child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      const end = (ending: Ending): void => {
        this.#ending ??= ending;
        resolve(this.#ending);
      };
      child.once('exit', (code, signal) => end({ code, signal }));
      child.once('error', () => end({ code: null, signal: null }));
    });
  }

  /** @param options.program path of the script, absolute or from the project's root, such as `bin/stammkunde-edge.js` */
  static start(options: {
    readonly name: string;
    readonly program: string;
    readonly args: readonly string[];
    readonly logPath: string;
    readonly clock: Clock;
  }): ChildProgram {
    const log = openSync(options.logPath, 'a', 0o600);
    const nothing = openSync(devNull, 'r+');
    try {
      const child = spawn(
        process.execPath,
        [
          '--import',
          pathToFileURL(projectPath('bin/end-with-parent.js')).href,
          projectPath(options.program),
          ...options.args,
        ],
        { stdio: ['pipe', log, log, ...terminalsHiddenBy(nothing)], detached: true },
      );
      return new ChildProgram(options.name, options.logPath, child, options.clock);
    } finally {
      closeSync(log);
      closeSync(nothing);
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How it ended, or undefined while it runs. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** What it wrote last. */
  async lastLines(): Promise<string[]> {
    const text = await readFile(this.logPath, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-LAST_LINES);
  }

  /** One sentence on how it ended, and its last log lines. */
  async obituary(): Promise<string> {
    const ending = await this.ended;
    const how =
      ending.signal === null ? `ended with exit code ${ending.code ?? '?'}` : `was ended by ${ending.signal}`;
    const lines = (await this.lastLines()).map((line) => `    ${line.slice(0, LINE_MAX)}`);
    return [`${this.name} ${how}; the end of ${this.logPath}:`, ...lines].join('\n');
  }

  /** Ends it at once, as a power cut does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** Tells it to end (SIGTERM), and kills it when it has not after ten seconds. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ending !== undefined) return;
    this.#child.kill('SIGTERM');
    const cancel = this.#clock.schedule(END_DEADLINE_MS, () => this.#child.kill('SIGKILL'));
    await this.ended;
    cancel();
  }
}

/** A path from the project's root, in a checkout as in the published package; an absolute one stays as it is. */
function projectPath(path: string): string {
  const root = import.meta.url.endsWith('.ts') ? '../' : '../../';
  return resolve(fileURLToPath(new URL(root, import.meta.url)), path);
}

/**
 * What a child gets in place of the descriptors from 3 on, up to the last pseudo-terminal. Those are not closed when
 * another program is started, and a scanner's cable that a child also holds could never be pulled.
 */
function terminalsHiddenBy(nothing: number): number[] {
  if (process.platform === 'win32') return [];
  const terminals = readdirSync('/dev/fd')
    .map(Number)
    .filter((descriptor) => isatty(descriptor));
  return Array.from({ length: Math.max(2, ...terminals) - 2 }, () => nothing);
}
