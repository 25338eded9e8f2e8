import { parseArgs } from 'node:util';
import { SystemClock, sleep } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { SeededRandom, SystemRandom } from '../../foundation/random.ts';
import { waitUntil } from '../../simulator/wait-until.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { ALL_TILLS, signStatement, verifyStatement } from '../../sync/contract/server-signature.ts';
import { MqttBus } from '../../sync/mqtt/mqtt-bus.ts';
import { findInstalled } from '../faults/requirements.ts';
import { FleetServer } from './fleet-server.ts';
import { FleetTill } from './fleet-till.ts';
import { cardOf, customerId } from './intake-sales.ts';
import { machineState } from './machine-state.ts';
import { percentiles, round } from './percentiles.ts';
import type { Percentiles } from './percentiles.ts';
import { table } from './table.ts';
import { generateKeyPairSync } from 'node:crypto';

/** As a till's configuration says where it says nothing else. */
const NOTICE_JITTER_MS = 500;
/** Cards that are blocked, one after the other, in quiet and under load. */
const BLOCKS = 10;
/** What each till sold while the server was away. */
const SOLD_WHILE_AWAY = 3;
const AWAY_MS = 10_000;
const STORM_DEADLINE_MS = 10 * 60_000;
const URGENT_DEADLINE_MS = 30_000;
const LOOK_MS = 200;

interface Storm {
  readonly phase: 'first connection, empty replicas' | 'the server comes back';
  /** Until the last till was connected. */
  readonly connectedMs: number;
  /** Until each had every receipt, and a replica as the server's. */
  readonly currentMs: number;
  /** When a till was connected. */
  readonly connected: Percentiles;
  readonly documents: number;
  readonly serverCpuMs: number;
  readonly serverRssMb: number;
}

interface Steady {
  readonly seconds: number;
  readonly sales: number;
  readonly salesPerSecond: number;
  /** From the making of an entry to the server's receipt for it. */
  readonly receipt: Percentiles;
  readonly pullsPerSecond: number;
  /** Cores of the server's process; the tills' and PostgreSQL's are not in it. */
  readonly serverCpu: number;
  readonly tillsCpu: number;
  readonly serverRssMb: number;
  /** Afterwards, until each till's replica was as the server's. */
  readonly settledMs: number;
}

interface Urgent {
  readonly phase: 'quiet' | 'under load';
  readonly blocks: number;
  /** From the request to block a card to the till that holds it for blocked, of each till and block. */
  readonly effective: Percentiles & { readonly maxMs: number };
  /** How many times as long as {@link Fleet.readAllMs} the median of the slowest tills took. */
  readonly ratio: number;
}

interface Fleet {
  readonly tills: number;
  readonly customers: number;
  readonly broker: string;
  /** What one process needs to read the same signed message once for each till: these tills share one. */
  readonly readAllMs: number;
  readonly storms: readonly Storm[];
  readonly steady: Steady;
  readonly urgent: readonly Urgent[];
}

/**
 * Many tills on one server, PostgreSQL and all: everybody connects at once, everybody sells, a card is blocked. The tills
 * are one process: each has its own connection, journal and chain and believes no signature it has not checked, but
 * keeps its journal in memory and no documents.
 */
export async function fleetBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tills: { type: 'string', default: '1000' },
      customers: { type: 'string', default: '1000' },
      every: { type: 'string', default: '10' },
      seconds: { type: 'string', default: '30' },
      broker: { type: 'string', default: 'embedded' },
      json: { type: 'boolean', default: false },
    },
  });
  const installed = findInstalled();
  if ('missing' in installed) throw new Error(installed.missing.join('; '));
  const broker = values.broker === 'mosquitto' ? 'mosquitto' : 'embedded';
  const machine = machineState();
  const clock = new SystemClock();
  const opened = new Opened();
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  try {
    const server = opened.add(await FleetServer.open({ installed, broker, clock }));
    const customers = Number(values.customers);
    const at = clock.now();
    await server.fill(customers, at);
    const cards = await Promise.all(
      Array.from({ length: 2 * BLOCKS }, (_, i) =>
        server.issue(customerId(i, at), cardOf(2 * customers + i)),
      ),
    );
    const bench = new FleetBench({ server, clock, tills: Number(values.tills), customers, at });
    opened.defer(() => bench.close());
    say('everybody connects …');
    const first = await bench.storm('first connection, empty replicas', () => bench.open());
    say('cards are blocked …');
    const quiet = await bench.block('quiet', cards.slice(0, BLOCKS));
    say('everybody sells …');
    const selling = bench.steady(Number(values.seconds), Number(values.every));
    await sleep(clock, 5_000);
    const loaded = await bench.block('under load', cards.slice(BLOCKS));
    const steady = await selling;
    say('the server is away …');
    const back = await bench.storm('the server comes back', () => bench.breakDown());
    if (server.process.fellOver.length > 0) throw new Error(server.process.fellOver.join('; '));
    const fleet: Fleet = {
      tills: Number(values.tills),
      customers,
      broker,
      readAllMs: bench.readAllMs(),
      storms: [first, back],
      steady,
      urgent: [quiet, loaded],
    };
    if (values.json) process.stdout.write(`${JSON.stringify({ bench: 'fleet', ...fleet, machine })}\n`);
    process.stdout.write(`${lines(fleet).join('\n')}\n`);
  } finally {
    await opened.close();
  }
}

