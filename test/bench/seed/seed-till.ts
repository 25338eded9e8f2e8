import { fork } from 'node:child_process';
import { once } from 'node:events';
import { projectFile } from '../../support/run-program.ts';

/** `prepare` only waits until the server has a snapshot. */
export type SeedWay = 'prepare' | 'snapshot, HTTP' | 'snapshot, MQTT' | 'pages';

export interface SeedTillOrder {
  readonly way: SeedWay;
  readonly tenant: string;
  readonly mqttPort: number;
  readonly password: string;
  readonly publicKey: string;
}

export interface SeedTillReport {
  /** From an empty folder to a complete replica that serves. */
  readonly seconds: number;
  /** What all threads of the till's process used of the processors meanwhile. */
  readonly cpuSeconds: number;
  readonly documents: number;
  readonly chunks: number;
  /** Delay of the event loop of the thread that answers lookups. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  /** Of the till's whole process at the end, in MB of a million bytes. */
  readonly rssMb: number;
}

/** Runs an empty till, a process of its own, until its replica is complete. */
export async function runSeedTill(order: SeedTillOrder): Promise<SeedTillReport> {
  const child = fork(projectFile('test/bench/seed/seed-till-main.ts'));
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the till ended with ${String(code)}`);
  });
  child.send(order);
  // Only seed-till-main.ts of this checkout writes to it.
  const report = once(child, 'message').then(([message]) => message as SeedTillReport);
  // The one that comes second is nobody's concern.
  ended.catch(() => {});
  return Promise.race([report, ended]);
}
