// Goal: what a POS can do with points does what it says, from its HTTP call to the ledger: paying with points with the
// server, voids and returns, and the code on a receipt.
// Method: a real server with its broker and database, a real till, both asked by HTTP alone.
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
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
const DEADLINE_MS = 20_000;
const TILL = 'till-1';
/** A machine that does much else may take longer than the till waits. */
const ATTEMPTS_MAX = 20;
const opened = new Opened();
const serverFolder = new ServerFolder();
let office: JsonClient;
let pos: JsonClient;
let events: TillEvents;
let scanner: VirtualTcpScanner;

const Made = z.object({ id: z.string() });
const Sale = z.object({
  saleId: z.string(),
  status: z.string(),
  points: z.object({ total: z.int() }),
  receiptCode: z.string().optional(),
  reversed: z.int().nullable().optional(),
  redemption: z.object({ state: z.string(), points: z.int() }).optional(),
});
const Returned = z.object({ reversed: z.int().nullable() });
const Status = z.object({ sync: z.object({ unconfirmed: z.int() }) });
const Ledger = z.object({ balance: z.int() });
const Trial = z.object({ balanced: z.boolean() });
const Claims = z.object({
  claims: z.array(z.object({ saleId: z.string(), code: z.string(), customerId: z.string().nullable() })),
});

const Typed = z.object({
  identification: z
    .object({ verdict: z.string(), customer: z.object({ id: z.string() }).optional() })
    .optional(),
});

interface Customer {
  readonly id: string;
  readonly number: string;
}

let serial = 0;
async function newCustomer(points: number): Promise<Customer> {
  const digits = `29${String((serial += 1)).padStart(10, '0')}`;
  const number = digits + gs1CheckDigit(digits);
  const { id } = await office.call('POST', '/v1/customers', Made, {
    tier: 'basic',
    cards: [{ scheme: 'house-card', number }],
  });
  if (points > 0) await earn({ id, number }, points);
  return { id, number };
}

/** Scans once the till has them. */
async function scan({ id, number }: Customer): Promise<string> {
  const typed = () => pos.call('POST', '/v1/identifications', Typed, { number });
  await expect
    .poll(async () => (await typed()).identification?.customer?.id, { timeout: DEADLINE_MS })
    .toBe(id);
  const known = events.next('identified', ({ scanId }) => scanId !== null, DEADLINE_MS);
  await scanner.send(Buffer.from(`${number}\r`));
  return (await known).identificationId;
}

/** An open sale of two lines, 7.00 and 3.00 for `euros` 10. */
async function sale(euros: number, customer?: Customer): Promise<string> {
  const { saleId } = await pos.call('POST', '/v1/sales', Sale, {});
  const minor = euros * 10;
  await pos.call('PUT', `/v1/sales/${saleId}/basket`, Sale, {
    currency: 'EUR',
    lines: [
      { id: 'a', article: '4006381333931', quantityMilli: 1_000, totalMinor: 7 * minor },
      { id: 'b', article: '4000000000013', quantityMilli: 1_000, totalMinor: 3 * minor },
    ],
    totalMinor: 10 * minor,
  });
  if (customer !== undefined) {
    const identificationId = await scan(customer);
    await pos.call('PUT', `/v1/sales/${saleId}/customer`, Sale, { identificationId });
  }
  return saleId;
}

const end = (saleId: string, how: 'complete' | 'void') =>
  pos.call('POST', `/v1/sales/${saleId}/${how}`, Sale);
async function earn(customer: Customer, points: number): Promise<string> {
  const saleId = await sale(points, customer);
  await end(saleId, 'complete');
  await delivered();
  return saleId;
}

