import { generateKeyPairSync } from 'node:crypto';
import { Client } from 'pg';
import { SystemClock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { createLog } from '../../foundation/log.ts';
import { SeededRandom, SystemRandom } from '../../foundation/random.ts';
import { Database } from '../../server/database/database.ts';
import { Intake } from '../../server/intake/intake.ts';
import { Statements } from '../../server/statements.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import { encode } from '../../sync/contract/wire.ts';
import { SellingTill } from './intake-sales.ts';
import type { IntakeLoad, IntakeOrder, IntakeReport, IntakeSample } from './intake-worker.ts';

/** `intake-main.ts ORDER`: makes all it is to hand in, says so, and begins when it is told to. */
interface Batch {
  readonly owner: JournalOwner;
  readonly entries: readonly JournalEntry[];
  readonly payload: Buffer;
}

/** A till's batches, how many were handed in, and when those without a receipt were. */
interface Till {
  readonly topic: string;
  readonly batches: readonly Batch[];
  next: number;
  readonly handedInMs: number[];
}

// The benchmark that started this process wrote it.
const order = JSON.parse(process.argv[2] ?? '') as IntakeOrder;
const { worker } = order;
const clock = new SystemClock();
const random = new SystemRandom();
const log = createLog({ name: `intake-${worker}`, level: 'error' });
const topics = topicsOf(order.tenant);
const opened = new Opened();

function report(message: IntakeReport): void {
  process.send?.(message);
}

function prepare(load: IntakeLoad, name: string, seed: number): Till[] {
  const indexer = new BlindIndexer(Buffer.from(order.identifierKey, 'base64url'), order.tenant);
  const shoppers = { customers: order.customers, at: order.at, indexer };
  return Array.from({ length: load.tills }, (_, i) => {
    const own = new SeededRandom((worker + 1) * 100_000 + seed + i);
    const selling = new SellingTill(`${name}-${worker}-${i}`, shoppers, own);
    const count = Math.floor(load.sales / load.tills) + (i < load.sales % load.tills ? 1 : 0);
    const batches: Batch[] = [];
    for (let made = 0; made < count; made += load.batchEntries) {
      const length = Math.min(load.batchEntries, count - made);
      const entries = Array.from({ length }, () => selling.sell());
      batches.push({ owner: selling.owner, entries, payload: encode({ ...selling.owner, entries }) });
    }
    return { topic: topics.journal(selling.owner.till), batches, next: 0, handedInMs: [] };
  });
}

/** An intake, and how to let it take in what some tills have. */
async function openIntake(): Promise<(tills: readonly Till[], load: IntakeLoad) => Promise<IntakeSample>> {
  const ports = { clock, random, log };
  const database = opened.add(await Database.open({ url: order.databaseUrl }, ports));
  const { privateKey } = generateKeyPairSync('ed25519');
  let transactions = 0;
  let onReceipt: (topic: string) => void = () => {};
  const intake = opened.add(
    new Intake({
      ...ports,
      database,
      topics,
      statements: new Statements(database, { clock, signingKey: privateKey }),
      onCommitted: () => (transactions += 1),
      bus: {
        publish: (topic) => {
          onReceipt(topic);
          return Promise.resolve('sent');
        },
      },
    }),
  );
  const handIn = (till: Till): void => {
    const batch = till.batches[till.next];
    if (batch === undefined) return;
    till.next += 1;
    till.handedInMs.push(clock.monotonicMs());
    intake.offer(till.topic, batch.payload);
  };
  return async (tills, load) => {
    const byReceipt = new Map(tills.map((till) => [till.topic.replace(/journal$/, 'receipt'), till]));
    const latenciesMs: number[] = [];
    let unanswered = tills.reduce((sum, { batches }) => sum + batches.length, 0);
    const before = { transactions, created: intake.status.counts.created, cpu: process.cpuUsage() };
    const over = new Promise<void>((resolve) => {
      onReceipt = (topic) => {
        // Each batch is answered by one receipt, those of a till in their order.
        const till = byReceipt.get(topic);
        const handedInMs = till?.handedInMs.shift();
        if (till === undefined || handedInMs === undefined) throw new Error(`an unasked receipt on ${topic}`);
        latenciesMs.push(clock.monotonicMs() - handedInMs);
        unanswered -= 1;
        if (unanswered === 0) resolve();
        else if (load.perSecond === undefined) handIn(till);
      };
    });
    if (load.perSecond === undefined) {
      for (const till of tills) for (let n = 0; n < load.windowBatches; n += 1) handIn(till);
    } else {
      arriveByChance(tills, load.perSecond, handIn);
    }
    await over;
    const { user, system } = process.cpuUsage(before.cpu);
    const { dropped, created } = intake.status.counts;
    if (dropped > 0 || created - before.created !== load.sales)
      throw new Error(`of ${load.sales} sales ${created - before.created} were taken in, ${dropped} dropped`);
    return sample(tills, {
      transactions: transactions - before.transactions,
      latenciesMs,
      cpuMs: (user + system) / 1_000,
    });
  };
}

/** Each sale when its moment has come, whatever became of those before. */
function arriveByChance(tills: readonly Till[], perSecond: number, handIn: (till: Till) => void): void {
  const chance = new SeededRandom(worker);
  const waiting = tills.flatMap((till) => till.batches.map(() => till));
  const arrivals = waiting
    .map((till) => ({ till, at: chance.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ till }) => till);
  let dueMs = clock.monotonicMs();
  const gapMs = (): number => (-Math.log(1 - chance.next()) * 1_000) / perSecond;
  const look = (): void => {
    while (dueMs <= clock.monotonicMs()) {
      const till = arrivals.shift();
      if (till === undefined) return;
      handIn(till);
      dueMs += gapMs();
    }
    clock.schedule(1, look);
  };
  look();
}

/** What no intake can be faster than: the same rows, in as many transactions, and nothing else. */
async function openFloor(): Promise<(tills: readonly Till[], transactions: number) => Promise<IntakeSample>> {
  const client = new Client({ connectionString: order.databaseUrl });
  await client.connect();
  opened.defer(() => client.end());
  return async (tills, transactions) => {
    const groups = groupsOf(tills, transactions);
    const before = process.cpuUsage();
    const latenciesMs: number[] = [];
    for (const values of groups) {
      const startedMs = clock.monotonicMs();
      await client.query({
        name: 'floor',
        text: `insert into floor_journal select *, $11::bigint from unnest($1::text[], $2::uuid[], $3::bigint[],
          $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])`,
        values,
      });
      latenciesMs.push(clock.monotonicMs() - startedMs);
    }
    const { user, system } = process.cpuUsage(before);
    return sample(tills, { transactions: groups.length, latenciesMs, cpuMs: (user + system) / 1_000 });
  };
}

/** The columns of each insert. */
function groupsOf(tills: readonly Till[], transactions: number): unknown[][] {
  const rows = tills.flatMap(({ batches }) =>
    batches.flatMap(({ owner, entries }) => entries.map((entry) => ({ owner, entry }))),
  );
  const size = Math.ceil(rows.length / transactions);
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => {
    const group = rows.slice(i * size, (i + 1) * size);
    return [
      group.map(({ owner }) => owner.till),
      group.map(({ owner }) => owner.incarnation),
      group.map(({ entry }) => entry.seq),
      group.map(({ entry }) => entry.id),
      group.map(({ entry }) => entry.at),
      group.map(({ entry }) => entry.prevHash),
      group.map(({ entry }) => entry.hash),
      group.map(({ entry }) => entry.body),
      group.map(() => 'created'),
      group.map(() => null),
      order.at,
    ];
  });
}

function sample(
  tills: readonly Till[],
  measured: Pick<IntakeSample, 'transactions' | 'latenciesMs' | 'cpuMs'>,
): IntakeSample {
  const entries = tills.flatMap(({ batches }) => batches.flatMap((batch) => batch.entries));
  const bodyBytes = entries.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
  return { ...measured, sales: entries.length, bodyBytes };
}

/** Gets everything warm, with tills of its own; then, when told, does what counts. */
async function prepareRun(): Promise<() => Promise<IntakeSample>> {
  const { load, warmUp, floorTransactions } = order;
  const before = prepare(warmUp, 'warm', 50_000);
  const tills = prepare(load, 'till', 0);
  if (floorTransactions === undefined) {
    const takeIn = await openIntake();
    await takeIn(before, warmUp);
    return () => takeIn(tills, load);
  }
  const insert = await openFloor();
  await insert(before, Math.ceil(warmUp.sales / 1_000));
  return () => insert(tills, floorTransactions);
}

process.on('disconnect', () => void opened.close().finally(() => process.exit(0)));
const run = await prepareRun();
process.once('message', () => void run().then((done) => report({ said: 'done', sample: done })));
report({ said: 'ready' });
