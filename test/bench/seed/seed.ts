import { parseArgs } from 'node:util';
import { machineState } from '../machine-state.ts';
import { table } from '../table.ts';
import { SeedServer } from './seed-server.ts';
import { runSeedTill } from './seed-till.ts';
import type { SeedWay } from './seed-till.ts';

const ways: readonly SeedWay[] = ['snapshot, HTTP', 'snapshot, MQTT', 'pages'];

interface Measured {
  readonly way: SeedWay;
  readonly seconds: number;
  /** Of the till's process, all threads. */
  readonly cpuSeconds: number;
  readonly documents: number;
  readonly documentsPerSecond: number;
  /** Bytes to the till as TCP carried them, in MB of a million. */
  readonly wireMb: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly rssMb: number;
}

/**
 * An empty till loads its replica from the real server on the same data: from a snapshot by HTTP, in MQTT messages, and
 * page by page.
 */
export async function seedBench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      customers: { type: 'string', default: '100000' },
      ways: { type: 'string', default: ways.join(';') },
      json: { type: 'boolean', default: false },
    },
  });
  const customers = Number(values.customers);
  if (!Number.isSafeInteger(customers) || customers < 1)
    throw new RangeError('--customers is a whole number');
  const wanted = ways.filter((way) => values.ways.split(';').includes(way));
  const machine = machineState();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  say(`a server with ${customers} customers is being filled …`);
  const server = await SeedServer.open(customers);
  try {
    const { ready } = server;
    say(`${ready.database} filled in ${Math.round(ready.filledMs / 1_000)} s; the snapshot is being made …`);
    const order = { ...ready, way: 'prepare' as const };
    const prepared = await runSeedTill(order);
    const measured: Measured[] = [];
    for (const way of wanted) {
      say(`loading: ${way} …`);
      const before = await server.counts();
      const { seconds, cpuSeconds, documents, loopP99Ms, loopMaxMs, rssMb } = await runSeedTill({
        ...order,
        way,
      });
      const after = await server.counts();
      if (documents !== prepared.documents) {
        throw new Error(`${way}: ${documents} of ${prepared.documents} documents are there`);
      }
      measured.push({
        way,
        seconds: Math.round(seconds * 100) / 100,
        cpuSeconds: Math.round(cpuSeconds * 100) / 100,
        documents,
        documentsPerSecond: Math.round(documents / seconds),
        wireMb: Math.round((after.http - before.http + after.mqtt - before.mqtt) / 1e5) / 10,
        loopP99Ms,
        loopMaxMs,
        rssMb,
      });
    }
    const result = {
      bench: 'seed',
      customers,
      documents: prepared.documents,
      database: ready.database,
      snapshot: { chunks: prepared.chunks, builtSeconds: Math.round((server.builtMs ?? 0) / 10) / 100 },
      ways: measured,
      machine,
    };
    if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else for (const line of report(result)) process.stdout.write(`${line}\n`);
  } finally {
    await server.close();
  }
}

function report(result: {
  readonly documents: number;
  readonly database: string;
  readonly snapshot: { readonly chunks: number; readonly builtSeconds: number };
  readonly ways: readonly Measured[];
}): string[] {
  const { documents, database, snapshot, ways: measured } = result;
  return [
    ...table([
      ['empty till', 's', 'CPU s', 'documents/s', 'MB on the wire', 'loop p99 ms', 'loop max ms', 'RSS MB'],
      ...measured.map((each) => [
        each.way,
        String(each.seconds),
        String(each.cpuSeconds),
        String(each.documentsPerSecond),
        String(each.wireMb),
        String(each.loopP99Ms),
        String(each.loopMaxMs),
        String(each.rssMb),
      ]),
    ]),
    '',
    `${documents} documents on ${database}; the snapshot of ${snapshot.chunks} chunks was made in ${snapshot.builtSeconds} s`,
    JSON.stringify(result),
  ];
}
