import { dirname } from 'node:path';
import { SystemClock } from '../../foundation/clock.ts';
import { createLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { readKeyRing } from '../../edge/key-ring.ts';
import { Population } from '../../simulator/population.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { BENCH_TENANT, openFilledReplica, tillIn } from './cached-replica.ts';
import type { MemorySample } from './lookups.ts';

/** `lookups-main.ts DATA-FOLDER CUSTOMERS LOOKUPS`, with --expose-gc: one line of JSON, a sample each million. */
const [dataFolder = '', customers = '', lookups = ''] = process.argv.slice(2);
const SAMPLE_EVERY = Math.min(1_000_000, Math.ceil(Number(lookups) / 10));
/** Lookups between two turns of the event loop, which a daemon always has. */
const TURN_EVERY = 1_000;

const clock = new SystemClock();
const till = tillIn(dirname(dataFolder));
const keys = readKeyRing(till);
const population = new Population(Number(customers));
const random = new SeededRandom(5);
const indexer = new BlindIndexer(keys.identifier, BENCH_TENANT);
// Made before: the keyed hashes of ten million numbers are not what is measured.
const indexes = Array.from({ length: population.size }, (_, ordinal) => {
  const [card] = population.member(ordinal).cards;
  if (card === undefined) throw new Error('every customer has a card');
  return indexer.index(card.kind, card.number);
});

const replica = await openFilledReplica(till, {
  clock,
  random,
  log: createLog({ name: 'lookups', level: 'error' }),
});
try {
  const samples: MemorySample[] = [];
  const startedMs = clock.monotonicMs();
  for (let done = 1; done <= Number(lookups); done += 1) {
    const index = indexes[Math.floor(random.next() * indexes.length)] ?? '';
    const credential = replica.credential(index);
    const customer = replica.customer(credential?.customerId ?? '');
    if (customer === undefined) throw new Error('a customer of the replica was not found');
    if (done % TURN_EVERY === 0) await new Promise((resolve) => setImmediate(resolve));
    if (done % SAMPLE_EVERY === 0) samples.push(sample(done, startedMs));
  }
  process.stdout.write(`${JSON.stringify(samples)}\n`);
} finally {
  await replica.close();
}

function sample(done: number, startedMs: number): MemorySample {
  const seconds = Math.round((clock.monotonicMs() - startedMs) / 100) / 10;
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    lookups: done,
    rssMb: Math.round(rss / 1e5) / 10,
    heapMb: Math.round(heapUsed / 1e4) / 100,
    seconds,
  };
}
