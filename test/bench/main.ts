import { asError } from '../../foundation/errors.ts';

/** Each benchmark by its name: what it is called with, and what runs it; only that one is loaded. */
const benches = new Map<
  string,
  { readonly usage: string; readonly load: () => Promise<(args: readonly string[]) => Promise<void>> }
>([
  [
    'identify',
    {
      usage: '[--customers N] [--scans N] [--json]',
      load: async () => (await import('./identify.ts')).identifyBench,
    },
  ],
  [
    'pass-through',
    { usage: '[--scans N] [--json]', load: async () => (await import('./pass-through.ts')).passThroughBench },
  ],
  [
    'replica',
    {
      usage: '[--documents N] [--peers NAME,…] [--json]',
      load: async () => (await import('./replica/replica.ts')).replicaBench,
    },
  ],
  [
    'storm',
    {
      usage: '[--customers N] [--changes N] [--json]',
      load: async () => (await import('./storm/storm.ts')).stormBench,
    },
  ],
  [
    'seed',
    {
      usage: '[--customers N] [--ways WAY;…] [--json]',
      load: async () => (await import('./seed/seed.ts')).seedBench,
    },
  ],
  [
    'journal',
    { usage: '[--entries N] [--json]', load: async () => (await import('./journal.ts')).journalBench },
  ],
  [
    'lookups',
    {
      usage: '[--customers N] [--lookups N] [--json]',
      load: async () => (await import('./lookups.ts')).lookupsBench,
    },
  ],
  [
    'intake',
    {
      usage: '[--sales N] [--customers N] [--workers N,…] [--json]',
      load: async () => (await import('./intake.ts')).intakeBench,
    },
  ],
  [
    'fleet',
    {
      usage: '[--tills N] [--customers N] [--every S] [--seconds S] [--broker embedded|mosquitto] [--json]',
      load: async () => (await import('./fleet.ts')).fleetBench,
    },
  ],
  [
    'latency',
    {
      usage: '[--sizes N,…] [--scans N] [--draw]',
      load: async () => (await import('./latency.ts')).latencyBench,
    },
  ],
]);

const [name = '', ...args] = process.argv.slice(2);
const bench = benches.get(name);
try {
  if (bench === undefined) {
    for (const [each, { usage }] of benches) process.stderr.write(`npm run bench -- ${each} ${usage}\n`);
    process.exitCode = 2;
  } else {
    await (
      await bench.load()
    )(args);
  }
} catch (error) {
  process.stderr.write(`${asError(error).message}\n`);
  process.exitCode = 1;
}
