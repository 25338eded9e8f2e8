import { loadavg } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import type { Clock } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { Opened } from '../../foundation/lifecycle.ts';
import { SeededRandom, SystemRandom } from '../../foundation/random.ts';
import { waitUntil } from '../../simulator/wait-until.ts';
import { BusCapture } from './bus-capture.ts';
import { CashDesk } from './cash-desk.ts';
import { checkReplicas, checkSales, runAudits } from './checker.ts';
import type { Found } from './checker.ts';
import { FaultShop } from './fault-shop.ts';
import { besides, leftOut, makeFault } from './faults.ts';
import type { FaultKind } from './faults.ts';
import { Oracle, readOracle } from './oracle.ts';
import type { Order } from './order.ts';
import { filesHolding } from './raw-numbers.ts';
import type { Installed } from './requirements.ts';

/** How long it may take, after the faults of a round, until somebody can sell again. */
const SALE_DEADLINE_MS = 60_000;
/** A till that got no receipt sends again after up to five minutes. */
const DELIVERY_DEADLINE_MS = 11 * 60_000;
const REPLICA_DEADLINE_MS = 60_000;
/** Two things at once, of all rounds. */
const TWO_AT_ONCE = 0.35;
/** The programs' own audits need the tills to be closed; done so often, and in the end. */
const ROUNDS_OF_AUDIT = 20;

export interface Outcome {
  readonly sound: boolean;
  readonly wrong: readonly string[];
  /** Seed of the round in which something was wrong. */
  readonly failedSeed: number | null;
  readonly rounds: number;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly leftOut: Readonly<Record<string, string>>;
  /** Sales a till was asked for, those it said OK to, and those that are in the ledger. */
  readonly asked: number;
  readonly ok: number;
  readonly inLedger: number;
  readonly points: number;
  /** Of sales that were refused, by code; most were made later. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly receipts: number;
  /** Receipts that were held against the database the moment they passed. */
  readonly receiptsCheckedAtOnce: number;
  readonly messages: number;
  readonly audits: number;
  /** Programs that ended by themselves. */
  readonly fellOver: Readonly<Record<string, number>>;
  readonly roundSeconds: { readonly median: number; readonly p90: number; readonly max: number };
  readonly seconds: number;
}

interface Ports {
  readonly installed: Installed;
  readonly clock: Clock;
  readonly opened: Opened;
  readonly say: (text: string) => void;
  /** Told when there is something to close. */
  readonly onOpened: () => void;
  /** Aborted when somebody ends it: what goes wrong from then on is nobody's fault. */
  readonly signal: AbortSignal;
}

