import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Closable } from '../../../foundation/lifecycle.ts';
import { projectFile } from '../../support/run-program.ts';

export interface SeedServerOrder {
  readonly order: 'counts';
}

export type SeedServerReport =
  | {
      readonly said: 'ready';
      readonly database: string;
      readonly filledMs: number;
      readonly tenant: string;
      readonly mqttPort: number;
      readonly password: string;
      readonly publicKey: string;
    }
  | { readonly said: 'built'; readonly ms: number; readonly newChunks: number }
  /** Bytes that went to tills so far, as TCP carried them. */
  | { readonly said: 'counts'; readonly http: number; readonly mqtt: number };

type Ready = Extract<SeedServerReport, { said: 'ready' }>;
type Counts = Extract<SeedServerReport, { said: 'counts' }>;

/** The server of the benchmark, a process of its own. */
export class SeedServer implements Closable {
  readonly ready: Ready;
  /** How long the snapshot took to be made, ms; undefined before. */
  builtMs: number | undefined;
  readonly #child: ChildProcess;
  readonly #counts: ((counts: Counts) => void)[] = [];

  private constructor(child: ChildProcess, ready: Ready) {
    this.#child = child;
    this.ready = ready;
    child.on('message', (message) => {
      // Only seed-server-main.ts of this checkout writes to it.
      const report = message as SeedServerReport;
      if (report.said === 'built') this.builtMs ??= report.ms;
      else if (report.said === 'counts') this.#counts.shift()?.(report);
    });
  }

  /** Fills a database, which takes its time, and starts the server on it. */
  static async open(customers: number): Promise<SeedServer> {
    const child = fork(projectFile('test/bench/seed/seed-server-main.ts'), [String(customers)]);
    const ended = once(child, 'exit').then(() => {
      throw new Error('the server of the benchmark ended before it was ready');
    });
    // As above.
    const ready = once(child, 'message').then(([message]) => message as Ready);
    return new SeedServer(child, await Promise.race([ready, ended]));
  }

  counts(): Promise<Counts> {
    const { promise, resolve } = Promise.withResolvers<Counts>();
    this.#counts.push(resolve);
    this.#child.send({ order: 'counts' } satisfies SeedServerOrder);
    return promise;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}
