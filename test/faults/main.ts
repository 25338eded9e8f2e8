// npm run test:faults -- --rounds 200 --seed 7
//
// Real processes over real sockets and files: tills behind proxies, Mosquitto, server workers, PostgreSQL. Each round one
// fault, while every till sells. An oracle writes each sale down before a till is asked and after it said OK; in the end
// all is mended, and what it wrote is held against journal and ledger.
import { join } from 'node:path';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Pool } from 'pg';
import { SystemClock, sleep } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { SeededRandom, SystemRandom } from '../../foundation/random.ts';
import { waitUntil } from '../../simulator/wait-until.ts';
import { BusCapture } from './bus-capture.ts';
import { CashDesk } from './cash-desk.ts';
import { checkLogs, checkReplicas, checkSales, runAudits } from './checker.ts';
import { FaultShop } from './fault-shop.ts';
import { faultKinds, leftOut, makeFault } from './faults.ts';
import type { FaultKind } from './faults.ts';
import { Oracle, readOracle } from './oracle.ts';
import { findInstalled } from './requirements.ts';
import type { Installed } from './requirements.ts';

/** A round in which nobody can sell goes on so long before the next. */
const SALE_DEADLINE_MS = 30_000;
/** Tills that got no receipt ask again after up to five minutes. */
const MENDED_DEADLINE_MS = 11 * 60_000;
/** Each till sells at least once more when all is mended. */
const LAST_SALES = 2;

const clock = new SystemClock();
const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface Order {
  readonly rounds: number;
  readonly seed: number;
  readonly tills: number;
  readonly workers: number;
  readonly only: readonly FaultKind[] | undefined;
  readonly keep: boolean;
}

function readOrder(argv: readonly string[]): Order {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '20' },
      seed: { type: 'string', default: '1' },
      tills: { type: 'string', default: '3' },
      workers: { type: 'string', default: '2' },
      only: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'rounds' | 'seed' | 'tills' | 'workers', max: number): number => {
    const given = Number(values[name]);
    if (!Number.isInteger(given) || given < 1 || given > max)
      throw new Error(`--${name} is a whole number from 1 to ${max}`);
    return given;
  };
  const only = values.only?.split(',').map((name) => {
    const kind = faultKinds.find((each) => each === name);
    if (kind === undefined) throw new Error(`--only knows ${faultKinds.join(', ')}`);
    return kind;
  });
  return {
    rounds: number('rounds', 10_000),
    seed: number('seed', 2 ** 31),
    tills: number('tills', 8),
    workers: number('workers', 4),
    only,
    keep: values.keep,
  };
}

