// Goal: several servers on one PostgreSQL and one Mosquitto share what tills send; one that is killed in the midst loses
// nothing and doubles nothing.
// Method: servers as processes of their own, killed with SIGKILL while tills sell; the database is looked at from outside.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { sleep } from '../../../foundation/clock.ts';
import { gs1CheckDigit } from '../../../foundation/check-digit.ts';
import type { Database } from '../../../server/database/database.ts';
import { JsonClient } from '../../../simulator/json-client.ts';
import { topicsOf } from '../../../sync/contract/topics.ts';
import { whenConnected } from '../../sync/bus-contract.ts';
import { keptLog } from './selling-till.ts';
import { onServices } from './services.ts';
import { TENANT, WorkersWorld, whatIsWrong, ports, putRules } from './workers-world.ts';
import type { WorkerProcess } from './workers-world.ts';

const services = onServices();
const topics = topicsOf(TENANT);
const LONG = 90_000;
const WAIT = { timeout: 30_000, interval: 20 };
let world: WorkersWorld | undefined;
let workers: readonly WorkerProcess[];
let database: Database;

beforeAll(async () => {
  if (services.databaseUrl() === '') return;
  world = new WorkersWorld({
    folder: services.folder,
    databaseUrl: services.databaseUrl(),
    brokerPort: services.broker().port,
  });
  // Both at once on an empty database: one makes the tables, the other waits for it.
  workers = await Promise.all([world.workerProcess('one'), world.workerProcess('two')]);
  database = await world.database();
  await putRules(database);
}, LONG);

afterAll(() => world?.close());

const Health = z.object({
  worker: z.string(),
  intake: z.object({ counts: z.record(z.string(), z.int()) }),
});

function here(): WorkersWorld {
  if (world === undefined) throw new Error('there is no world');
  return world;
}

function houseNumber(serial: number): string {
  const digits = `29${String(serial).padStart(10, '0')}`;
  return digits + gs1CheckDigit(digits);
}

/** Entries each worker took in, by its name. */
async function taken(): Promise<Readonly<Record<string, number>>> {
  const healths = await Promise.all(
    workers.map(({ url }) => new JsonClient(url, here().token).call('GET', '/healthz', Health)),
  );
  return Object.fromEntries(
    healths.map(({ worker, intake: { counts } }) => [
      worker,
      (counts['created'] ?? 0) + (counts['exists'] ?? 0),
    ]),
  );
}

test('each batch goes to one server, and each server says who it is', { timeout: LONG }, async () => {
  const { log, lines } = keptLog();
  const tills = await Promise.all([1, 2, 3].map((n) => here().till(`shared-${n}`, { log })));
  for (const till of tills) till.sell(50);
  await Promise.all(tills.map((till) => till.confirmed()));
  expect(await whatIsWrong(database, tills)).toEqual([]);
  const { one = 0, two = 0 } = await taken();
  expect(one).toBeGreaterThan(0);
  expect(two).toBeGreaterThan(0);
  // What was sent again counts again. Without sharing each would have had all of it.
  const sent = lines
    .filter(({ event }) => event === 'upload.published')
    .reduce((sum, { entries }) => sum + Number(entries), 0);
  expect(one + two).toBeLessThanOrEqual(sent);
});

test(
  'a server killed in the midst loses no sale and doubles none, and receipts go on',
  { timeout: LONG },
  async () => {
    const tills = await Promise.all([1, 2].map((n) => here().till(`killed-${n}`)));
    for (let round = 0; round < 4; round += 1) {
      const [victim] = round % 2 === 0 ? workers : workers.toReversed();
      const half = tills.map((till) => till.sell(40) - 20);
      // It has begun, and is not done.
      await Promise.all(tills.map((till, i) => till.confirmed((half[i] ?? 0) - 15)));
      await victim?.process.kill();
      // The other one alone brings all of it, those included that were on their way to the dead one.
      await Promise.all(tills.map((till) => till.confirmed()));
      await victim?.process.ready();
    }
    expect(await whatIsWrong(database, tills)).toEqual([]);
    expect(workers.flatMap(({ process }) => process.fellOver)).toEqual([]);
  },
);

test('what a till asks is answered by one server', { timeout: LONG }, async () => {
  const till = await here().till('asking');
  till.sell(1);
  await till.confirmed();
  const heard: string[] = [];
  const topic = topics.response('asking');
  const onlooker = await here().client('onlooker', { hears: topic, take: (text) => heard.push(text) });
  await whenConnected(onlooker);
  for (let i = 0; i < 20; i += 1) await till.link.pull('programme', null, 10);
  // Whatever was answered came before this, on the same topic of the same broker.
  await onlooker.publish(topic, Buffer.from('the end'), { qos: 1 });
  await vi.waitFor(() => expect(heard.at(-1)).toBe('the end'), WAIT);
  expect(heard).toHaveLength(21);
});

test('of two servers that see the feed move, one tells it', { timeout: LONG }, async () => {
  const heads: string[] = [];
  const onlooker = await here().client('onlooker', {
    hears: topics.feedHead,
    take: (text) => heads.push(text),
  });
  await whenConnected(onlooker);
  await vi.waitFor(() => expect(heads).toHaveLength(1), WAIT);
  const till = await here().till('moving');
  till.sell(1);
  await till.confirmed();
  const [office] = workers.map(({ url }) => new JsonClient(url, here().token));
  await office?.call('POST', '/v1/customers', z.unknown(), { tier: 'basic' });
  await vi.waitFor(() => expect(heads).toHaveLength(2), WAIT);
  // The other server looks every two seconds; it has heard what the first told.
  await sleep(ports.clock, 2_500);
  expect(heads).toHaveLength(2);
});

test(
  'a till’s order counts whichever server gives it, the older one after the younger too',
  { timeout: LONG },
  async () => {
    const till = await here().till('ordered');
    till.sell(1);
    await till.confirmed();
    const order = { confirm: 'ordered', orderedBy: 'support-1' };
    const [one, two] = workers.map(({ url }) => new JsonClient(url, here().token));
    for (const [i, worker] of [one, two, one, two, one].entries()) {
      await worker?.call('POST', '/v1/tills/ordered/wipe', z.unknown(), order);
      await vi.waitFor(() => expect(till.wipes()).toBeGreaterThan(i), WAIT);
    }
  },
);

test(
  'what one server learns of a blocked card is told at once, beside what the other tells',
  { timeout: LONG },
  async () => {
    const { log, lines } = keptLog();
    const till = await here().till('urgent', { log });
    const offices = workers.map(({ url }) => new JsonClient(url, here().token));
    const Made = z.object({ cards: z.array(z.object({ id: z.string() })) });
    let last = 0;
    for (let i = 0; i < 6; i += 1) {
      const office = offices[i % 2];
      if (office === undefined) throw new Error('there are two');
      const { cards } = await office.call('POST', '/v1/customers', Made, {
        tier: 'basic',
        cards: [{ scheme: 'house-card', number: houseNumber(i + 1) }],
      });
      await office.call('POST', `/v1/cards/${cards[0]?.id}/block`, z.unknown());
      await vi.waitFor(() => expect(till.versions.last('urgent')).toBeGreaterThan(last), WAIT);
      last = till.versions.last('urgent');
    }
    expect(lines.filter(({ event }) => event === 'wire.rejected')).toEqual([]);
  },
);
