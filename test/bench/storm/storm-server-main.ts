import { createPrivateKey, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { createLog } from '../../../foundation/log.ts';
import { SeededRandom, SystemRandom } from '../../../foundation/random.ts';
import { readKeyFile, writeSecretFile } from '../../../foundation/secret-file.ts';
import { BrokerAccess } from '../../../server/broker/access.ts';
import { EmbeddedBroker } from '../../../server/broker/embedded-broker.ts';
import { SERVER_USER, serverToken, tillToken } from '../../../server/keys.ts';
import { Population } from '../../../simulator/population.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import { Request } from '../../../sync/contract/messages.ts';
import type { Command, Response } from '../../../sync/contract/messages.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';
import { ALL_TILLS, signStatement } from '../../../sync/contract/server-signature.ts';
import type { ServerStatement } from '../../../sync/contract/server-signature.ts';
import type { ServerBodyKind } from '../../../sync/contract/messages.ts';
import { ANY_TILL, topicsOf } from '../../../sync/contract/topics.ts';
import { decode } from '../../../sync/contract/wire.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { BENCH_TENANT, BENCH_TILL } from '../cached-replica.ts';
import { PopulationFeed } from '../population-feed.ts';
import { ChangingFeed, allPulled } from './changing-feed.ts';
import type { StormOrder, StormReport } from './storm-server.ts';

/**
 * What a till sees of a server, without a database: a broker, the feed of a population in which things change, hashes of
 * ranges. `storm-server-main.ts CUSTOMERS IDENTIFIER-KEY-FILE SIGNING-KEY-FILE`; orders and reports go over IPC.
 */
const [customers = '', identifierKeyFile = '', signingKey = ''] = process.argv.slice(2);
const VALID_MS = 600_000;
const clock = new SystemClock();
const log = createLog({ name: 'storm-server', level: 'error' });
const opened = new Opened();
const folder = mkdtempSync(join(tmpdir(), 'stammkunde-bench-server-'));
opened.defer(() => rmSync(folder, { recursive: true, force: true }));

const indexer = new BlindIndexer(readKeyFile(identifierKeyFile), BENCH_TENANT);
const feed = new ChangingFeed(
  new PopulationFeed(new Population(Number(customers)), indexer, clock.now()),
  new SeededRandom(11),
);
const privateKey = createPrivateKey(Buffer.from(signingKey, 'base64url').toString());
const topics = topicsOf(BENCH_TENANT);
const secret = randomBytes(32);

const broker = opened.add(
  await EmbeddedBroker.open(
    { host: '127.0.0.1', port: 0 },
    { access: new BrokerAccess(secret, BENCH_TENANT), log },
  ),
);
const passwordFile = join(folder, 'password');
writeSecretFile(passwordFile, serverToken(secret, BENCH_TENANT), 'owner');
const bus = opened.add(
  await MqttBus.open(
    MqttConfig.parse({ url: `mqtt://127.0.0.1:${broker.port}`, username: SERVER_USER, passwordFile }),
    {
      clock,
      random: new SystemRandom(),
      log,
      subscriptions: [
        { filter: topics.request(ANY_TILL), onMessage: (_topic, payload) => void answer(payload) },
      ],
    },
  ),
);

/** Where each collection was last pulled to, and since the last order: so a new generation counts from nothing. */
let pulled = new Map<ReplicaCollection, FeedPosition>();
let version = clock.now() * 1_000;

function signed<K extends ServerBodyKind>(to: string, kind: K, body: ServerStatement<K>['body']): Buffer {
  version += 1;
  return signStatement({ to, kind, version, expiresAt: clock.now() + VALID_MS, body }, privateKey);
}

function report(message: StormReport): void {
  process.send?.(message);
}

async function answer(payload: Uint8Array): Promise<void> {
  const request = decode(payload, Request);
  const response = await responseTo(request);
  const message = signed(request.till, 'response', { ...response, serverTime: clock.now() });
  await bus.publish(topics.response(request.till), message, { qos: 1 });
}

async function responseTo({ requestId, body }: Request): Promise<Response> {
  if (body.kind === 'feed.page') {
    const page = await feed.page(body.collection, body.after, body.limit);
    pulled.set(body.collection, page.position);
    if (allPulled(pulled, feed.heads)) report({ said: 'pulled' });
    return { requestId, ok: true, answer: { kind: body.kind, page } };
  }
  if (body.kind === 'feed.ranges') {
    report({ said: 'compared', collection: body.collection });
    return { requestId, ok: true, answer: feed.ranges(body.collection, body.at) };
  }
  if (body.kind === 'feed.bucket') {
    report({ said: 'repaired', collection: body.collection });
    return { requestId, ok: true, answer: feed.bucket(body) };
  }
  return { requestId, ok: false, code: 'REQ_REFUSED', message: `${body.kind} is not answered here` };
}

async function tellHeads(): Promise<void> {
  await bus.publish(topics.feedHead, signed(ALL_TILLS, 'head', feed.heads), { qos: 1, retain: true });
}

async function obey(order: StormOrder): Promise<void> {
  switch (order.order) {
    case 'change':
      feed.change(order.count);
      return tellHeads();
    case 'reseed': {
      pulled = new Map();
      const command: Command = { kind: 'reseed' };
      await bus.publish(topics.command(BENCH_TILL), signed(BENCH_TILL, 'command', command), { qos: 1 });
      return;
    }
    case 'compare':
      // One change brings the till to compare; the others it can find in no other way.
      feed.changeUnseen(order.unseen);
      feed.change(2);
      return tellHeads();
  }
}

process.on('message', (message) => {
  // Only the benchmark that started this process writes to it.
  void obey(message as StormOrder);
});
process.on('disconnect', () => void opened.close().finally(() => process.exit(0)));
const passwordOfTill = tillToken(secret, BENCH_TENANT, BENCH_TILL);
report({ said: 'ready', port: broker.port, password: passwordOfTill });
