import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SystemClock, sleep } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { SeededRandom, SystemRandom } from '../../foundation/random.ts';
import { newSecret, writeSecretFile } from '../../foundation/secret-file.ts';
import { ChildProgram } from '../../simulator/child-program.ts';
import { freePort } from '../../simulator/free-port.ts';
import { Population } from '../../simulator/population.ts';
import { scannerFrame } from '../../simulator/readers/virtual-scanner.ts';
import type { VirtualScanner } from '../../simulator/readers/virtual-scanner.ts';
import { VirtualSerialScanner } from '../../simulator/readers/virtual-serial-scanner.ts';
import { VirtualTcpScanner } from '../../simulator/readers/virtual-tcp-scanner.ts';
import { READERS } from '../../simulator/readers/counter.ts';
import { tillYaml } from '../../simulator/till-config.ts';
import { TillEvents } from '../../simulator/till-events.ts';
import { waitUntil } from '../../simulator/wait-until.ts';
import { BENCH_TENANT, filledTill, replicaMb } from './cached-replica.ts';
import type { FilledTill } from './cached-replica.ts';
import { measureFloor } from './floor.ts';
import { percentiles, round } from './percentiles.ts';
import { presentedCards } from './presented-cards.ts';
import type { PresentedCard } from './presented-cards.ts';
import { table } from './table.ts';

/** Scans before anything counts: the compilers and caches of a till that has been open for a few minutes. */
const WARM_UP_SCANS = 300;
/** Rest between an event and the next scan, ms: no scan ever waits for the one before. */
const GAP_MS = 3;
/** Starts of the daemon, of which the middle one counts; the last one is measured further. */
const STARTS = 3;
const START_DEADLINE_MS = 30_000;
const EVENT_DEADLINE_MS = 5_000;

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
    },
  });
  const customers = Number(values.customers);
  const scans = Number(values.scans);
  const clock = new SystemClock();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const filled = await filledTill(customers, values.cache, { clock, say });
  const population = new Population(customers);
  const random = new SeededRandom(42);
  const cards = presentedCards(population, scans, random);
  const warmUp = presentedCards(population, WARM_UP_SCANS, random);

  const till = await BenchTill.open(filled, clock);
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
    const report = {
      ...result,
      ratioP50,
      rssMb: memory.rssMb,
      startReadyMs: till.startReadyMs,
      replicaMb: replicaMb(filled),
    };
    const row = (label: string, of: { p50Ms: number; p99Ms: number; p999Ms: number }): string[] => [
      label,
      of.p50Ms.toFixed(3),
      of.p99Ms.toFixed(3),
      of.p999Ms.toFixed(3),
    ];
    const lines = [
      ...table([
        [`${customers} customers, ${population.cardCount} cards; ms`, 'p50', 'p99', 'p99.9'],
        row('last byte on the pty → event on the WebSocket', result.pty),
        row('last byte on TCP → event on the WebSocket', result.socket),
        row('inside the daemon: last byte → decided', result.daemon),
        row('floor: HMAC + two encrypted point reads', result.floor),
      ]),
      '',
      `daemon / floor, medians          ${ratioP50}`,
      `memory of the daemon             ${memory.rssMb} MB now, ${memory.peakMb} MB at most`,
      `process start → ready            ${till.startReadyMs} ms`,
      `replica on disk                  ${report.replicaMb} MB`,
      '',
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await till.close();
  }
}

interface MeasuredScan {
  readonly roundTripMs: number;
  readonly tookMs: number;
}

/** The real daemon on a filled replica, with two scanners and no server to be reached. */
class BenchTill {
  readonly startReadyMs: number;
  readonly #program: ChildProgram;
  readonly #events: TillEvents;
  readonly #scanners: Readonly<Record<'serial' | 'tcp', VirtualScanner>>;
  readonly #clock: SystemClock;
  readonly #opened: Opened;

  private constructor(
    running: RunningTill,
    startReadyMs: number,
    scanners: Readonly<Record<'serial' | 'tcp', VirtualScanner>>,
    clock: SystemClock,
    opened: Opened,
  ) {
    this.#program = running.program;
    this.#events = running.events;
    this.startReadyMs = startReadyMs;
    this.#scanners = scanners;
    this.#clock = clock;
    this.#opened = opened;
  }

