import type { Random } from '../../foundation/random.ts';
import type { Fate, MemoryBroker } from '../../sync/mqtt/memory-broker.ts';
import type { MemoryEngine } from '../../server/database/memory-engine.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { DiskFault } from './faulty-disk.ts';
import type { WorldTill } from './world-till.ts';
import type { WorldTime } from './world-time.ts';
import type { WorldWorker } from './world-worker.ts';

const DISK_FAULTS = ['SQLITE_FULL', 'SQLITE_IOERR_FSYNC', 'SQLITE_READONLY'] as const satisfies DiskFault[];
const KILLS = ['kill', 'power', 'torn'] as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Wall clocks that machines were seen with: an hour back, a year ahead, 1970. */
const JUMPS_MS = [-HOUR_MS, 365 * DAY_MS, -60 * 365 * DAY_MS];

export interface TroublePorts {
  readonly time: WorldTime;
  readonly random: Random;
  readonly broker: MemoryBroker;
  readonly engine: MemoryEngine;
  readonly tills: readonly WorldTill[];
  readonly workers: readonly WorldWorker[];
  /** Between two troubles on average, ms. */
  readonly everyMs: number;
  readonly tell: (what: string) => void;
  readonly trace: (passage: Parameters<Fate>[0], arrivals: readonly number[]) => void;
}

/** How the network is: how many messages are lost, come twice, come late. */
interface Weather {
  readonly lost: number;
  readonly twice: number;
  readonly late: number;
  readonly delayMs: number;
}

const FAIR: Weather = { lost: 0, twice: 0, late: 0, delayMs: 20 };
const WEATHERS: readonly Weather[] = [
  FAIR,
  { lost: 0.02, twice: 0.05, late: 0.1, delayMs: 60 },
  { lost: 0.15, twice: 0.2, late: 0.4, delayMs: 400 },
];

/** Makes trouble, of every kind and anywhere, until it is told to stop. */
export class Troubles {
  readonly #ports: TroublePorts;
  #weather: Weather = FAIR;
  #on = true;
  #writers = 0;
  readonly counts = new Map<string, number>();

  constructor(ports: TroublePorts) {
    this.#ports = ports;
    ports.broker.fate = (passage) => {
      const arrivals = this.#fateOf();
      ports.trace(passage, arrivals);
      return arrivals;
    };
  }

  begin(): void {
    const { time, random, everyMs } = this.#ports;
    time.schedule(-Math.log(1 - random.next()) * everyMs, () => {
      if (!this.#on) return;
      this.#make();
      this.begin();
    });
  }

  /** From now on all is well, and what was broken is mended. */
  end(): void {
    const { broker, tills, workers } = this.#ports;
    this.#on = false;
    this.#weather = FAIR;
    if (!broker.running) broker.start();
    for (const each of [...tills, ...workers]) each.leaveInPeace();
  }

  #fateOf(): readonly number[] {
    const { random } = this.#ports;
    const { lost, twice, late, delayMs } = this.#weather;
    if (random.next() < lost) return [];
    const once = (): number => 1 + random.next() * delayMs * (random.next() < late ? 20 : 1);
    return random.next() < twice ? [once(), once()] : [once()];
  }

  #make(): void {
    const { random, tills, workers } = this.#ports;
    const till = this.#one(tills);
    const worker = this.#one(workers);
    const durationMs = 1_000 + random.next() * 120_000;
    const troubles: readonly (readonly [string, () => void])[] = [
      ['till killed', () => till.kill(this.#one(KILLS))],
      ['till killed', () => till.kill('power')],
      ['till killed at a call to its disk', () => (till.disk.killAfterCalls = this.#count(30))],
      ['till killed at a message', () => till.killAtPublish()],
      ['disk', () => this.#breakDisk(till, durationMs)],
      [
        'till cut off',
        () =>
          this.#for(
            durationMs * 3,
            () => till.cut(),
            () => till.mend(),
          ),
      ],
      [
        'till deaf',
        () =>
          this.#for(
            durationMs,
            () => till.goDeaf(),
            () => this.#reconnect(till),
          ),
      ],
      ['worker killed at a statement', () => worker.killAfterStatements(this.#count(60))],
      ['worker killed at a statement', () => worker.killAfterStatements(this.#count(20))],
      ['worker killed at a message', () => worker.killAtPublish()],
      ['worker killed', () => worker.kill()],
      [
        'worker deaf',
        () =>
          this.#for(
            durationMs / 4,
            () => worker.goDeaf(),
            () => worker.mend(),
          ),
      ],
      ['database away', () => this.#databaseAway(durationMs / 4)],
      ['broker', () => this.#restartBroker()],
      ['weather', () => (this.#weather = this.#one(WEATHERS))],
      ['weather', () => (this.#weather = this.#one(WEATHERS))],
      ['clock', () => (till.wall.aheadMs = random.next() < 0.5 ? 0 : this.#one(JUMPS_MS))],
      ['a slow writer', () => this.#slowWriter()],
      ['a slow writer', () => this.#slowWriter()],
    ];
    const [name, make] = this.#one(troubles);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#ports.tell(`trouble: ${name} (${till.name}, ${worker.name})`);
    make();
  }

  #breakDisk(till: WorldTill, durationMs: number): void {
    till.disk.fault = this.#one(DISK_FAULTS);
    this.#later(durationMs, () => (till.disk.fault = undefined));
  }

  /** The system notices in the end, and the connection is made anew. */
  #reconnect(till: WorldTill): void {
    till.cut();
    till.mend();
  }

  #databaseAway(durationMs: number): void {
    const { workers } = this.#ports;
    this.#for(
      durationMs,
      () => workers.forEach((each) => each.setAway(true)),
      () => workers.forEach((each) => each.setAway(false)),
    );
  }

  /** What the broker has acknowledged and not passed on is gone. */
  #restartBroker(): void {
    const { broker, random } = this.#ports;
    if (!broker.running) return;
    broker.stop();
    this.#later(500 + random.next() * 30_000, () => {
      if (!broker.running) broker.start();
    });
  }

  /** Another server takes its place in the feed, and commits long after others who came later. */
  #slowWriter(): void {
    const { engine, random, time } = this.#ports;
    this.#writers += 1;
    const name = `slow${this.#writers}`;
    const now = time.startedAt + Math.trunc(time.nowMs);
    const id = uuidV7(now, random);
    time.hold(
      engine.alone(async (run) => {
        await run('begin');
        await run(`insert into customer (id, status, tier, points_at, purposes, greeting, created_at)
          values ('${id}', 'active', 'basic', ${now}, '{}', null, ${now})`);
        await run(`prepare transaction '${name}'`);
      }),
    );
    time.schedule(2_000 + random.next() * 60_000, () => {
      time.hold(engine.query(`commit prepared '${name}'`).then(() => {}));
    });
  }

  #for(durationMs: number, begin: () => void, end: () => void): void {
    begin();
    this.#later(durationMs, end);
  }

  #later(delayMs: number, run: () => void): void {
    this.#ports.time.schedule(delayMs, () => {
      if (this.#on) run();
    });
  }

  #count(max: number): number {
    return 1 + Math.floor(this.#ports.random.next() * max);
  }

  #one<T>(all: readonly T[]): T {
    const one = all[Math.floor(this.#ports.random.next() * all.length)];
    if (one === undefined) throw new RangeError('there is none to choose from');
    return one;
  }
}
