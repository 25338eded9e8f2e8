import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../foundation/clock.ts';
import type { Clock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { newSecret, writeSecretFile } from '../../foundation/secret-file.ts';
import { ChildProgram } from '../../simulator/child-program.ts';
import { freePort } from '../../simulator/free-port.ts';
import { scannerFrame } from '../../simulator/readers/virtual-scanner.ts';
import type { VirtualScanner } from '../../simulator/readers/virtual-scanner.ts';
import { VirtualSerialScanner } from '../../simulator/readers/virtual-serial-scanner.ts';
import { VirtualTcpScanner } from '../../simulator/readers/virtual-tcp-scanner.ts';
import { READERS } from '../../simulator/readers/counter.ts';
import { tillYaml } from '../../simulator/till-config.ts';
import { TillEvents } from '../../simulator/till-events.ts';
import { waitUntil } from '../../simulator/wait-until.ts';
import { BENCH_TENANT, BENCH_TILL } from './cached-replica.ts';
import type { FilledTill } from './cached-replica.ts';
import type { PresentedCard } from './presented-cards.ts';

/** Rest between an event and the next scan, ms: no scan ever waits for the one before. */
export const GAP_MS = 3;
const START_DEADLINE_MS = 30_000;
const EVENT_DEADLINE_MS = 5_000;
/** Nobody listens there: the till works alone. */
const NO_BROKER = 9;

export interface MeasuredScan {
  /** From before the write of the last byte to the event at another process. */
  readonly roundTripMs: number;
  /** The same inside the daemon: from the last byte to the decision. */
  readonly tookMs: number;
  /** When the event was there, monotonic. */
  readonly endedMs: number;
}

export interface BenchTillOptions {
  readonly filled: FilledTill;
  /** The daemon is started so often; the median counts, and the last one runs on. */
  readonly starts: number;
  /** The program and what stands before its own arguments; the published entry unless told. */
  readonly program?: string;
  readonly programArgs?: readonly string[];
  /** A server to be reached; none unless told. */
  readonly broker?: { readonly port: number; readonly password: string };
}

/** The real daemon on a filled replica, a process of its own, with two scanners. */
export class BenchTill implements Closable {
  readonly startReadyMs: number;
  readonly #setUp: SetUp;
  readonly #program: ChildProgram;
  readonly #events: TillEvents;
  readonly #scanners: Readonly<Record<'serial' | 'tcp', VirtualScanner>>;
  readonly #clock: Clock;
  readonly #opened: Opened;

  private constructor(
    setUp: SetUp,
    running: RunningTill,
    startReadyMs: number,
    scanners: Readonly<Record<'serial' | 'tcp', VirtualScanner>>,
    clock: Clock,
    opened: Opened,
  ) {
    this.#setUp = setUp;
    this.#program = running.program;
    this.#events = running.events;
    this.startReadyMs = startReadyMs;
    this.#scanners = scanners;
    this.#clock = clock;
    this.#opened = opened;
  }

  static async open(options: BenchTillOptions, clock: Clock): Promise<BenchTill> {
    const opened = new Opened();
    try {
      const folder = await mkdtemp(join(tmpdir(), 'stammkunde-bench-'));
      opened.defer(() => rm(folder, { recursive: true, force: true }));
      const serial = opened.add(await VirtualSerialScanner.open(join(folder, 'scanner')));
      const tcp = opened.add(await VirtualTcpScanner.open());
      const setUp = await configure(folder, options, serial.address, tcp.port);
      const startsMs: number[] = [];
      let running: RunningTill | undefined;
      for (let i = 0; i < options.starts; i += 1) {
        await running?.close();
        running = await startTill(folder, setUp, options, clock);
        startsMs.push(running.readyMs);
      }
      if (running === undefined) throw new Error('no start was asked for');
      opened.add(running);
      await bothReadersReady(running.events, tcp, clock);
      const median = startsMs.toSorted((a, b) => a - b)[Math.floor(startsMs.length / 2)] ?? Number.NaN;
      return new BenchTill(setUp, running, Math.round(median), { serial, tcp }, clock, opened);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Scans cards one after the other, until there are no more or `isOver` says so. */
  async scan(
    reader: 'serial' | 'tcp',
    cards: Iterable<PresentedCard>,
    isOver: () => boolean = () => false,
  ): Promise<MeasuredScan[]> {
    const measured: MeasuredScan[] = [];
    for (const { card } of cards) {
      if (isOver()) break;
      await sleep(this.#clock, GAP_MS);
      const identified = this.#events.next('identified', () => true, EVENT_DEADLINE_MS);
      const bytes = scannerFrame(card.scannerPrefix, card.number);
      const startedMs = this.#clock.monotonicMs();
      const sent = this.#scanners[reader].send(bytes);
      const { arrivedAtMonotonicMs, tookMs, identification } = await identified;
      await sent;
      if (identification.verdict === 'unknown') throw new Error('a card of the replica was not known');
      measured.push({
        roundTripMs: arrivedAtMonotonicMs - startedMs,
        tookMs,
        endedMs: arrivedAtMonotonicMs,
      });
    }
    return measured;
  }

  /** Whether it reaches its server. */
  async isConnected(): Promise<boolean> {
    const events = await TillEvents.open(this.#setUp.url, this.#setUp.token, this.#clock);
    await events.close();
    return events.hello.sync.server === 'connected';
  }

  /** Process id of the daemon. */
  get pid(): number {
    const { pid } = this.#program;
    if (pid === undefined) throw new Error('the till could not be started');
    return pid;
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
  { filled, broker }: BenchTillOptions,
  scannerPath: string,
  scannerPort: number,
): Promise<SetUp> {
  const random = new SystemRandom();
  const at = (name: string): string => join(folder, name);
  const token = newSecret(random);
  writeSecretFile(at('api.token'), token, 'group');
  writeSecretFile(at('display.token'), newSecret(random), 'group');
  writeSecretFile(at('broker.password'), broker?.password ?? newSecret(random), 'owner');
  const port = await freePort(0);
  const config = tillYaml({
    tenant: BENCH_TENANT,
    till: BENCH_TILL,
    store: 'bench-store',
    dataFolder: filled.dataFolder,
    keys: {
      tillKeyFile: filled.tillKeyFile,
      identifierKeyFile: filled.identifierKeyFile,
      serverPublicKeyFile: filled.serverPublicKeyFile,
    },
    broker: { port: broker?.port ?? NO_BROKER, passwordFile: at('broker.password') },
    scannerPath,
    scannerPort,
    api: { port, tokenFile: at('api.token'), displayTokenFile: at('display.token') },
  });
  // What was told to all tills is followed at once: the wait would only make the phases longer.
  await writeFile(at('till.yaml'), `${config}replica: { noticeJitterMs: 0 }\n`);
  return { config: at('till.yaml'), url: `http://127.0.0.1:${port}`, token };
}

interface RunningTill {
  readonly program: ChildProgram;
  readonly events: TillEvents;
  /** From the start of the process to a hello that says the replica is ready. */
  readonly readyMs: number;
  close(): Promise<void>;
}

async function startTill(
  folder: string,
  setUp: SetUp,
  { program: path = 'bin/stammkunde-edge.js', programArgs = [] }: BenchTillOptions,
  clock: Clock,
): Promise<RunningTill> {
  const startedMs = clock.monotonicMs();
  const program = ChildProgram.start({
    name: 'till',
    program: path,
    args: [...programArgs, '--config', setUp.config],
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

async function bothReadersReady(events: TillEvents, tcp: VirtualTcpScanner, clock: Clock): Promise<void> {
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
