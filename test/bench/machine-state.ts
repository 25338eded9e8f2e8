import { availableParallelism, cpus, loadavg } from 'node:os';

/** What a figure depends on beside the program. */
export interface MachineState {
  readonly cores: number;
  readonly cpu: string;
  readonly node: string;
  readonly platform: string;
  /** Mean number of processes that wanted a core over the last minute, when the benchmark began. */
  readonly load1: number;
}

export function machineState(): MachineState {
  const [load1 = 0] = loadavg();
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    load1: Math.round(load1 * 100) / 100,
  };
}
