import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { SystemClock } from '../../foundation/clock.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { findInstalled } from '../faults/requirements.ts';
import { IntakeBase } from './intake-base.ts';
import { IntakeWorker } from './intake-worker.ts';
import type { IntakeLoad, IntakeOrder, IntakeSample } from './intake-worker.ts';
import { machineState } from './machine-state.ts';
import { percentiles, round } from './percentiles.ts';
import type { Percentiles } from './percentiles.ts';
import { table } from './table.ts';

const TENANT = 'bench';
/** Tills that were away for long, of all workers together: full batches, as many on their way as a till sends. */
const CATCHING_UP = { tills: 40, batchEntries: 200, windowBatches: 4 };
/** Tills that hand in each sale as it is made, and the next with the receipt of the one before. */
const LIVE = { tills: 1_000, batchEntries: 1, windowBatches: 1 };
/** Of each worker, before anything is measured. */
const WARM_UP: IntakeLoad = { tills: 10, sales: 4_000, batchEntries: 100, windowBatches: 2 };
/** Of what the live tills get through when they never rest. */
const PACE = 0.5;

/** What one load did, beside a bare insert of the same rows in as many transactions and processes. */
interface IntakeReport {
  readonly shape: 'catching up' | 'live' | 'live, half as fast';
  readonly workers: number;
  readonly tills: number;
  readonly sales: number;
  readonly salesPerSecond: number;
  readonly transactions: number;
  /** Sales a second of the floor; null where the pace was given. */
  readonly floorPerSecond: number | null;
  /** How many times as long as the floor. */
  readonly ratio: number | null;
  /** From handing a batch in to its receipt. */
  readonly latency: Percentiles;
  /** Of the workers' own processes, of all cores; PostgreSQL's is not in it. */
  readonly workersCpu: number;
  readonly bodyBytesMean: number;
  /** The database held each sale once, and its postings added up to nothing. */
  readonly sound: boolean;
}

/**
 * Sales into journal and ledger of a PostgreSQL that syncs each commit, by one and by several intakes, each in a process
 * of its own. There is no broker: each worker has its own share of the tills, and what they hand in was sealed, packed
 * and compressed before.
 */
export async function intakeBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sales: { type: 'string', default: '20000' },
      customers: { type: 'string', default: '50000' },
      workers: { type: 'string', default: '1,2,4' },
      json: { type: 'boolean', default: false },
    },
  });
  const installed = findInstalled();
  if (!('postgres' in installed)) throw new Error(installed.missing.join('; '));
  const machine = machineState();
  const clock = new SystemClock();
  const identifierKey = Buffer.from(new SystemRandom().bytes(32));
  const customers = Number(values.customers);
  const sales = Number(values.sales);
  const at = clock.now();
  const indexer = new BlindIndexer(identifierKey, TENANT);
  process.stderr.write(`${customers} customers …\n`);
  const base = await IntakeBase.open(installed.postgres, { customers, indexer, at }, clock);
  try {
    const common = { identifierKey: identifierKey.toString('base64url'), tenant: TENANT, customers, at };
    const reports: IntakeReport[] = [];
    for (const workers of values.workers.split(',').map(Number)) {
      process.stderr.write(`${workers} worker(s) …\n`);
      const of = (load: Omit<IntakeLoad, 'sales'>, all: number): IntakeLoad => ({
        ...load,
        tills: Math.ceil(load.tills / workers),
        sales: Math.floor(all / workers),
      });
      const measured = { base, workers, common, clock };
      reports.push(await measure({ ...measured, shape: 'catching up', load: of(CATCHING_UP, sales) }));
      const live = await measure({ ...measured, shape: 'live', load: of(LIVE, sales / 2) });
      const perSecond = Math.round((PACE * live.salesPerSecond) / workers);
      const paced = { ...of(LIVE, sales / 4), perSecond };
      reports.push(live, await measure({ ...measured, shape: 'live, half as fast', load: paced }));
    }
    if (values.json) {
      for (const report of reports) {
        const comparedWith = 'bare unnest insert';
        process.stdout.write(`${JSON.stringify({ bench: 'intake', ...report, comparedWith, machine })}\n`);
      }
    }
    process.stdout.write(`${lines(reports).join('\n')}\n`);
    if (reports.some(({ sound }) => !sound)) throw new Error('the ledger does not hold what was handed in');
  } finally {
    await base.close();
  }
}

interface Measured {
  readonly base: IntakeBase;
  readonly workers: number;
  readonly common: Pick<IntakeOrder, 'identifierKey' | 'tenant' | 'customers' | 'at'>;
  readonly clock: SystemClock;
  readonly shape: IntakeReport['shape'];
  readonly load: IntakeLoad;
}