/** A shop, and what happens to it, round after round; it ends with the first that leaves something wrong. */
export async function runRounds(
  order: Order,
  { installed, clock, opened, say, onOpened, signal }: Ports,
): Promise<Outcome> {
  const startedMs = clock.monotonicMs();
  const missing = leftOut(installed);
  for (const [kind, why] of missing) say(`LEFT OUT: ${kind}: ${why}`);
  const kinds = order.kinds.filter((kind) => !missing.has(kind));
  if (kinds.length === 0) throw new Error('no fault is left to be made');

  const seeded = new SeededRandom(order.seed);
  const shop = opened.add(
    await FaultShop.open(installed, order, { clock, random: new SystemRandom(), seeded }),
  );
  onOpened();
  const pool = new Pool({ connectionString: shop.postgres.url, max: 4, connectionTimeoutMillis: 3_000 });
  pool.on('error', () => {});
  opened.defer(() => pool.end());
  const numbers = shop.customers.map(({ card }) => card);
  const capture = opened.add(
    await BusCapture.open(shop.broker.port, pool, { publicKey: shop.publicKey, numbers }),
  );
  const oracle = opened.add(new Oracle(join(shop.folder, 'oracle.jsonl')));
  const run: Run = { shop, pool, capture, oracle, clock, installed, say, refusals: new Map() };
  say(`ready after ${seconds(clock, startedMs)} s, files in ${shop.folder}`);

  const roundsMs: number[] = [];
  const made: Partial<Record<FaultKind, number>> = {};
  let found: Found = { sales: 0, entries: 0, points: 0, wrong: [] };
  let wrong: readonly string[] = [];
  let audits = 0;
  let failedSeed: number | null = null;
  for (let round = 1; round <= order.rounds && wrong.length === 0; round += 1) {
    const seed = order.seed + round - 1;
    const fromMs = clock.monotonicMs();
    const faults = faultsOf(seed, kinds);
    for (const kind of faults) made[kind] = (made[kind] ?? 0) + 1;
    try {
      const sales = await playRound(run, round, seed, faults);
      found = await checkSales(pool, readOracle(oracle.path), capture.receipts.values());
      wrong = [...found.wrong, ...capture.wrong, ...(await checkReplicasInTime(run))];
      if (wrong.length === 0 && (round % ROUNDS_OF_AUDIT === 0 || round === order.rounds)) {
        wrong = await auditAll(run);
        audits += 1;
      }
      roundsMs.push(clock.monotonicMs() - fromMs);
      const load = loadavg()[0]?.toFixed(1) ?? '?';
      say(
        `round ${round} ${faults.join(' + ')}: ${seconds(clock, fromMs)} s, ${sales} sales, ${found.sales} in the ledger, load ${load}`,
      );
    } catch (error) {
      signal.throwIfAborted();
      // What the bus saw comes first: a till that was told lies may well never come to rest.
      const { message, cause } = asError(error);
      wrong = [...capture.wrong, cause === undefined ? message : `${message}: ${asError(cause).message}`];
    }
    if (wrong.length > 0) {
      failedSeed = seed;
      say(`round ${round} (seed ${seed}), ${faults.join(' + ')}, is WRONG`);
    }
  }
  if (wrong.length > 0 && order.mutant === undefined) {
    shop.keepFiles();
    say(`the files stay: ${shop.folder}, ${shop.postgres.folder}`);
  }
  const all = [...readOracle(oracle.path).values()];
  const sorted = roundsMs.toSorted((a, b) => a - b);
  const at = (share: number): number => round3(sorted[Math.floor(sorted.length * share)] ?? 0);
  return {
    sound: wrong.length === 0,
    wrong,
    failedSeed,
    rounds: roundsMs.length,
    faults: made,
    leftOut: Object.fromEntries(missing),
    asked: all.length,
    ok: all.filter(({ entry }) => entry !== undefined).length,
    inLedger: found.sales,
    points: found.points,
    refusals: Object.fromEntries(run.refusals),
    receipts: capture.receipts.size,
    receiptsCheckedAtOnce: capture.checkedAtOnce,
    messages: capture.messages,
    audits,
    fellOver: counted([...shop.workers, ...shop.tills].flatMap(({ process }) => process.fellOver)),
    roundSeconds: { median: at(0.5), p90: at(0.9), max: round3(sorted.at(-1) ?? 0) },
    seconds: round3(clock.monotonicMs() - startedMs),
  };
}

interface Run {
  readonly shop: FaultShop;
  readonly pool: Pool;
  readonly capture: BusCapture;
  readonly oracle: Oracle;
  readonly clock: Clock;
  readonly installed: Installed;
  readonly say: (text: string) => void;
  readonly refusals: Map<string, number>;
}

/** What happens in the round of a seed: seeds that follow each other go through all kinds. */
function faultsOf(seed: number, kinds: readonly FaultKind[]): readonly FaultKind[] {
  const random = new SeededRandom(seed);
  const kind = kinds[seed % kinds.length];
  if (kind === undefined) return [];
  const others = besides(kind, kinds);
  const other = others[Math.floor(random.next() * others.length)];
  return random.next() < TWO_AT_ONCE && other !== undefined ? [kind, other] : [kind];
}