async function run(order: Order, installed: Installed, opened: Opened): Promise<boolean> {
  const startedMs = clock.monotonicMs();
  const missing = leftOut(installed);
  for (const [kind, why] of missing) say(`LEFT OUT: ${kind}: ${why}`);
  const kinds = (order.only ?? faultKinds).filter((kind) => !missing.has(kind));
  if (kinds.length === 0) throw new Error('no fault is left to be made');

  const random = new SeededRandom(order.seed);
  const systemRandom = new SystemRandom();
  const shop = opened.add(
    await FaultShop.open(installed, order, {
      clock,
      random: systemRandom,
      seeded: new SeededRandom(order.seed + 1),
    }),
  );
  if (order.keep) say(`files in ${shop.folder}`);
  const pool = new Pool({ connectionString: shop.postgres.url, max: 4, connectionTimeoutMillis: 3_000 });
  pool.on('error', () => {});
  opened.defer(() => pool.end());
  const capture = opened.add(
    await BusCapture.open(shop.broker.port, pool, {
      publicKey: shop.publicKey,
      numbers: shop.customers.map(({ card }) => card),
    }),
  );
  const oracle = opened.add(new Oracle(join(shop.folder, 'oracle.jsonl')));
  let round = 0;
  const desks = shop.tills.map(
    (till, i) =>
      new CashDesk(till, shop.customers, {
        oracle,
        clock,
        random: new SeededRandom(order.seed + 100 + i),
        round: () => round,
      }),
  );
  const done = (): number => desks.reduce((sum, desk) => sum + desk.done, 0);
  const mended = async (): Promise<void> => {
    for (const { process } of [...shop.workers, ...shop.tills]) await process.ready();
  };
  say(`ready after ${seconds(startedMs)} s; ${order.rounds} rounds, seed ${order.seed}`);

  const roundsMs: number[] = [];
  const made: Partial<Record<FaultKind, number>> = {};
  // Each kind as often as any other, in an order the seed gives.
  let deck: FaultKind[] = [];
  for (round = 1; round <= order.rounds; round += 1) {
    if (deck.length === 0) deck = shuffled(kinds, random);
    const kind = deck.pop();
    if (kind === undefined) break;
    const fromMs = clock.monotonicMs();
    const before = done();
    await makeFault(kind, shop, { installed, clock, random });
    await waitUntil(async () => (done() > before ? true : undefined), {
      clock,
      deadlineMs: SALE_DEADLINE_MS,
      everyMs: 20,
      what: `a sale in round ${round} (${kind})`,
    });
    made[kind] = (made[kind] ?? 0) + 1;
    roundsMs.push(clock.monotonicMs() - fromMs);
    say(
      `round ${round} ${kind}: ${seconds(fromMs)} s, ${done() - before} sales, load ${loadavg()[0]?.toFixed(1) ?? '?'}`,
    );
  }
  const fromMs = clock.monotonicMs();
  await mended();
  const sold = desks.map((desk) => desk.done);
  await waitUntil(
    async () => (desks.every((desk, i) => desk.done >= (sold[i] ?? 0) + LAST_SALES) ? true : undefined),
    {
      clock,
      deadlineMs: SALE_DEADLINE_MS * 2,
      everyMs: 50,
      what: 'a sale at each till once all was mended',
    },
  );
  await Promise.all(desks.map((desk) => desk.stop()));
  await waitUntil(
    async () => {
      const states = await Promise.all(shop.tills.map(({ api }) => api.status()));
      return states.every(({ sync }) => sync.unconfirmed === 0 && !sync.diverged) ? true : undefined;
    },
    { clock, deadlineMs: MENDED_DEADLINE_MS, everyMs: 250, what: 'the confirmation of every entry' },
  );
  let replicas: readonly string[] = [];
  await waitUntil(
    async () => {
      replicas = await checkReplicas(shop, pool);
      return replicas.length === 0 ? true : undefined;
    },
    { clock, deadlineMs: 60_000, everyMs: 500, what: 'what the server has, on each till,' },
  ).catch(() => {});
  const mendedMs = clock.monotonicMs() - fromMs;
  await capture.idle();
  await Promise.all(shop.tills.map(({ process }) => process.close()));
  const witnessed = readOracle(oracle.path);
  const found = await checkSales(pool, witnessed, capture.receipts.values());
  const wrong = [
    ...found.wrong,
    ...capture.wrong,
    ...replicas,
    ...(await runAudits(shop)),
    ...checkLogs(shop),
  ];
  for (const each of wrong) say(`WRONG: ${each}`);
  const all = [...witnessed.values()];
  const sorted = roundsMs.toSorted((a, b) => a - b);
  process.stdout.write(
    `${JSON.stringify({
      sound: wrong.length === 0,
      seed: order.seed,
      rounds: roundsMs.length,
      tills: order.tills,
      workers: order.workers,
      faults: made,
      leftOut: Object.fromEntries(missing),
      asked: all.length,
      ok: all.filter(({ entry }) => entry !== undefined).length,
      inLedger: found.sales,
      points: found.points,
      refusals: Object.fromEntries(desks.flatMap((desk) => [...desk.refusals])),
      receipts: capture.receipts.size,
      receiptsCheckedAtOnce: capture.checkedAtOnce,
      messages: capture.messages,
      fellOver: [...shop.workers, ...shop.tills].flatMap(({ process }) => process.fellOver),
      roundSeconds: {
        median: round3(sorted[Math.floor(sorted.length / 2)] ?? 0),
        max: round3(sorted.at(-1) ?? 0),
      },
      mendedSeconds: round3(mendedMs),
      seconds: round3(clock.monotonicMs() - startedMs),
      load: loadavg().map((each) => Math.round(each * 10) / 10),
      wrong,
    })}\n`,
  );
  return wrong.length === 0;
}

function shuffled<T>(list: readonly T[], random: SeededRandom): T[] {
  return list
    .map((item) => ({ item, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function round3(ms: number): number {
  return Math.round(ms) / 1_000;
}

function seconds(fromMs: number): string {
  return ((clock.monotonicMs() - fromMs) / 1_000).toFixed(1);
}

async function main(): Promise<number> {
  const order = readOrder(process.argv.slice(2));
  const installed = findInstalled();
  if ('missing' in installed) {
    for (const each of installed.missing) say(`cannot run: ${each}`);
    return 2;
  }
  const opened = new Opened();
  const interrupted = new Promise<number>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(130));
  });
  try {
    return await Promise.race([run(order, installed, opened).then((sound) => (sound ? 0 : 1)), interrupted]);
  } finally {
    await Promise.race([opened.close(), sleep(clock, 60_000)]);
  }
}

process.exitCode = await main().catch((error: unknown) => {
  const { message, cause } = asError(error);
  say(`${message}${cause === undefined ? '' : `: ${asError(cause).message}`}`);
  return 1;
});
process.exit();
