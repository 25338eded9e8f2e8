import { parseArgs } from 'node:util';
import { SystemClock } from '../../foundation/clock.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { Population } from '../../simulator/population.ts';
import { BenchTill, GAP_MS } from './bench-till.ts';
import { filledTill, replicaMb } from './cached-replica.ts';
import { measureFloor } from './floor.ts';
import { machineState } from './machine-state.ts';
import type { MachineState } from './machine-state.ts';
import { percentiles, round } from './percentiles.ts';
import type { Percentiles } from './percentiles.ts';
import { presentedCards } from './presented-cards.ts';
import { table } from './table.ts';

/** Scans before anything counts: the compilers and caches of a till that has been open for a few minutes. */
const WARM_UP_SCANS = 300;
/** Starts of the daemon, of which the middle one counts; the last one is measured further. */
const STARTS = 3;

/**
 * How long it takes to know who stands at the till.
 *
 * ```
 *   this process                                the till daemon, a process of its own
 *   scanner ──last byte──► pty | TCP socket ──► frame ─► scan ─► credential ─► replica ─► decided
 *      t0                                         └────────────── tookMs ──────────────────┘ │
 *      t1 ◄───────────────────────── WebSocket ◄──────────── identified ◄────────────────────┘
 * ```
 *
 * `pty`: t1 − t0 with the card coming over a pseudo-terminal, opened as a serial port. `socket`: the same with the card
 * coming over TCP from a network scanner. Both end on the WebSocket of this second process; t0 is taken right before
 * the write, so the write counts. `daemon`: tookMs of the same scans. `floor`: see {@link measureFloor}.
 * `ratioP50`: median of `daemon` over median of `floor`.
 */
export async function identifyBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      customers: { type: 'string', default: '1000000' },
      scans: { type: 'string', default: '2000' },
      json: { type: 'boolean', default: false },
      cache: { type: 'string', default: '.cache/bench' },
      program: { type: 'string', default: 'bin/stammkunde-edge.js' },
    },
  });
  const { customers, scans, cache, program } = values;
  const report = await measureIdentification(Number(customers), Number(scans), cache, program);
  const row = (label: string, of: { p50Ms: number; p99Ms: number; p999Ms: number }): string[] => [
    label,
    of.p50Ms.toFixed(3),
    of.p99Ms.toFixed(3),
    of.p999Ms.toFixed(3),
  ];
  const lines = [
    ...table([
      [`${report.customers} customers, ${report.cards} cards; ms`, 'p50', 'p99', 'p99.9'],
      row('last byte on the pty → event on the WebSocket', report.pty),
      row('last byte on TCP → event on the WebSocket', report.socket),
      row('inside the daemon: last byte → decided', report.daemon),
      row('floor: HMAC + two encrypted point reads', report.floor),
    ]),
    '',
    `daemon / floor, medians          ${report.ratioP50}`,
    `memory of the daemon             ${report.rssMb} MB now, ${report.peakMb} MB at most`,
    `process start → ready            ${report.startReadyMs} ms`,
    `replica on disk                  ${report.replicaMb} MB`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
}

/**
 * One run.
 * @param cacheFolder where filled replicas are kept
 * @param program the daemon's entry: another one is that of an unpacked package, which is bundled
 */
export async function measureIdentification(
  customers: number,
  scans: number,
  cacheFolder: string,
  program?: string,
): Promise<IdentifyReport> {
  const clock = new SystemClock();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const filled = await filledTill(customers, cacheFolder, { clock, say });
  const population = new Population(customers);
  const random = new SeededRandom(42);
  const machine = machineState();
  const cards = presentedCards(population, scans, random);
  const warmUp = presentedCards(population, WARM_UP_SCANS, random);

  const till = await BenchTill.open(
    { filled, starts: STARTS, ...(program === undefined ? {} : { program }) },
    clock,
  );
  try {
    say(`scanning ${scans} cards through the pty, then ${scans} over TCP …`);
    await till.scan('serial', warmUp);
    const pty = await till.scan('serial', cards);
    await till.scan('tcp', warmUp.slice(0, 100));
    const socket = await till.scan('tcp', cards);
    const memory = await till.memory();
    await till.close();
    say('measuring the floor …');
    await measureFloor(filled, warmUp, { clock, gapMs: GAP_MS });
    const floorMs = await measureFloor(filled, cards, { clock, gapMs: GAP_MS });

    const result = {
      bench: 'identify',
      customers,
      scans: pty.length + socket.length,
      pty: percentiles(pty.map((scan) => scan.roundTripMs)),
      socket: percentiles(socket.map((scan) => scan.roundTripMs)),
      daemon: percentiles([...pty, ...socket].map((scan) => scan.tookMs)),
      floor: percentiles(floorMs),
    };
    const ratioP50 = round(result.daemon.p50Ms / result.floor.p50Ms);
    return {
      ...result,
      cards: population.cardCount,
      ratioP50,
      rssMb: memory.rssMb,
      peakMb: memory.peakMb,
      startReadyMs: till.startReadyMs,
      machine,
      replicaMb: replicaMb(filled),
    };
  } finally {
    await till.close();
  }
}

/** What a run of the benchmark found; durations in ms. */
export interface IdentifyReport {
  readonly bench: string;
  readonly customers: number;
  readonly cards: number;
  readonly scans: number;
  readonly pty: Percentiles;
  readonly socket: Percentiles;
  readonly daemon: Percentiles;
  readonly floor: Percentiles;
  readonly ratioP50: number;
  readonly rssMb: number;
  readonly peakMb: number;
  readonly startReadyMs: number;
  readonly replicaMb: number;
  readonly machine: MachineState;
}
