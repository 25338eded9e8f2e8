// Goal: a customer of another store is known here a moment after their card is scanned, and when the server is gone the
// sale finds them all the same.
// Method: a real server with its broker, a real till of one store, a network scanner.
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { TillEvent } from '../../edge/api/events.ts';
import { gs1CheckDigit } from '../../foundation/check-digit.ts';
import { SystemClock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { silentLog } from '../../foundation/log.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { writeSecretFile } from '../../foundation/secret-file.ts';
import { loadKeys, publicKeyFileOf, tillToken } from '../../server/keys.ts';
import { Server } from '../../server/server.ts';
import { JsonClient } from '../../simulator/json-client.ts';
import { VirtualTcpScanner } from '../../simulator/readers/virtual-tcp-scanner.ts';
import { TillEvents } from '../../simulator/till-events.ts';
import { MqttConfig } from '../../sync/mqtt/config.ts';
import { programme } from '../server/programme.ts';
import { ServerFolder } from '../server/server-folder.ts';
import { TillFolder } from './till-folder.ts';

const clock = new SystemClock();
const random = new SystemRandom();
const DEADLINE_MS = 15_000;
const TILL = 'till-1';
const opened = new Opened();
const serverFolder = new ServerFolder();
let server: Server;
let office: JsonClient;
let pos: JsonClient;
let events: TillEvents;
let scanner: VirtualTcpScanner;

const Made = z.object({ id: z.string() });
const Sale = z.object({
  saleId: z.string(),
  customer: z.object({ identification: z.object({ verdict: z.string() }) }).nullable(),
});
const Status = z.object({ sync: z.object({ unconfirmed: z.int() }) });
const Ledger = z.object({ balance: z.int() });

/** A machine that does much else may take longer than the till waits. */
const ATTEMPTS_MAX = 20;

let serial = 0;
async function newCustomer(): Promise<{ readonly id: string; readonly number: string }> {
  const digits = `29${String((serial += 1)).padStart(10, '0')}`;
  const number = digits + gs1CheckDigit(digits);
  const { id } = await office.call('POST', '/v1/customers', Made, {
    tier: 'basic',
    cards: [{ scheme: 'house-card', number }],
  });
  return { id, number };
}

const next = <E extends TillEvent['event']>(event: E): Promise<Extract<TillEvent, { readonly event: E }>> =>
  events.next(event, () => true, DEADLINE_MS);

beforeAll(async () => {
  server = opened.add(await Server.open(serverFolder.config, { clock, random, log: silentLog }));
  office = new JsonClient(server.apiUrl, serverFolder.token);
  await office.call('PUT', '/v1/programme', z.unknown(), {
    ...programme,
    replica: { scope: { by: 'store', activeWithinDays: 1 } },
  });
  scanner = opened.add(await VirtualTcpScanner.open());
  const folder = new TillFolder(scanner.port);
  opened.defer(() => folder[Symbol.dispose]());
  const keys = loadKeys(serverFolder.config.keys);
  rmSync(folder.file('identifier.key'));
  copyFileSync(serverFolder.config.keys.identifierKeyFile, folder.file('identifier.key'));
  writeFileSync(folder.file('signing.pub.pem'), readFileSync(publicKeyFileOf(serverFolder.config.keys)));
  rmSync(folder.file('till.token'));
  writeSecretFile(folder.file('till.token'), tillToken(keys.secret, 'kaufhaus', TILL), 'owner');
  const broker = MqttConfig.parse({
    url: server.brokerUrl,
    username: TILL,
    passwordFile: folder.file('till.token'),
  });
  // Nothing new comes by the feed: whoever is made from here on is not on this till.
  const replica = { pollSeconds: 3_600, noticeJitterMs: 86_400_000 };
  const till = opened.add(await folder.open({ ...folder.config, till: TILL, broker, replica }));
  const token = readFileSync(folder.file('api.token'), 'utf8').trim();
  events = opened.add(await TillEvents.open(till.apiUrl, token, clock));
  pos = new JsonClient(till.apiUrl, token);
  if (!events.hello.sync.replica.ready) {
    await events.next('sync', ({ sync }) => sync.replica.ready && sync.server === 'connected', DEADLINE_MS);
  }
}, 180_000);

afterAll(async () => {
  await opened.close();
  serverFolder[Symbol.dispose]();
});

test('a customer who is not on this till is known once the server was asked', async () => {
  for (let attempt = 1; ; attempt += 1) {
    const { id, number } = await newCustomer();
    const [identified, lookedUp] = [next('identified'), next('looked-up')];
    await scanner.send(Buffer.from(`${number}\r`));
    expect(await identified).toMatchObject({ lookingUp: true, identification: { verdict: 'unreached' } });
    const answer = await lookedUp;
    if (answer.identification.verdict !== 'known' && attempt < ATTEMPTS_MAX) continue;
    expect(answer).toMatchObject({
      identificationId: (await identified).identificationId,
      identification: { verdict: 'known', customer: { id } },
      applied: true,
    });
    break;
  }
});

test('a card that nobody has is unknown by the server’s word', async () => {
  for (let attempt = 1; ; attempt += 1) {
    const lookedUp = next('looked-up');
    const digits = `2999${String(attempt).padStart(8, '0')}`;
    await scanner.send(Buffer.from(`${digits}${gs1CheckDigit(digits)}\r`));
    const { identification } = await lookedUp;
    if (identification.verdict === 'unreached' && attempt < ATTEMPTS_MAX) continue;
    expect(identification).toEqual({ verdict: 'unknown' });
    break;
  }
});

test('a sale that ended before any answer came is settled by the server', async () => {
  const { id, number } = await newCustomer();
  const { saleId } = await pos.call('POST', '/v1/sales', Sale, {});
  await pos.call('PUT', `/v1/sales/${saleId}/basket`, Sale, {
    currency: 'EUR',
    lines: [{ id: '1', article: '4006381333931', quantityMilli: 1_000, totalMinor: 2_500 }],
    totalMinor: 2_500,
  });
  const attached = events.next('sale', ({ sale }) => sale.customer !== null, DEADLINE_MS);
  await scanner.send(Buffer.from(`${number}\r`));
  const { sale } = await attached;
  expect(sale.customer?.identification.verdict).toBe('unreached');
  await pos.call('POST', `/v1/sales/${saleId}/complete`, Sale);
  const delivered = events.next('sync', ({ sync }) => sync.unconfirmed === 0, DEADLINE_MS);
  const { sync } = await pos.call('GET', '/v1/status', Status);
  // It is told of what was heard since, or is nothing to wait for.
  if (sync.unconfirmed > 0) await delivered;
  else delivered.catch(() => {});
  expect(await office.call('GET', `/v1/customers/${id}/ledger`, Ledger)).toMatchObject({ balance: 25 });
});
