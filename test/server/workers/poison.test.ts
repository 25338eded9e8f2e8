// Goal: a message nobody can read, or must not believe, holds up nothing behind it: neither others' sales nor those of
// the till in whose name it came; at the embedded broker and at a Mosquitto.
// Method: a client of the broker publishes each kind of poison between a till's real batches.
import { generateKeyPairSync } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { SERVER_USER } from '../../../server/keys.ts';
import { signStatement } from '../../../sync/contract/server-signature.ts';
import { topicsOf } from '../../../sync/contract/topics.ts';
import { encode } from '../../../sync/contract/wire.ts';
import { whenConnected } from '../../sync/bus-contract.ts';
import { TestTill } from '../test-till.ts';
import type { SellingTill } from './selling-till.ts';
import { keptLog } from './selling-till.ts';
import { onServices } from './services.ts';
import { TENANT, WorkersWorld, whatIsWrong, putRules } from './workers-world.ts';

const LONG = 60_000;
const services = onServices();
const topics = topicsOf(TENANT);
const open: WorkersWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

const DEEP = 200_000;
/** More than a packet may be at the embedded broker, less than a Mosquitto takes. */
const HUGE_BYTES = 6 * 1024 * 1024;
const json = (value: string): Buffer => Buffer.from(value);

/** What may come on the topic of a till's journal. */
const poisons: Readonly<Record<string, (till: string) => Buffer>> = {
  'nothing at all': () => Buffer.alloc(0),
  'no JSON': () => json('{"v":1,"body":'),
  'no text': () => Buffer.from([0xff, 0xfe, 0, 1, 2, 3]),
  'another version': () => json('{"v":99,"body":{}}'),
  'nested deeply': () => json(`{"v":1,"body":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`),
  'nested deeply and packed': () =>
    zstdCompressSync(json(`{"v":1,"body":${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`)),
  'packed bytes that are torn': () => zstdCompressSync(Buffer.alloc(100_000, 'x')).subarray(0, 20),
  'a bomb': () => zstdCompressSync(Buffer.alloc(64 * 1024 * 1024)),
  'another till’s batch': () => {
    const other = new TestTill('somebody-else');
    other.sell(other.index(), 100);
    return encode(other.batch());
  },
  'an entry whose hash is not its own': (till) => {
    const forger = new TestTill(till);
    const entry = forger.sell(forger.index(), 100);
    return encode({ ...forger.batch(), entries: [{ ...entry, at: entry.at + 1 }] });
  },
  'an entry nested deeply': (till) => {
    const forger = new TestTill(till);
    forger.addBody(`${'['.repeat(DEEP)}${']'.repeat(DEEP)}`);
    return encode(forger.batch());
  },
  'far too much': () => Buffer.alloc(HUGE_BYTES, ' '),
};

const kinds = ['Mosquitto, MQTT 3.1.1', 'Mosquitto, MQTT 5', 'the embedded broker'] as const;

describe.each(kinds)('at %s', (kind) => {
  async function openWorld(): Promise<WorkersWorld> {
    const world = new WorkersWorld({
      folder: services.folder,
      databaseUrl: services.databaseUrl(),
      brokerPort: services.broker().port,
      ...(kind === 'the embedded broker' ? { embedded: true } : {}),
      broker: { protocolVersion: kind.endsWith('5') ? 5 : 4 },
    });
    open.push(world);
    await putRules(await world.database());
    await world.server('one');
    return world;
  }

  test('poison on a till’s journal holds up neither that till nor another', { timeout: LONG }, async () => {
    const world = await openWorld();
    const name = `poisoned-${kinds.indexOf(kind)}`;
    const [till, other] = [await world.till(name), await world.till(`beside-${kinds.indexOf(kind)}`)];
    // A connection of its own in the till's name: a broker may end it, and does where it refuses the size.
    const poisoner = await world.client(name);
    for (const poison of Object.values(poisons)) {
      await whenConnected(poisoner);
      await poisoner.publish(topics.journal(name), poison(name), { qos: 1 });
      till.sell(2);
      other.sell(1);
      await Promise.all([till.confirmed(), other.confirmed()]);
    }
    expect(await whatIsWrong(await world.database(), [till, other])).toEqual([]);
  });

  test('a till believes no receipt that its server did not sign', { timeout: LONG }, async () => {
    const world = await openWorld();
    const { log, lines } = keptLog();
    const name = `lied-to-${kinds.indexOf(kind)}`;
    const till: SellingTill = await world.till(name, { log });
    till.sell(1);
    await till.confirmed();
    const liar = await world.client(SERVER_USER);
    await whenConnected(liar);
    const receipt = {
      incarnation: till.journal.owner.incarnation,
      contiguous: 1_000,
      hash: 'a'.repeat(64),
      holes: [],
      verdicts: [],
      serverTime: 1,
    };
    const { privateKey } = generateKeyPairSync('ed25519');
    const lie = { to: name, kind: 'receipt' as const, version: 1, expiresAt: 1, body: receipt };
    await liar.publish(topics.receipt(name), signStatement(lie, privateKey), { qos: 1 });
    await liar.publish(topics.receipt(name), Buffer.from('no statement'), { qos: 1 });
    till.sell(3);
    await till.confirmed();
    expect(till.link.status.upload).toMatchObject({ state: 'uploading', confirmedSeq: 4 });
    expect(lines.filter(({ event }) => event === 'wire.rejected').map(({ code }) => code)).toEqual([
      'WIRE_SIGNATURE',
      'WIRE_MALFORMED',
    ]);
  });
});
