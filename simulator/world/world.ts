import { createPrivateKey, createPublicKey } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../foundation/random.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { CardSchemes } from '../../sync/contract/card-scheme.ts';
import { MemoryBroker } from '../../sync/mqtt/memory-broker.ts';
import { MemoryEngine } from '../../server/database/memory-engine.ts';
import { Database } from '../../server/database/database.ts';
import { NewCustomer } from '../../server/customers/customer.ts';
import { putProgramme } from '../../server/programme/programme-store.ts';
import { demoCardSchemes } from '../demo-card-schemes.ts';
import { Population, unissuedCard } from '../population.ts';
import { checkWorld } from './checker.ts';
import type { Mutant } from './mutants.ts';
import { Observer } from './observer.ts';
import { Pos } from './pos.ts';
import { Trace, textOf } from './trace.ts';
import { Troubles } from './troubles.ts';
import { dropUniqueKeys } from './unique-keys.ts';
import { worldProgramme } from './world-rules.ts';
import { WorldTill } from './world-till.ts';
import { ProcessClock, WorldTime } from './world-time.ts';
import { WorldWorker } from './world-worker.ts';

const TENANT = 'world';
/** Where there is one, files need no real disk: what a disk does is simulated. */
const MEMORY_FOLDER = '/dev/shm';
const HOUR_MS = 3_600_000;
/** When every world begins: a Monday morning. */
const STARTED_AT = Date.UTC(2026, 10, 23, 7);
/** How long a world has to come to rest once all is well, ms of its time. */
const REST_MS = HOUR_MS;
/** PKCS #8 of an Ed25519 key (RFC 8410, 7), before its 32 bytes. */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** What is told of a world that went wrong. */
const WRONG_MAX = 20;

export interface WorldOptions {
  readonly seed: number;
  readonly tills: number;
  readonly workers: number;
  /** How long there are sales and trouble; then it comes to rest. */
  readonly hours: number;
  readonly customers: number;
  /** Between two customers of a till on average, seconds. */
  readonly customerEverySeconds: number;
  /** Between two troubles on average, seconds. */
  readonly troubleEverySeconds: number;
  readonly mutant?: Mutant | undefined;
  /** Servers that see nothing of what others have committed: only the keys of the tables keep entries from being taken twice. */
  readonly blindReads?: boolean;
  /** Each line of the trace, as it is made. */
  readonly tell?: (line: string) => void;
}

/** As small as a world can be in which everything happens. */
export const smallWorld = {
  tills: 3,
  workers: 2,
  hours: 0.25,
  customers: 8,
  customerEverySeconds: 80,
  troubleEverySeconds: 20,
} as const satisfies Omit<WorldOptions, 'seed'>;

export interface WorldResult {
  readonly seed: number;
  /** SHA-256 of all that happened. */
  readonly trace: string;
  readonly lines: number;
  /** What must not be; none is right. */
  readonly wrong: readonly string[];
  /** Answers of tills: sales, voids, returns. */
  readonly sales: number;
  readonly receipts: number;
  readonly events: number;
  /** Of the world's own time. */
  readonly virtualMs: number;
  readonly troubles: Readonly<Record<string, number>>;
}

/** Runs worlds, one after the other, over one engine. */
export class Worlds {
  readonly #engine: MemoryEngine;

  private constructor(engine: MemoryEngine) {
    this.#engine = engine;
  }

  static async open(): Promise<Worlds> {
    const clock = new ProcessClock(new WorldTime(STARTED_AT));
    return new Worlds(await MemoryEngine.open({ clock, random: new SeededRandom(0), log: silentLog }));
  }

