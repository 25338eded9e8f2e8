import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Closable } from '../../foundation/lifecycle.ts';

/** How the tills of a worker hand in what they sold. */
export interface IntakeLoad {
  readonly tills: number;
  /** Sales of all tills of the worker together. */
  readonly sales: number;
  readonly batchEntries: number;
  /** Batches of a till without a receipt at one time. */
  readonly windowBatches: number;
  /** Sales a second of the worker, at moments chance decides; absent: as soon as the window allows. */
  readonly perSecond?: number;
}

export interface IntakeOrder {
  readonly databaseUrl: string;
  readonly identifierKey: string;
  readonly tenant: string;
  readonly worker: number;
  readonly customers: number;
  readonly at: number;
  readonly load: IntakeLoad;
  /** Done before it is ready, with tills of its own: programs are compiled while they run. */
  readonly warmUp: IntakeLoad;
  /** Instead of the intake: so many bare inserts of the same rows. */
  readonly floorTransactions?: number;
}

/** What a worker did once it was let go. */
export interface IntakeSample {
  readonly sales: number;
  /** Commits of the intake, or transactions of the floor. */
  readonly transactions: number;
  readonly bodyBytes: number;
  /** From handing a batch in to its receipt, of each batch. */
  readonly latenciesMs: readonly number[];
  readonly cpuMs: number;
}

export type IntakeReport =
  | { readonly said: 'ready' }
  | { readonly said: 'done'; readonly sample: IntakeSample };

/** A process with an intake in it, or with the floor. */
export class IntakeWorker implements Closable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, ended: Promise<unknown>) {
    this.#child = child;
    this.#ended = ended;
  }

  /** Resolves when it has made all it is going to hand in. */
  static async open(order: IntakeOrder): Promise<IntakeWorker> {
    const program = fileURLToPath(new URL('./intake-main.ts', import.meta.url));
    const child = fork(program, [JSON.stringify(order)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const worker = new IntakeWorker(child, new Promise((resolve) => child.once('exit', resolve)));
    await worker.#next('ready');
    return worker;
  }

  /** Lets it begin; resolves with what it did. */
  async run(): Promise<IntakeSample> {
    const next = this.#next('done');
    this.#child.send('go');
    const report = await next;
    if (report.said !== 'done') throw new Error('a worker said something else');
    return report.sample;
  }

  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended;
  }

  #next(said: IntakeReport['said']): Promise<IntakeReport> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void =>
        reject(new Error(`a worker ended with ${code ?? 'a signal'}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (message) => {
        this.#child.off('exit', onExit);
        // Only intake-main.ts of this same checkout writes to it.
        const report = message as IntakeReport;
        if (report.said === said) resolve(report);
        else reject(new Error(`a worker said ${report.said} instead of ${said}`));
      });
    });
  }
}