  static async open(filled: FilledTill, clock: SystemClock): Promise<BenchTill> {
    const opened = new Opened();
    try {
      const folder = await mkdtemp(join(tmpdir(), 'stammkunde-bench-'));
      opened.defer(() => rm(folder, { recursive: true, force: true }));
      const serial = opened.add(await VirtualSerialScanner.open(join(folder, 'scanner')));
      const tcp = opened.add(await VirtualTcpScanner.open());
      const setUp = await configure(folder, filled, serial.address, tcp.port);
      const startsMs: number[] = [];
      let running: RunningTill | undefined;
      for (let i = 0; i < STARTS; i += 1) {
        await running?.close();
        running = await startTill(folder, setUp, clock);
        startsMs.push(running.readyMs);
      }
      if (running === undefined) throw new Error('no start was asked for');
      opened.add(running);
      await bothReadersReady(running.events, tcp, clock);
      const median = startsMs.toSorted((a, b) => a - b)[Math.floor(STARTS / 2)] ?? Number.NaN;
      return new BenchTill(running, Math.round(median), { serial, tcp }, clock, opened);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  async scan(reader: 'serial' | 'tcp', cards: readonly PresentedCard[]): Promise<MeasuredScan[]> {
    const measured: MeasuredScan[] = [];
    for (const { card } of cards) {
      await sleep(this.#clock, GAP_MS);
      const identified = this.#events.next('identified', () => true, EVENT_DEADLINE_MS);
      const bytes = scannerFrame(card.scannerPrefix, card.number);
      const startedMs = this.#clock.monotonicMs();
      const sent = this.#scanners[reader].send(bytes);
      const { arrivedAtMonotonicMs, tookMs, identification } = await identified;
      await sent;
      if (identification.verdict === 'unknown') throw new Error('a card of the replica was not known');
      measured.push({ roundTripMs: arrivedAtMonotonicMs - startedMs, tookMs });
    }
    return measured;
  }

  /** Resident memory of the daemon in MB of a million bytes; zero where the system does not tell. */
  async memory(): Promise<{ readonly rssMb: number; readonly peakMb: number }> {
    const status = await readFile(`/proc/${this.#program.pid}/status`, 'utf8').catch(() => '');
    const of = (field: string): number =>
      Math.round((Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024) / 1e5) /
      10;
    return { rssMb: of('VmRSS'), peakMb: of('VmHWM') };
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

interface SetUp {
  readonly config: string;
  readonly url: string;
  readonly token: string;
}

async function configure(
  folder: string,
  filled: FilledTill,
  scannerPath: string,
  scannerPort: number,
): Promise<SetUp> {
  const random = new SystemRandom();
  const at = (name: string): string => join(folder, name);
  const token = newSecret(random);
  writeSecretFile(at('api.token'), token, 'group');
  writeSecretFile(at('display.token'), newSecret(random), 'group');
  writeSecretFile(at('broker.password'), newSecret(random), 'owner');
  const port = await freePort(0);
  const config = tillYaml({
    tenant: BENCH_TENANT,
    till: 'bench-till',
    store: 'bench-store',
    dataFolder: filled.dataFolder,
    keys: {
      tillKeyFile: filled.tillKeyFile,
      identifierKeyFile: filled.identifierKeyFile,
      serverPublicKeyFile: filled.serverPublicKeyFile,
    },
    // Nobody listens there: the till works alone.
    broker: { port: 9, passwordFile: at('broker.password') },
    scannerPath,
    scannerPort,
    api: { port, tokenFile: at('api.token'), displayTokenFile: at('display.token') },
  });
  await writeFile(at('till.yaml'), config);
  return { config: at('till.yaml'), url: `http://127.0.0.1:${port}`, token };
}

interface RunningTill {
  readonly program: ChildProgram;
  readonly events: TillEvents;
  /** From the start of the process to a hello that says the replica is ready. */
  readonly readyMs: number;
  close(): Promise<void>;
}

async function startTill(folder: string, setUp: SetUp, clock: SystemClock): Promise<RunningTill> {
  const startedMs = clock.monotonicMs();
  const program = ChildProgram.start({
    name: 'till',
    program: 'bin/stammkunde-edge.js',
    args: ['--config', setUp.config],
    logPath: join(folder, 'till.log'),
    clock,
  });
  const given = new AbortController();
  try {
    void program.obituary().then((text) => given.abort(new Error(text)));
    const events = await waitUntil(
      async () => {
        const candidate = await TillEvents.open(setUp.url, setUp.token, clock);
        if (candidate.hello.sync.replica.ready) return candidate;
        await candidate.close();
        return undefined;
      },
      {
        clock,
        deadlineMs: START_DEADLINE_MS,
        everyMs: 5,
        what: 'a till that is ready',
        signal: given.signal,
      },
    );
    const readyMs = clock.monotonicMs() - startedMs;
    return {
      program,
      events,
      readyMs,
      close: async () => {
        await events.close();
        await program.close();
      },
    };
  } catch (error) {
    await program.close();
    throw error;
  }
}

async function bothReadersReady(
  events: TillEvents,
  tcp: VirtualTcpScanner,
  clock: SystemClock,
): Promise<void> {
  let serialReady = events.hello.readers.some(
    (reader) => reader.id === READERS.serial && reader.status === 'ready',
  );
  const unlisten = events.listen(({ payload }) => {
    if (payload.event === 'reader' && payload.reader.id === READERS.serial)
      serialReady = payload.reader.status === 'ready';
  });
  await waitUntil(async () => (serialReady && tcp.tills > 0 ? true : undefined), {
    clock,
    deadlineMs: START_DEADLINE_MS,
    everyMs: 20,
    what: 'both readers',
  });
  unlisten();
}
