import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { SystemClock } from '../../foundation/clock.ts';
import { filledTill } from './cached-replica.ts';
import { machineState } from './machine-state.ts';
import { table } from './table.ts';

/** Ten million take five minutes of a processor that has nothing else to do. */
const DEADLINE_MS = 7_200_000;
/** Growth that is taken for noise of the collector and the allocator, MB for a million lookups. */
const SLOPE_MAX_MB = 0.5;

/** Memory of the process that looked up, after a full collection, in MB of a million bytes. */
export interface MemorySample {
  readonly lookups: number;
  readonly rssMb: number;
  readonly heapMb: number;
  readonly seconds: number;
}

/**
 * Whether the memory of a till grows with what it looked up: credentials and their customers, drawn evenly, through the
 * replica as the daemon has it, in a process of its own. The verdict is the slope of a straight line through the samples
 * from the first million on.
 */
export async function lookupsBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      customers: { type: 'string', default: '100000' },
      lookups: { type: 'string', default: '10000000' },
      json: { type: 'boolean', default: false },
      cache: { type: 'string', default: '.cache/bench' },
    },
  });
  const clock = new SystemClock();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const machine = machineState();
  const till = await filledTill(Number(values.customers), values.cache, { clock, say });
  say(`looking ${values.lookups} credentials up …`);
  const program = fileURLToPath(new URL('./lookups-main.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', program, till.dataFolder, values.customers, values.lookups],
    { timeout: DEADLINE_MS },
  );
  // The line was written by lookups-main.ts of this same checkout.
  const samples = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as readonly MemorySample[];
  const [, ...settled] = samples;
  const slope = {
    rssMbPerMillion: slopeOf(settled, ({ rssMb }) => rssMb),
    heapMbPerMillion: slopeOf(settled, ({ heapMb }) => heapMb),
  };
  const flat = slope.rssMbPerMillion <= SLOPE_MAX_MB && slope.heapMbPerMillion <= SLOPE_MAX_MB;
  const rows = samples.map(({ lookups, rssMb, heapMb, seconds }) => [
    String(lookups),
    rssMb.toFixed(1),
    heapMb.toFixed(2),
    seconds.toFixed(1),
  ]);
  const lines = [
    ...table([[`lookups; ${values.customers} customers`, 'RSS MB', 'heap MB', 's'], ...rows]),
    '',
    `growth for a million lookups, after the first: RSS ${slope.rssMbPerMillion} MB, heap ${slope.heapMbPerMillion} MB: ${
      flat ? 'flat' : 'it grows'
    } (bound ${SLOPE_MAX_MB} MB)`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (!flat) process.exitCode = 1;
  if (!values.json) return;
  const report = { bench: 'lookups', customers: Number(values.customers), samples, slope, flat, machine };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

/** Of the line of least squares, for a million lookups; 0 for fewer than two samples. */
function slopeOf(samples: readonly MemorySample[], value: (sample: MemorySample) => number): number {
  const mean = (of: (sample: MemorySample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const millions = (sample: MemorySample): number => sample.lookups / 1e6;
  const [x, y] = [mean(millions), mean(value)];
  const spread = samples.reduce((sum, sample) => sum + (millions(sample) - x) ** 2, 0);
  const common = samples.reduce((sum, sample) => sum + (millions(sample) - x) * (value(sample) - y), 0);
  return spread === 0 ? 0 : Math.round((common / spread) * 1_000) / 1_000;
}
