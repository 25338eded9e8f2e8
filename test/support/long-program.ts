import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { projectFile } from './run-program.ts';

/** A program of the project that runs until it is told to end, and all it says. */
export class LongProgram {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  #said = '';
  readonly #watchers = new Set<() => void>();

  constructor(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [projectFile(script), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text;
        for (const watcher of this.#watchers) watcher();
      });
    }
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code) => {
        resolve(code);
        for (const watcher of this.#watchers) watcher();
      });
    });
  }

  /** Standard output and standard error so far. */
  get said(): string {
    return this.#said;
  }

  /** The first group of `pattern`, once it was said. @throws Error when the program ends before */
  says(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(this.#said);
        if (match === null && this.#child.exitCode === null) return;
        this.#watchers.delete(look);
        if (match === null)
          reject(new Error(`it ended without saying ${pattern}: ${this.#said.slice(-2_000)}`));
        else resolve(match[1] ?? match[0]);
      };
      this.#watchers.add(look);
      look();
    });
  }

  async end(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended;
  }
}