class FleetBench {
  readonly #server: FleetServer;
  readonly #clock: SystemClock;
  readonly #tills: readonly FleetTill[];
  #receiptsMs: number[] = [];
  #pulls = 0;
  #documents = 0;
  /** What each till that was told takes note of; a card is blocked one after the other. */
  #onUrgent: (till: FleetTill) => void = () => {};

  constructor(options: {
    readonly server: FleetServer;
    readonly clock: SystemClock;
    readonly tills: number;
    readonly customers: number;
    readonly at: number;
  }) {
    const { server, clock, customers, at } = options;
    this.#server = server;
    this.#clock = clock;
    const indexer = new BlindIndexer(server.identifierKey, server.tenant);
    const random = new SystemRandom();
    const told = {
      onReceipt: (ms: number) => void this.#receiptsMs.push(ms),
      onUrgent: (till: FleetTill) => this.#onUrgent(till),
      onPulled: (documents: number) => {
        this.#pulls += 1;
        this.#documents += documents;
      },
    };
    this.#tills = Array.from({ length: options.tills }, (_, i) => {
      const name = `till-${i + 1}`;
      return new FleetTill(name, {
        tenant: server.tenant,
        publicKey: server.publicKey,
        shoppers: { customers, indexer, at },
        openBus: (opening) =>
          MqttBus.open(server.brokerOf(name), { ...opening, clock, random, log: silentLog }),
        noticeJitterMs: NOTICE_JITTER_MS,
        clock,
        random: new SeededRandom(i + 1),
        told,
      });
    });
  }

  async open(): Promise<number> {
    const startedMs = this.#clock.monotonicMs();
    await Promise.all(this.#tills.map((till) => till.open()));
    return startedMs;
  }

  /** Ends the server; everybody goes on selling; it comes back. @returns when it did */
  async breakDown(): Promise<number> {
    await this.#server.process.close();
    for (let n = 0; n < SOLD_WHILE_AWAY; n += 1) for (const till of this.#tills) till.sell();
    await sleep(this.#clock, AWAY_MS);
    this.#server.process.reopen();
    await this.#server.process.ready();
    return this.#clock.monotonicMs();
  }

  /** @param begin makes everybody connect, and says from when on that counts */
  async storm(phase: Storm['phase'], begin: () => Promise<number>): Promise<Storm> {
    this.#documents = 0;
    const fromMs = await begin();
    const before = this.#server.usage();
    const currentMs = (await this.#current()) - fromMs;
    const connected = this.#tills.map(({ connectedMs }) => Math.max(0, (connectedMs ?? Infinity) - fromMs));
    const after = this.#server.usage();
    return {
      phase,
      connectedMs: round(Math.max(...connected)),
      currentMs: round(currentMs),
      connected: percentiles(connected),
      documents: this.#documents,
      serverCpuMs: after.cpuMs - before.cpuMs,
      serverRssMb: after.rssMb,
    };
  }

  /** Each till sells once in `everySeconds`, at moments of its own. */
  async steady(seconds: number, everySeconds: number): Promise<Steady> {
    const chance = new SeededRandom(7);
    const gapMs = (everySeconds * 1_000) / this.#tills.length;
    const startedMs = this.#clock.monotonicMs();
    const before = { ...this.#server.usage(), tillsCpu: process.cpuUsage() };
    [this.#receiptsMs, this.#pulls] = [[], 0];
    let sales = 0;
    for (let dueMs = startedMs; dueMs < startedMs + seconds * 1_000;) {
      while (dueMs <= this.#clock.monotonicMs()) {
        this.#tills[Math.floor(chance.next() * this.#tills.length)]?.sell();
        sales += 1;
        dueMs += -Math.log(1 - chance.next()) * gapMs;
      }
      await sleep(this.#clock, 1);
    }
    const tookMs = this.#clock.monotonicMs() - startedMs;
    const after = this.#server.usage();
    const { user, system } = process.cpuUsage(before.tillsCpu);
    const pulls = this.#pulls;
    const settledMs = (await this.#current()) - startedMs - tookMs;
    return {
      seconds: round(tookMs / 1_000),
      sales,
      salesPerSecond: Math.round((sales * 1_000) / tookMs),
      receipt: percentiles(this.#receiptsMs),
      pullsPerSecond: Math.round((pulls * 1_000) / tookMs),
      serverCpu: Math.round((100 * (after.cpuMs - before.cpuMs)) / tookMs) / 100,
      tillsCpu: Math.round((user + system) / tookMs / 10) / 100,
      serverRssMb: after.rssMb,
      settledMs: round(settledMs),
    };
  }

  async block(phase: Urgent['phase'], cards: readonly string[]): Promise<Urgent> {
    const all: number[] = [];
    const slowest: number[] = [];
    for (const card of cards) {
      const waiting = new Set(this.#tills);
      const tookMs: number[] = [];
      const startedMs = this.#clock.monotonicMs();
      this.#onUrgent = (till) => {
        if (waiting.delete(till)) tookMs.push(this.#clock.monotonicMs() - startedMs);
      };
      await this.#server.block(card);
      await waitUntil(async () => (waiting.size === 0 ? true : undefined), {
        clock: this.#clock,
        deadlineMs: URGENT_DEADLINE_MS,
        everyMs: 5,
        what: `the block of a card at all tills (not at ${waiting.size})`,
      });
      all.push(...tookMs);
      slowest.push(Math.max(...tookMs));
      await sleep(this.#clock, LOOK_MS);
    }
    const maxMs = round(Math.max(...slowest));
    return {
      phase,
      blocks: cards.length,
      effective: { ...percentiles(all), maxMs },
      ratio: Math.round((10 * percentiles(slowest).p50Ms) / this.readAllMs()) / 10,
    };
  }

  /** The time it takes to check and parse one message of the server, times the tills. */
  readAllMs(): number {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const position = { epoch: 'bench', xid: '1', seq: 1 };
    const body = { position, credentials: [], customers: [] };
    const now = this.#clock.now();
    const statement = { to: ALL_TILLS, kind: 'urgent' as const, version: 1, expiresAt: now + 60_000, body };
    const payload = signStatement(statement, privateKey);
    const read = (): void => {
      for (const { name } of this.#tills)
        verifyStatement(payload, { kind: 'urgent', till: name, publicKey, now });
    };
    read();
    const startedMs = this.#clock.monotonicMs();
    read();
    return round(this.#clock.monotonicMs() - startedMs);
  }

  /** Resolves when every till is. @returns when that was */
  #current(): Promise<number> {
    return waitUntil(
      async () => {
        const heads = await this.#server.heads();
        return heads !== undefined && this.#tills.every((till) => till.isCurrent(heads))
          ? this.#clock.monotonicMs()
          : undefined;
      },
      {
        clock: this.#clock,
        deadlineMs: STORM_DEADLINE_MS,
        everyMs: LOOK_MS,
        what: 'a fleet that is current',
      },
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#tills.map((till) => till.close()));
  }
}

function lines({ tills, customers, broker, readAllMs, storms, steady, urgent }: Fleet): string[] {
  const s = (ms: number): string => (ms / 1_000).toFixed(1);
  const ms = (value: number): string => value.toFixed(0);
  return [
    `${tills} tills in one process, ${customers} customers, broker: ${broker}`,
    '',
    ...table([
      ['storm; s', 'connected p50', 'all connected', 'all current', 'documents', 'server CPU', 'RSS MB'],
      ...storms.map((storm) => [
        storm.phase,
        s(storm.connected.p50Ms),
        s(storm.connectedMs),
        s(storm.currentMs),
        String(storm.documents),
        s(storm.serverCpuMs),
        storm.serverRssMb.toFixed(0),
      ]),
    ]),
    '',
    ...table([
      [
        'everybody sells; ms',
        'sales/s',
        'receipt p50',
        'p99',
        'pulls/s',
        'server cores',
        'tills’ cores',
        'RSS MB',
        'settled after s',
      ],
      [
        `${steady.seconds.toFixed(0)} s, ${steady.sales} sales`,
        String(steady.salesPerSecond),
        ms(steady.receipt.p50Ms),
        ms(steady.receipt.p99Ms),
        String(steady.pullsPerSecond),
        steady.serverCpu.toFixed(2),
        steady.tillsCpu.toFixed(2),
        steady.serverRssMb.toFixed(0),
        s(steady.settledMs),
      ],
    ]),
    '',
    ...table([
      ['a card is blocked; ms', 'blocks', 'effective p50', 'p99', 'longest', 'longest / reading'],
      ...urgent.map(({ phase, blocks, effective, ratio }) => [
        phase,
        String(blocks),
        ms(effective.p50Ms),
        ms(effective.p99Ms),
        ms(effective.maxMs),
        `${ratio.toFixed(1)}×`,
      ]),
    ]),
    '',
    `reading: one process checks and parses the same message ${tills} times in ${readAllMs.toFixed(0)} ms; these tills share one.`,
    'receipt: from making an entry (in memory, no disk) to the server’s receipt. effective: from the request to block.',
    '',
  ];
}