async function measure({ base, workers, common, clock, shape, load }: Measured): Promise<IntakeReport> {
  const all = { sales: load.sales * workers, tills: load.tills * workers };
  const { done, sound } = await base.withCopy(async (databaseUrl) => {
    const orders = range(workers).map((worker) => ({
      ...common,
      databaseUrl,
      worker,
      load,
      warmUp: WARM_UP,
    }));
    const done = await together(orders, clock);
    return { done, sound: await holds(databaseUrl, all.sales + WARM_UP.sales * workers) };
  });
  const floor =
    load.perSecond === undefined
      ? await base.withCopy(async (databaseUrl) => {
          await makeFloor(databaseUrl);
          const orders = range(workers).map((worker) => ({
            ...common,
            databaseUrl,
            worker,
            load,
            warmUp: WARM_UP,
            floorTransactions: done.samples[worker]?.transactions ?? 1,
          }));
          return together(orders, clock);
        })
      : undefined;
  const sum = (of: (sample: IntakeSample) => number): number =>
    done.samples.reduce((total, each) => total + of(each), 0);
  const perSecond = (ms: number): number => Math.round((all.sales * 1_000) / ms);
  return {
    shape,
    workers,
    ...all,
    salesPerSecond: perSecond(done.tookMs),
    transactions: sum(({ transactions }) => transactions),
    floorPerSecond: floor === undefined ? null : perSecond(floor.tookMs),
    ratio: floor === undefined ? null : Math.round((100 * done.tookMs) / floor.tookMs) / 100,
    latency: percentiles(done.samples.flatMap(({ latenciesMs }) => latenciesMs)),
    workersCpu: Math.round((100 * sum(({ cpuMs }) => cpuMs)) / done.tookMs) / 100,
    bodyBytesMean: Math.round(sum(({ bodyBytes }) => bodyBytes) / all.sales),
    sound,
  };
}

/** All workers ready, then all let go at once; until the last is done. */
async function together(
  orders: readonly IntakeOrder[],
  clock: SystemClock,
): Promise<{ readonly samples: readonly IntakeSample[]; readonly tookMs: number }> {
  const opening = await Promise.allSettled(orders.map((order) => IntakeWorker.open(order)));
  const workers = opening.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  try {
    const failed = opening.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const startedMs = clock.monotonicMs();
    const samples = await Promise.all(workers.map((worker) => worker.run()));
    return { samples, tookMs: clock.monotonicMs() - startedMs };
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
  }
}

/** The journal's own columns and keys, without its further indexes and triggers. */
async function makeFloor(url: string): Promise<void> {
  await query(
    url,
    `create table floor_journal (till text not null, incarnation uuid not null, seq bigint not null,
       id uuid not null unique, at bigint not null, prev_hash text not null, hash text not null, body text not null,
       verdict text not null, code text, received_at bigint not null, primary key (till, incarnation, seq))`,
  );
}

async function holds(url: string, sales: number): Promise<boolean> {
  const rows = await query(
    url,
    `select (select count(*) from till_journal)::int as entries,
       (select count(distinct idempotency_key) from ledger_transaction where kind = 'sale')::int as sales,
       (select coalesce(sum(points), 0) from ledger_posting)::int as sum,
       (select coalesce(sum(points), 0) from ledger_posting where points > 0)::int as points`,
  );
  const [{ entries = 0, sales: posted = 0, sum = 0, points = 0 } = {}] = rows;
  return entries === sales && posted === sales && sum === 0 && points > 0;
}

async function query(url: string, text: string): Promise<readonly Readonly<Record<string, number>>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, number>>(text)).rows;
  } finally {
    await client.end();
  }
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function lines(reports: readonly IntakeReport[]): string[] {
  const rows = reports.map((report) => [
    `${report.shape}, ${report.workers} worker${report.workers === 1 ? '' : 's'}`,
    String(report.tills),
    String(report.sales),
    String(report.transactions),
    String(report.salesPerSecond),
    report.floorPerSecond === null ? '' : String(report.floorPerSecond),
    report.ratio === null ? '' : `${report.ratio.toFixed(2)}×`,
    round(report.latency.p50Ms).toFixed(1),
    round(report.latency.p99Ms).toFixed(1),
    report.workersCpu.toFixed(2),
    report.sound ? 'yes' : 'NO',
  ]);
  const head = [
    'tills',
    'sales',
    'commits',
    'sales/s',
    'floor/s',
    'time / floor',
    'receipt p50',
    'p99',
    'cores',
  ];
  return [
    ...table([[`${reports[0]?.bodyBytesMean ?? 0} bytes a sale; ms`, ...head, 'sound'], ...rows]),
    '',
    'floor: the same rows into one table with the same keys, by unnest, in as many transactions and processes. receipt:',
    'from handing a batch in to its signed receipt, without a broker. cores: of the workers, without PostgreSQL’s.',
    `PostgreSQL with fsync, ${IntakeBase.settings.join(', ')}.`,
    '',
  ];
}