  /** The same options give the same trace, byte for byte. */
  async run(options: WorldOptions): Promise<WorldResult> {
    const folder = mkdtempSync(
      join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'stammkunde-world-'),
    );
    const restore = options.mutant === 'dropped-unique-key' ? await dropUniqueKeys(this.#engine) : undefined;
    try {
      return await runWorld(this.#engine, folder, options);
    } finally {
      rmSync(folder, { recursive: true, force: true });
      await restore?.();
    }
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

async function runWorld(engine: MemoryEngine, folder: string, options: WorldOptions): Promise<WorldResult> {
  const { seed, mutant, hours } = options;
  let streams = 0;
  // Each part draws from a stream of its own, so that one more draw in one of them changes nothing in the others.
  const stream = (): SeededRandom =>
    new SeededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul((streams += 1), 0x85ebca6b));
  const time = new WorldTime(STARTED_AT);
  const trace = new Trace(() => time.nowMs, options.tell);
  const clock = new ProcessClock(time);
  const secrets = stream();
  const epoch = await engine.reset({ clock, random: secrets, log: silentLog });
  const [first] = await engine.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
  trace.begin(first?.xid ?? '0');
  trace.add(`world ${seed}`);

  const signingKey = createPrivateKey({
    key: Buffer.concat([ED25519_PKCS8, secrets.bytes(32)]),
    format: 'der',
    type: 'pkcs8',
  });
  const indexer = new BlindIndexer(secrets.bytes(32), TENANT);
  const cardSchemes = CardSchemes.parse(demoCardSchemes).map(({ symbologies, lengths, ...scheme }) => ({
    ...scheme,
    symbologies: [...symbologies],
    lengths: [...lengths],
  }));
  const members = [...new Population(options.customers, seed).members()];
  const strangers = [1, 2].map((n) => unissuedCard('house', n));
  const cards = [...members.flatMap((each) => each.cards), ...strangers];
  const observer = new Observer(engine, new Set(cards.map(({ number }) => number)));
  const tell = (what: string): void => trace.add(what);
  const log = worldLog(observer, trace, folder);
  const broker = new MemoryBroker({ clock, log: silentLog });

  const workers: WorldWorker[] = [];
  const takes = (worker: WorldWorker, topic: string, payload: Uint8Array): boolean => {
    const running = workers.filter((each) => each.runs);
    const sum = checksum(trace.plain(`${topic}\0${textOf(payload)}`));
    // A broker that is not sure whether somebody took a message hands it to another, too.
    return sum % 10 === 0 || running[(sum >>> 8) % running.length] === worker;
  };
  const common = { time, log, broker, tenant: TENANT, indexer, mutant, tell };
  for (let i = 1; i <= options.workers; i += 1) {
    workers.push(
      new WorldWorker(`worker${i}`, {
        ...common,
        random: stream(),
        engine,
        epoch,
        signingKey,
        cardSchemes,
        blindReads: options.blindReads ?? mutant === 'dropped-unique-key',
        onPublish: (topic, payload) => observer.published(topic, payload),
        onCommit: () => observer.committed(),
        takes,
      }),
    );
  }
  const session = engine.session();
  const database = Database.over(session.db, epoch, silentLog);
  await database.transaction((tx) => putProgramme(tx, worldProgramme, clock.now()));
  for (const worker of workers) worker.start();
  await time.pass(0);
  const [desk] = workers;
  time.hold(
    (
      desk?.register(members.map(({ id, purposes, cards: own }) => customerOf(id, purposes, own))) ??
      Promise.resolve()
    ).then(() => {}),
  );
  await time.pass(1_000);

  const journalKey = secrets.bytes(32);
  const tills = Array.from(
    { length: options.tills },
    (_till, i) =>
      new WorldTill(`till-${i + 1}`, {
        ...common,
        random: stream(),
        folder: join(folder, `till-${i + 1}`),
        store: 's1',
        publicKey: createPublicKey(signingKey),
        journalKey,
        onPublish: (topic, payload) => observer.published(topic, payload),
      }),
  );
  for (const till of tills) till.start();
  const poses = tills.map(
    (till) =>
      new Pos({
        time,
        random: stream(),
        till,
        tills,
        cards,
        customerEveryMs: options.customerEverySeconds * 1_000,
        tell,
      }),
  );
  const troubles = new Troubles({
    time,
    random: stream(),
    broker,
    engine,
    tills,
    workers,
    everyMs: options.troubleEverySeconds * 1_000,
    tell,
    trace: ({ leg, topic, payload }, arrivals) =>
      trace.add(
        `${leg} ${topic} ${leg === 'up' ? textOf(payload) : ''} ${arrivals.map((ms) => ms.toFixed(3)).join(',')}`,
      ),
  });
  for (const pos of poses) pos.run();
  // Somebody who collected with a card of nobody's becomes a customer in the midst of it.
  const joins = stream();
  for (const stranger of strangers) {
    const id = uuidV7(STARTED_AT, joins);
    time.schedule(joins.next() * hours * HOUR_MS, () => {
      for (const worker of workers) worker.tryToRegister(customerOf(id, [], [stranger]));
    });
  }
  troubles.begin();
  if (mutant === 'missing-fsync') writeOutNowAndThen(time, tills);
  await time.pass(hours * HOUR_MS);

  troubles.end();
  tell('from here on all is well');
  for (const pos of poses) pos.close();
  const restMs = time.nowMs + REST_MS;
  await time.pass(
    restMs,
    () => poses.every((each) => each.idle) && tills.every((each) => each.unconfirmed === 0),
  );
  // What was committed last is on its way to the replicas.
  await time.pass(time.nowMs + 60_000);
  for (const till of tills) till.resync();
  await time.pass(time.nowMs + 60_000);

  const wrong = [...(await checkWorld({ engine, db: session.db, epoch, tills, poses, observer, indexer }))];
  for (const each of poses) if (!each.idle) wrong.push('a POS was not answered to the end');
  for (const each of wrong) tell(`wrong: ${each}`);
  const sales = poses.reduce((sum, { told, toldReturns }) => sum + told.length + toldReturns.length, 0);
  const virtualMs = time.nowMs;
  const digest = trace.digest();
  await stop(tills, workers, time);
  return {
    seed,
    trace: digest,
    lines: trace.lines,
    wrong: wrong.slice(0, WRONG_MAX),
    sales,
    receipts: observer.receipts,
    events: time.events,
    virtualMs,
    troubles: Object.fromEntries([...troubles.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function customerOf(
  id: string,
  purposes: readonly string[],
  cards: readonly { scheme: string; number: string }[],
): NewCustomer {
  return NewCustomer.parse({
    id,
    tier: 'basic',
    purposes: [...purposes],
    cards: cards.map(({ scheme, number }) => ({ scheme, number })),
  });
}

/** What a system does with what nobody asked it to sync. */
function writeOutNowAndThen(time: WorldTime, tills: readonly WorldTill[]): void {
  time.schedule(30_000, () => {
    for (const till of tills) if (till.process !== undefined) till.disk.sync();
    writeOutNowAndThen(time, tills);
  });
}

/** Ends all processes; what they still wait for never comes. */
async function stop(
  tills: readonly WorldTill[],
  workers: readonly WorldWorker[],
  time: WorldTime,
): Promise<void> {
  for (const till of tills) till.kill('kill');
  for (const worker of workers) worker.kill();
  await time.pass(time.nowMs);
}

function worldLog(observer: Observer, trace: Trace, folder: string): (ended: () => boolean) => Log {
  const severe = new Set(['error', 'warn']);
  return (ended) => {
    const line =
      (level: string) =>
      (fields: object): void => {
        if (ended()) return;
        const text = JSON.stringify(fields, (_name, value: unknown) =>
          value instanceof Error ? asError(value).message : value,
        );
        observer.read('a log', text);
        // Where the files lie is another place each time.
        if (severe.has(level)) trace.add(`${level} ${text.replaceAll(folder, '')}`);
      };
    return { error: line('error'), warn: line('warn'), info: line('info'), debug: line('debug') };
  };
}

/** FNV-1a, 32 bits. */
function checksum(text: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  return sum >>> 0;
}