/** Pays with points, as often as the server takes too long to answer. */
async function redeem(saleId: string, points: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { redemption } = await pos.call('PUT', `/v1/sales/${saleId}/redemption`, Sale, { points });
      expect(redemption).toEqual({ ...redemption, state: 'reserved', points });
      return;
    } catch (error) {
      if (!isRefusal(error, 'REDEEM_TRUST') || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

function isRefusal(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

async function delivered(): Promise<void> {
  const none = events.next('sync', ({ sync }) => sync.unconfirmed === 0, DEADLINE_MS);
  const { sync } = await pos.call('GET', '/v1/status', Status);
  if (sync.unconfirmed > 0) await none;
  else none.catch(() => {});
}

const balance = async ({ id }: Customer): Promise<number> =>
  (await office.call('GET', `/v1/customers/${id}/ledger`, Ledger)).balance;
const refusal = (code: string): unknown => expect.objectContaining({ code });

beforeAll(async () => {
  const server = opened.add(await Server.open(serverFolder.config, { clock, random, log: silentLog }));
  office = new JsonClient(server.apiUrl, serverFolder.token);
  await office.call('PUT', '/v1/programme', z.unknown(), {
    ...programme,
    version: 2,
    burn: { points: 1, minor: 1, minPoints: 10, stepPoints: 10, maxPercent: 100, excludedCategories: [] },
    redemption: {
      offline: {
        perCustomer: 100,
        perTill: 100,
        byTrust: { L0: 0, L1: 0, L2: 0, L3: 50, L4: 100 },
        validForMs: 86_400_000,
      },
      online: { limitedPerDay: 500 },
      reservationMs: 600_000,
    },
    lateCredit: { withinHours: 1 },
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
  // A card is scanned twice sooner than a hand could.
  const doubleReads = { sameTriggerMs: 0, devices: [] };
  const till = opened.add(await folder.open({ ...folder.config, till: TILL, broker, doubleReads }));
  const token = readFileSync(folder.file('api.token'), 'utf8').trim();
  events = opened.add(await TillEvents.open(till.apiUrl, token, clock));
  pos = new JsonClient(till.apiUrl, token);
  if (!events.hello.sync.replica.ready) {
    await events.next('sync', ({ sync }) => sync.replica.ready && sync.server === 'connected', DEADLINE_MS);
  }
}, 180_000);

afterEach(async () => {
  const { balanced } = await office.call('GET', '/v1/ledger/trial-balance', Trial);
  if (!balanced) throw new Error('the books do not balance');
});

afterAll(async () => {
  await opened.close();
  serverFolder[Symbol.dispose]();
});

test('points pay for a sale, return with goods by the line, and all of them when it is undone', async () => {
  const customer = await newCustomer(300);
  const saleId = await sale(10, customer);
  await redeem(saleId, 100);
  expect(await balance(customer)).toBe(200);
  const { points } = await end(saleId, 'complete');
  await delivered();
  expect(await balance(customer)).toBe(200 + points.total);
  const { reversed } = await pos.call('POST', '/v1/returns', Returned, {
    saleId,
    lines: [{ lineId: 'a', quantityMilli: 1_000 }],
  });
  await delivered();
  expect(await balance(customer)).toBe(200 + points.total - (reversed ?? Number.NaN) + 70);
  const undone = await end(saleId, 'void');
  expect((reversed ?? 0) + (undone.reversed ?? 0)).toBe(points.total);
  await delivered();
  expect(await balance(customer)).toBe(300);
}, 60_000);

test('points kept for a sale that is voided are the customer’s again at once', async () => {
  const customer = await newCustomer(300);
  const saleId = await sale(10, customer);
  await redeem(saleId, 200);
  expect(await balance(customer)).toBe(100);
  await end(saleId, 'void');
  await expect.poll(() => balance(customer), { timeout: DEADLINE_MS }).toBe(300);
}, 60_000);

test('more than a copied card may is refused with its code, and the sale goes on without', async () => {
  const customer = await newCustomer(800);
  const saleId = await sale(10, customer);
  await expect(redeem(saleId, 600)).rejects.toEqual(refusal('REDEEM_LIMIT_CUSTOMER'));
  expect((await end(saleId, 'complete')).redemption).toBeUndefined();
}, 60_000);

test('a receipt without a customer is credited by its code once; the second time is listed as refused', async () => {
  const [first, second] = [await newCustomer(0), await newCustomer(0)];
  const { receiptCode: code, saleId, points } = await end(await sale(20), 'complete');
  expect(points.total).toBe(0);
  const claim = async (customer: Customer): Promise<void> => {
    const identificationId = await scan(customer);
    await pos.call('POST', '/v1/receipts/claim', z.unknown(), { code, identificationId });
    await delivered();
  };
  await claim(first);
  expect(await balance(first)).toBe(20);
  await claim(second);
  expect(await balance(second)).toBe(0);
  const { claims } = await office.call('GET', '/v1/reports/refused-claims', Claims);
  expect(claims).toEqual([{ saleId, code: 'LATE_TAKEN', customerId: second.id }]);
}, 60_000);
