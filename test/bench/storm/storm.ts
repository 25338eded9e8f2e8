import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SystemClock, sleep } from '../../../foundation/clock.ts';
import type { Clock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { Population } from '../../../simulator/population.ts';
import { waitUntil } from '../../../simulator/wait-until.ts';
import { BenchTill } from '../bench-till.ts';
import type { MeasuredScan } from '../bench-till.ts';
import { filledTill } from '../cached-replica.ts';
import type { FilledTill } from '../cached-replica.ts';
import { machineState } from '../machine-state.ts';
import { percentiles, round } from '../percentiles.ts';
import type { Percentiles } from '../percentiles.ts';
import { drawnCards } from '../presented-cards.ts';
import type { PresentedCard } from '../presented-cards.ts';
import { table } from '../table.ts';
import { StormServer } from './storm-server.ts';

const WARM_UP_SCANS = 500;
/** Scans of a quiet phase. */
const QUIET_SCANS = 2_000;
/** A phase that is not over by then is measured up to there, and told as such. */
const PHASE_MAX_MS = 120_000;
/** A till compares a collection at most once a minute: with none after so long it makes none. */
const COMPARED_WITHIN_MS = 75_000;
/** With nothing more asked for so long, it has compared and repaired all. */
const SILENT_MS = 2_000;
/** Documents that differ from the server's without the feed having said so. */
const UNSEEN = 100;
const REPORT_DEADLINE_MS = 10_000;

/** What the event loop of the serving thread did in a phase, and its process's memory at the end of it. */
interface ServingThread {
  readonly nth: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly rssMb: number;
  readonly heapMb: number;
}

interface PhaseReport {
  readonly phase: string;
  readonly scans: number;
  readonly seconds: number;
  /** Whether what it is named for came to its end. */
  readonly complete: boolean;
  /** From the last byte to the decision, within the daemon. */
  readonly daemon: Percentiles;
  /** From the last byte to the event at another process. */
  readonly roundTrip: Percentiles;
  readonly loop: ServingThread;
}

interface Told {
  /** What it is named for begins only now: what was measured so far does not count. */
  readonly started: () => void;
  readonly over: (complete: boolean) => void;
}

/** What goes on beside the scans. */
interface Phase {
  readonly name: string;
  /** Begins it. `over` is to be called when it is, with whether it came to its end; what it returns lets go. */
  readonly begin: (server: StormServer, told: Told, clock: Clock) => () => void;
}

/** How long identification takes while the replica is being changed under it. */
const phases: readonly ((changes: number) => Phase)[] = [
  (changes) => ({
    name: `${changes} changes come in`,
    begin: (server, { over }) => {
      server.order({ order: 'change', count: changes });
      return server.listen((report) => report.said === 'pulled' && over(true));
    },
  }),
  () => ({
    name: 'a verification and its repairs',
    begin: (server, { started, over }, clock) => {
      let cancel = clock.schedule(COMPARED_WITHIN_MS, () => over(false));
      let compared = false;
      const stop = server.listen(({ said }) => {
        if (said !== 'compared' && said !== 'repaired') return;
        if (!compared) started();
        compared = true;
        cancel();
        cancel = clock.schedule(SILENT_MS, () => over(true));
      });
      server.order({ order: 'compare', unseen: UNSEEN });
      return () => {
        cancel();
        stop();
      };
    },
  }),
  () => ({
    name: 'a new generation is loaded',
    begin: (server, { over }) => {
      server.order({ order: 'reseed' });
      return server.listen((report) => report.said === 'pulled' && over(true));
    },
  }),
];

/**
 * Identification in the real daemon, a process of its own, beside a quiet phase of the same run: while changes come in,
 * while it is compared with the server and repaired, while a new generation is loaded. Its server is a stand-in without
 * a database, in a process of its own; broker, wire and signatures are the real ones.
 */
export async function stormBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      customers: { type: 'string', default: '100000' },
      changes: { type: 'string', default: '100000' },
      json: { type: 'boolean', default: false },
      cache: { type: 'string', default: '.cache/bench' },
    },
  });
  const customers = Number(values.customers);
  const changes = Number(values.changes);
  const clock = new SystemClock();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const machine = machineState();
  const cached = await filledTill(customers, values.cache, { clock, say });
  const opened = new Opened();
  try {
    const storm = await openStorm(cached, customers, opened, clock);
    const cards = drawnCards(new Population(customers), new SeededRandom(42));
    await storm.till.scan('tcp', take(cards, WARM_UP_SCANS));
    await storm.loop();
    const reports = [await quiet(storm, cards, clock)];
    for (const phase of phases) {
      const { name, begin } = phase(changes);
      say(`${name} …`);
      reports.push(await measure(storm, { name, begin }, cards, clock));
    }
    process.stdout.write(`${lines(customers, reports).join('\n')}\n`);
    const [base] = reports;
    if (!values.json || base === undefined) return;
    for (const report of reports) {
      const ratioP99 = round(report.daemon.p99Ms / base.daemon.p99Ms);
      const line = { bench: 'storm', customers, ...report, comparedWith: base.phase, ratioP99, machine };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    }
  } finally {
    await opened.close();
  }
}

interface Storm {
  readonly till: BenchTill;
  readonly server: StormServer;
  /** What the serving thread did since this was last asked. */
  readonly loop: () => Promise<ServingThread>;
}