/**
 * Every till sells while it happens and until each sold something afterwards. Then nobody sells, and all that was sold
 * has to be confirmed.
 * @returns how many sales were made
 */
async function playRound(
  run: Run,
  round: number,
  seed: number,
  faults: readonly FaultKind[],
): Promise<number> {
  const { shop, clock, oracle, installed } = run;
  const desks = shop.tills.map(
    (till, i) =>
      new CashDesk(till, shop.customers, {
        oracle,
        clock,
        random: new SeededRandom(seed * 10 + i),
        round: () => round,
      }),
  );
  const done = (): number => desks.reduce((sum, desk) => sum + desk.done, 0);
  try {
    await Promise.all(
      faults.map((kind, i) =>
        makeFault(kind, shop, { installed, clock, random: new SeededRandom(seed * 100 + i) }),
      ),
    );
    for (const { process } of [...shop.workers, ...shop.tills]) await process.ready();
    const sold = desks.map((desk) => desk.done);
    await waitUntil(async () => (desks.every((desk, i) => desk.done > (sold[i] ?? 0)) ? true : undefined), {
      clock,
      deadlineMs: SALE_DEADLINE_MS,
      everyMs: 20,
      what: 'a sale at each till once all was mended',
    });
  } finally {
    await Promise.all(desks.map((desk) => desk.stop()));
    for (const desk of desks)
      for (const [code, times] of desk.refusals)
        run.refusals.set(code, (run.refusals.get(code) ?? 0) + times);
  }
  const diverged = await waitUntil(
    async () => {
      const states = await Promise.all(shop.tills.map(({ api }) => api.status()));
      const broken = states.filter(({ sync }) => sync.diverged).map(({ till }) => till);
      return broken.length > 0 || states.every(({ sync }) => sync.unconfirmed === 0) ? broken : undefined;
    },
    { clock, deadlineMs: DELIVERY_DEADLINE_MS, everyMs: 50, what: 'the confirmation of every entry' },
  );
  if (diverged.length > 0) throw new Error(`the server holds what ${diverged.join(' and ')} never made`);
  await run.capture.idle();
  return done();
}

/** What the tills show may be late, but not for long. */
async function checkReplicasInTime({ shop, pool, clock }: Run): Promise<readonly string[]> {
  let wrong: readonly string[] = [];
  await waitUntil(
    async () => {
      wrong = await checkReplicas(shop, pool);
      return wrong.length === 0 ? true : undefined;
    },
    {
      clock,
      deadlineMs: REPLICA_DEADLINE_MS,
      everyMs: 100,
      what: 'what the server has, on each till,',
    },
  ).catch((error: unknown) => {
    if (wrong.length === 0) throw error;
  });
  return wrong;
}

/** The programs' audits, and whether any file, of the database too, holds a card's number. The tills go on afterwards. */
async function auditAll({ shop, pool, say, clock }: Run): Promise<readonly string[]> {
  const fromMs = clock.monotonicMs();
  await Promise.all(shop.tills.map(({ process }) => process.close()));
  const numbers = shop.customers.map(({ card }) => Buffer.from(card));
  await pool.query('checkpoint');
  const wrong = [
    ...(await runAudits(shop)),
    ...filesHolding(shop.folder, numbers).map((file) => `a card’s number is in ${file}`),
    ...filesHolding(join(shop.postgres.folder, 'data'), numbers).map(
      (file) => `a card’s number is in the database’s ${file}`,
    ),
  ];
  for (const { process } of shop.tills) process.reopen();
  for (const { process } of shop.tills) await process.ready();
  say(`audited in ${seconds(clock, fromMs)} s`);
  return wrong;
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function round3(ms: number): number {
  return Math.round(ms) / 1_000;
}

function seconds(clock: Clock, fromMs: number): string {
  return ((clock.monotonicMs() - fromMs) / 1_000).toFixed(1);
}
