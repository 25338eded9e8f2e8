import { createPublicKey, createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { SystemClock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { createLog } from '../../../foundation/log.ts';
import type { Log } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { Database } from '../../../server/database/database.ts';
import type { DatabaseSource } from '../../../server/database/database.ts';
import { foldRanges } from '../../../server/feed/fold-ranges.ts';
import { putProgramme } from '../../../server/programme/programme-store.ts';
import { Server } from '../../../server/server.ts';
import { tillToken } from '../../../server/keys.ts';
import { readKeyFile } from '../../../foundation/secret-file.ts';
import { demoProgramme } from '../../../simulator/demo-programme.ts';
import { freePort } from '../../../simulator/free-port.ts';
import { NetworkProxy } from '../../../simulator/network-proxy.ts';
import { ServerFolder } from '../../server/server-folder.ts';
import { startPostgres } from '../../support/postgres.ts';
import { BENCH_TILL } from '../cached-replica.ts';
import type { SeedServerOrder, SeedServerReport } from './seed-server.ts';

/**
 * The real server with a customer base, a process of its own: `seed-server-main.ts CUSTOMERS`. Tills reach it through
 * proxies that count bytes. Orders and reports go over IPC.
 */
const customers = Number(process.argv[2]);
/** Rows inserted by one statement. */
const FILL_ROWS = 20_000;
const clock = new SystemClock();
const random = new SystemRandom();
const opened = new Opened();
const errors = createLog({ name: 'seed-server', level: 'warn' });

function report(message: SeedServerReport): void {
  process.send?.(message);
}

/** Errors are printed, and a snapshot that was built is told of. */
const log: Log = {
  error: (fields) => errors.error(fields),
  warn: () => {},
  debug: () => {},
  info: (fields) => {
    if (fields.event !== 'snapshot.built' || fields['kind'] !== 'made') return;
    report({ said: 'built', ms: Number(fields['ms']), newChunks: Number(fields['newChunks']) });
  },
};

/** Customers, and six cards for five of them, as rows without profiles. */
async function fill(database: Database): Promise<void> {
  const { db } = database;
  for (let from = 0; from < customers; from += FILL_ROWS) {
    const count = Math.min(FILL_ROWS, customers - from);
    await sql`
      with joined as (
        insert into customer (id, status, tier, points, points_at, purposes, greeting, created_at)
        select gen_random_uuid(), 'active', 'basic', n * 37 % 10000, 1790000000000, '{greeting,personal_offers}',
          'Gast ' || n % 1000, 1790000000000
        from generate_series(${from + 1}::integer, ${from + count}::integer) n returning id, points)
      insert into credential (id, index, kind, scheme, customer_id, status, issued_at)
      select gen_random_uuid(), translate(encode(sha256((id::text || nth)::bytea), 'base64'), '+/=', '-_'), 'card',
        'house', id, 'active', 1790000000000
      from joined, generate_series(1, 2) nth where nth = 1 or points % 5 = 0`.execute(db);
  }
  await database.transaction((tx) => putProgramme(tx, demoProgramme, clock.now()));
  while ((await foldRanges(database)) > 0);
  await sql`analyze`.execute(db);
}

try {
  const postgres = await startPostgres();
  const folder = new ServerFolder();
  opened.defer(() => folder[Symbol.dispose]());
  let source: DatabaseSource;
  if ('url' in postgres) {
    opened.add(postgres);
    source = { url: postgres.url };
  } else {
    const embedded = mkdtempSync(join(tmpdir(), 'stammkunde-bench-db-'));
    opened.defer(() => rmSync(embedded, { recursive: true, force: true }));
    source = { embedded };
  }
  const filling = await Database.open(source, { clock, random, log });
  const startedMs = clock.monotonicMs();
  await fill(filling);
  const filledMs = clock.monotonicMs() - startedMs;
  await filling.close();
  const { config } = folder;
  const port = await freePort(0);
  const http = opened.add(await NetworkProxy.open({ target: { host: '127.0.0.1', port } }));
  const server = opened.add(
    await Server.open(
      {
        ...config,
        database: source,
        http: { ...config.http, port, publicUrl: `http://127.0.0.1:${http.port}` },
        snapshots: { ...config.snapshots, fromDocuments: 0 },
      },
      { clock, random, log },
    ),
  );
  const broker = new URL(server.brokerUrl ?? '');
  const mqtt = opened.add(
    await NetworkProxy.open({ target: { host: '127.0.0.1', port: Number(broker.port) } }),
  );
  const signingKey = createPrivateKey(readFileSync(config.keys.signingKeyFile));
  process.on('message', (message) => {
    // Only the benchmark that started this process writes to it.
    const { order } = message as SeedServerOrder;
    if (order === 'counts') {
      report({ said: 'counts', http: http.counts.toClients, mqtt: mqtt.counts.toClients });
    }
  });
  report({
    said: 'ready',
    database: 'url' in source ? 'PostgreSQL' : 'PGlite',
    filledMs: Math.round(filledMs),
    tenant: config.tenant,
    mqttPort: mqtt.port,
    password: tillToken(readKeyFile(config.keys.secretFile), config.tenant, BENCH_TILL),
    publicKey: createPublicKey(signingKey).export({ type: 'spki', format: 'pem' }).toString(),
  });
} catch (error) {
  errors.error({
    event: 'seed-server.failed',
    error: error instanceof Error ? error : new Error(String(error)),
  });
  await opened.close();
  process.exit(1);
}
process.on('disconnect', () => void opened.close().finally(() => process.exit(0)));