async function openStorm(
  cached: FilledTill,
  customers: number,
  opened: Opened,
  clock: Clock,
): Promise<Storm> {
  // A copy, because it will be changed.
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-storm-'));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(cached.dataFolder, join(folder, 'data'), { recursive: true });
  const server = opened.add(await StormServer.open(customers, cached));
  const serverPublicKeyFile = join(folder, 'server-public.pem');
  writeFileSync(serverPublicKeyFile, server.publicKey);
  const reportFile = join(folder, 'loop.json');
  const filled: FilledTill = {
    ...cached,
    dataFolder: join(folder, 'data'),
    replicaFolder: join(folder, 'data', 'replica'),
    serverPublicKeyFile,
  };
  const till = opened.add(
    await BenchTill.open(
      {
        filled,
        starts: 1,
        broker: server.broker,
        program: 'test/bench/storm/watched-till-main.ts',
        programArgs: [reportFile],
      },
      clock,
    ),
  );
  let seen = 0;
  const loop = async (): Promise<ServingThread> => {
    process.kill(till.pid, 'SIGUSR2');
    const report = await waitUntil(
      async () => {
        // Written by watched-till-main.ts of this same checkout.
        const read = JSON.parse(readFileSync(reportFile, 'utf8')) as ServingThread;
        return read.nth > seen ? read : undefined;
      },
      { clock, deadlineMs: REPORT_DEADLINE_MS, everyMs: 5, what: 'a report of the event loop' },
    );
    seen = report.nth;
    return report;
  };
  await waitUntil(async () => ((await till.isConnected()) ? true : undefined), {
    clock,
    deadlineMs: REPORT_DEADLINE_MS,
    everyMs: 50,
    what: 'a till that reaches the server',
  });
  // What it asks at its start is over by then.
  await sleep(clock, 2_000);
  return { till, server, loop };
}

async function quiet(
  { till, loop }: Storm,
  cards: Iterator<PresentedCard>,
  clock: Clock,
): Promise<PhaseReport> {
  const startedMs = clock.monotonicMs();
  const scans = await till.scan('tcp', take(cards, QUIET_SCANS));
  return phaseReport('quiet', scans, clock.monotonicMs() - startedMs, true, await loop());
}

async function measure(
  { till, server, loop }: Storm,
  phase: Phase,
  cards: Iterator<PresentedCard>,
  clock: Clock,
): Promise<PhaseReport> {
  let outcome: boolean | undefined;
  const over = (complete: boolean): void => void (outcome ??= complete);
  const cancel = clock.schedule(PHASE_MAX_MS, () => over(false));
  let startedMs = clock.monotonicMs();
  let reset: Promise<unknown> = Promise.resolve();
  const started = (): void => {
    startedMs = clock.monotonicMs();
    reset = loop();
  };
  const stop = phase.begin(server, { started, over }, clock);
  const scans = await till.scan('tcp', take(cards, Infinity), () => outcome !== undefined);
  const tookMs = clock.monotonicMs() - startedMs;
  stop();
  cancel();
  await reset;
  // The scan that was under way counts: what began held it up first.
  const counted = scans.filter((scan) => scan.endedMs >= startedMs);
  return phaseReport(phase.name, counted, tookMs, outcome === true, await loop());
}

function phaseReport(
  phase: string,
  scans: readonly MeasuredScan[],
  tookMs: number,
  complete: boolean,
  loop: ServingThread,
): PhaseReport {
  return {
    phase,
    scans: scans.length,
    seconds: Math.round(tookMs / 100) / 10,
    complete,
    daemon: percentiles(scans.map((scan) => scan.tookMs)),
    roundTrip: percentiles(scans.map((scan) => scan.roundTripMs)),
    loop,
  };
}

function lines(customers: number, reports: readonly PhaseReport[]): string[] {
  const [base] = reports;
  const ms = (value: number): string => value.toFixed(3);
  const rows = reports.map(({ phase, scans, seconds, complete, daemon, roundTrip, loop }) => [
    complete ? phase : `${phase} (not to its end)`,
    String(scans),
    seconds.toFixed(1),
    ms(daemon.p50Ms),
    ms(daemon.p99Ms),
    ms(daemon.p999Ms),
    ms(roundTrip.p50Ms),
    ms(roundTrip.p99Ms),
    ms(loop.p99Ms),
    ms(loop.maxMs),
    `${round(daemon.p99Ms / (base?.daemon.p99Ms ?? Number.NaN)).toFixed(1)}×`,
    loop.rssMb.toFixed(0),
  ]);
  const head = ['scans', 's', 'decided p50', 'p99', 'p99.9', 'event p50', 'p99', 'loop p99', 'longest'];
  return [
    ...table([[`${customers} customers; ms`, ...head, 'p99 / quiet', 'RSS MB'], ...rows]),
    '',
    'decided: last byte → decision, in the daemon. event: last byte → event at another process. loop: how late the',
    'serving thread’s event loop was, beyond the 1 ms between two looks.',
    '',
  ];
}

/** Without ending the iterator it takes from. */
function* take(cards: Iterator<PresentedCard>, count: number): Generator<PresentedCard> {
  for (let n = 0; n < count; n += 1) {
    const next = cards.next();
    if (next.done === true) return;
    yield next.value;
  }
}
