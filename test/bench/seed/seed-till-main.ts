import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { CustomerReplica } from '../../../edge/replica/customer-replica.ts';
import { writerInThread } from '../../../edge/replica/thread/thread-writer.ts';
import { SystemClock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { createLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { writeSecretFile } from '../../../foundation/secret-file.ts';
import { waitUntil } from '../../../simulator/wait-until.ts';
import type { Answer, Question } from '../../../sync/contract/messages.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { TillLink } from '../../../sync/till-link.ts';
import { MemoryJournal } from '../../sync/support/memory-journal.ts';
import { MemoryVersions } from '../../sync/support/memory-versions.ts';
import { BENCH_TILL } from '../cached-replica.ts';
import type { SeedTillOrder, SeedTillReport } from './seed-till.ts';

/**
 * An empty till that loads its replica from a server, then tells how that went and ends: `seed-till-main.ts`, with its
 * order over IPC. The writer works in a thread of its own, as in the daemon; the event loop that is watched is the one
 * that would answer the cashier.
 */
const RESOLUTION_MS = 1;
const DEADLINE_MS = 1_800_000;
const clock = new SystemClock();
const random = new SystemRandom();
const log = createLog({ name: 'seed-till', level: 'warn' });

async function load(order: SeedTillOrder): Promise<SeedTillReport> {
  const opened = new Opened();
  try {
    const folder = mkdtempSync(join(tmpdir(), 'stammkunde-bench-till-'));
    opened.defer(() => rmSync(folder, { recursive: true, force: true }));
    const passwordFile = join(folder, 'password');
    writeSecretFile(passwordFile, order.password, 'owner');
    let replica: CustomerReplica | undefined;
    const link = opened.add(
      await TillLink.open(
        {
          tenant: order.tenant,
          publicKey: createPublicKey(order.publicKey),
          version: 'bench',
          journal: new MemoryJournal({
            till: BENCH_TILL,
            incarnation: '0190f8a0-0000-7000-8000-000000000001',
          }),
          versions: new MemoryVersions(),
          sessions: { next: () => 1 },
          noticeJitterMs: 0,
          openBus: (opening) =>
            MqttBus.open(
              MqttConfig.parse({
                url: `mqtt://127.0.0.1:${order.mqttPort}`,
                username: BENCH_TILL,
                passwordFile,
              }),
              { clock, random, log, ...opening },
            ),
          clock,
          random,
          log,
        },
        {
          health: () => ({ unconfirmed: 0, diverged: false, replicaAgeMs: null, readers: [] }),
          onBehind: (collection) => replica?.resync([collection]),
          onUrgent: () => {},
          onReseed: () => {},
          onChange: () => {},
        },
      ),
    );
    const until = <T>(what: string, found: () => Promise<T | undefined>): Promise<T> =>
      waitUntil(found, { clock, deadlineMs: DEADLINE_MS, everyMs: 10, what });
    await until('a connection', async () => link.status.connected || undefined);
    if (order.way === 'prepare') {
      const manifest = await until('a snapshot', async () => {
        const answer = await link.snapshots.ask({ kind: 'snapshot.offer', have: null });
        return answer.offer === 'ready' ? answer.manifest : undefined;
      });
      return {
        seconds: 0,
        cpuSeconds: 0,
        documents: manifest.documents.credentials + manifest.documents.customers,
        chunks: manifest.chunks.length,
        loopP99Ms: 0,
        loopMaxMs: 0,
        rssMb: 0,
      };
    }
    const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    delay.enable();
    const startedMs = clock.monotonicMs();
    const cpuBefore = process.cpuUsage();
    replica = opened.add(
      await CustomerReplica.open(
        {
          folder: join(folder, 'replica'),
          key: random.bytes(32),
          owner: `${order.tenant}/${BENCH_TILL}`,
          openWriter: writerInThread(),
        },
        { clock, random, log, onChange: () => {} },
      ),
    );
    const pull = link.pull.bind(link);
    const { way } = order;
    const { snapshots } = link;
    replica.follow(
      way === 'pages'
        ? { pull }
        : {
            pull,
            snapshots: {
              ask: async <K extends 'snapshot.offer' | 'snapshot.chunk'>(
                question: Question<K>,
              ): Promise<Answer<K>> => {
                const answer: Answer<K> = await snapshots.ask(question);
                // Where no HTTP is open, the server offers none.
                return way === 'snapshot, MQTT' && 'http' in answer ? { ...answer, http: null } : answer;
              },
            },
          },
    );
    const loaded = replica;
    await until('a replica that is complete', async () =>
      loaded.status.caughtUpAt !== null && loaded.status.seeding === null ? true : undefined,
    );
    const seconds = (clock.monotonicMs() - startedMs) / 1_000;
    delay.disable();
    const cpu = process.cpuUsage(cpuBefore);
    const documents = loaded.count('credentials') + loaded.count('customers');
    // The histogram counts the rest between two looks with the delay.
    const delayMs = (nanoseconds: number): number =>
      Math.max(0, Math.round(nanoseconds / 1e4) / 100 - RESOLUTION_MS);
    return {
      seconds,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      documents,
      chunks: 0,
      loopP99Ms: delayMs(delay.percentile(99)),
      loopMaxMs: delayMs(delay.max),
      rssMb: Math.round(process.memoryUsage().rss / 1e6),
    };
  } finally {
    await opened.close();
  }
}

process.once('message', (message) => {
  // Only the benchmark that started this process writes to it.
  load(message as SeedTillOrder).then(
    (report) => process.send?.(report, () => process.exit(0)),
    (error: unknown) => {
      log.error({
        event: 'seed-till.failed',
        error: error instanceof Error ? error : new Error(String(error)),
      });
      process.exit(1);
    },
  );
});
