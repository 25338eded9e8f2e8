// Goal: a phone that was enrolled at the server is known at every till; what no till can know, the server tells.
// Method: a real server with its broker, two real tills with network scanners, phones that sign.
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { TillEvent } from '../../../edge/api/events.ts';
import type { EdgeConfig } from '../../../edge/config.ts';
import type { Till } from '../../../edge/till.ts';
import { gs1CheckDigit } from '../../../foundation/check-digit.ts';
import { SystemClock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { writeSecretFile } from '../../../foundation/secret-file.ts';
import { loadKeys, publicKeyFileOf, tillToken } from '../../../server/keys.ts';
import { Server } from '../../../server/server.ts';
import { JsonClient } from '../../../simulator/json-client.ts';
import { Phone } from '../../../simulator/phone.ts';
import { VirtualTcpScanner } from '../../../simulator/readers/virtual-tcp-scanner.ts';
import { TillEvents } from '../../../simulator/till-events.ts';
import { oneTimePassword } from '../../../sync/contract/app-code/rotating-code.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { programme } from '../../server/programme.ts';
import { ServerFolder } from '../../server/server-folder.ts';
import { TillFolder } from '../till-folder.ts';

const clock = new SystemClock();
const random = new SystemRandom();
const DEADLINE_MS = 15_000;
const TENANT = 'kaufhaus';
const opened = new Opened();

type Heard<E extends TillEvent['event']> = Extract<TillEvent, { readonly event: E }>;

/** A till with a scanner, as someone at the counter sees it. */
interface Counter {
  readonly till: Till;
  readonly folder: TillFolder;
  show(text: string): Promise<Heard<'scan'>>;
  identified(text: string): Promise<Heard<'identified'>>;
  /** What the server made of an identification. */
  trustOf(identified: Heard<'identified'>): Promise<Heard<'trust'>>;
  readonly events: TillEvents;
  readonly pos: JsonClient;
}

const serverFolder = new ServerFolder();
let server: Server;
let office: JsonClient;
let counters: readonly [Counter, Counter];

async function openCounter(name: string): Promise<Counter> {
  const scanner = opened.add(await VirtualTcpScanner.open());
  const folder = new TillFolder(scanner.port);
  opened.defer(() => folder[Symbol.dispose]());
  const keys = loadKeys(serverFolder.config.keys);
  rmSync(folder.file('identifier.key'));
  copyFileSync(serverFolder.config.keys.identifierKeyFile, folder.file('identifier.key'));
  writeFileSync(folder.file('signing.pub.pem'), readFileSync(publicKeyFileOf(serverFolder.config.keys)));
  rmSync(folder.file('till.token'));
  writeSecretFile(folder.file('till.token'), tillToken(keys.secret, TENANT, name), 'owner');
  const broker = MqttConfig.parse({
    url: server.brokerUrl,
    username: name,
    passwordFile: folder.file('till.token'),
  });
  const { config } = folder;
  // Each sight of a code counts here, for replays are what is looked for.
  const doubleReads = { sameTriggerMs: 0, devices: [] };
  const till = opened.add(
    await folder.open({ ...config, till: name, broker, doubleReads } satisfies EdgeConfig),
  );
  const token = readFileSync(folder.file('api.token'), 'utf8').trim();
  const events = opened.add(await TillEvents.open(till.apiUrl, token, clock));
  const told: Heard<'trust'>[] = [];
  events.listen(({ payload }) => void (payload.event === 'trust' && told.push(payload)));
  const send = (text: string): Promise<void> => scanner.send(Buffer.from(`${text}\r`));
  return {
    till,
    folder,
    events,
    pos: new JsonClient(till.apiUrl, token),
    async trustOf({ identificationId }) {
      const fits = (each: Heard<'trust'>): boolean => each.identificationId === identificationId;
      return told.find(fits) ?? events.next('trust', fits, DEADLINE_MS);
    },
    async show(text) {
      const heard = events.next('scan', () => true, DEADLINE_MS);
      await send(text);
      return heard;
    },
    async identified(text) {
      const heard = events.next('identified', () => true, DEADLINE_MS);
      await send(text);
      return heard;
    },
  };
}

const Status = z.object({
  sync: z.object({ server: z.string(), replica: z.object({ ready: z.boolean() }) }),
});
const Made = z.object({ id: z.string(), cards: z.array(z.object({ id: z.string() })) });
const Device = z.object({ id: z.string(), keyId: z.string().nullable(), status: z.string() });
const Rotation = z.object({ secret: z.string(), periodSeconds: z.int(), digits: z.int() });

let serial = 0;
/** A customer with a card, and their phone. */
async function newCustomer(): Promise<{
  readonly id: string;
  readonly number: string;
  readonly cardId: string;
  readonly phone: Phone;
}> {
  const digits = `29${String((serial += 1)).padStart(10, '0')}`;
  const number = digits + gs1CheckDigit(digits);
  const made = await office.call('POST', '/v1/customers', Made, {
    tier: 'basic',
    cards: [{ scheme: 'house-card', number }],
  });
  const phone = new Phone(random.bytes(32), { tenant: TENANT, clock, random });
  return { id: made.id, number, cardId: made.cards[0]?.id ?? '', phone };
}

async function enrol(id: string, phone: Phone): Promise<z.infer<typeof Device>> {
  return office.call('POST', `/v1/customers/${id}/devices`, Device, { publicKey: phone.publicKey });
}

/** Shows fresh codes until the replica has what the server was told. */
async function untilKnown(counter: Counter, phone: Phone): Promise<Heard<'identified'>> {
  for (;;) {
    const identified = await counter.identified(phone.code('digits'));
    if (identified.identification.verdict === 'known') return identified;
  }
}

beforeAll(async () => {
  server = opened.add(await Server.open(serverFolder.config, { clock, random, log: silentLog }));
  office = new JsonClient(server.apiUrl, serverFolder.token);
  await office.call('PUT', '/v1/programme', z.unknown(), programme);
  counters = [await openCounter('till-1'), await openCounter('till-2')];
  for (const { events, pos } of counters) {
    const told = events.next(
      'sync',
      ({ sync }) => sync.replica.ready && sync.server === 'connected',
      DEADLINE_MS,
    );
    // The first may have been ready, and told so, while the second was opened.
    const { sync } = await pos.call('GET', '/v1/status', Status);
    if (sync.replica.ready && sync.server === 'connected') told.catch(() => {});
    else await told;
  }
}, 180_000);

afterAll(async () => {
  await opened.close();
  serverFolder[Symbol.dispose]();
});

test('an enrolled phone is L3 at once, and L4 when the server has confirmed its code', async () => {
  const [counter] = counters;
  const { id, phone } = await newCustomer();
  await enrol(id, phone);
  await untilKnown(counter, phone);
  const identified = await counter.identified(phone.code('base45'));
  expect(identified).toMatchObject({
    trust: 'L3',
    downgrade: null,
    may: ['earn-limited', 'earn', 'redeem-limited'],
    identification: { verdict: 'known', customer: { id } },
  });
  expect(await counter.trustOf(identified)).toMatchObject({
    trust: 'L4',
    downgrade: null,
    may: ['earn-limited', 'earn', 'redeem-limited', 'redeem'],
  });
});

test('all three forms identify, and the same code a second time does not', async () => {
  const [counter] = counters;
  const { id, phone } = await newCustomer();
  await enrol(id, phone);
  await untilKnown(counter, phone);
  for (const form of ['digits', 'base45', 'url'] as const) {
    const code = phone.code(form);
    expect(await counter.identified(code)).toMatchObject({ trust: 'L3' });
    await expect(
      counter.pos.call('POST', '/v1/identifications', z.unknown(), { number: code }),
    ).rejects.toMatchObject({ status: 422, code: 'REPLAY' });
    expect(await counter.show(code)).toMatchObject({ outcome: { kind: 'unreadable', code: 'REPLAY' } });
  }
});

test('a code that another till was shown is worth no more than a static one', async () => {
  const [first, second] = counters;
  const { id, phone } = await newCustomer();
  await enrol(id, phone);
  await Promise.all([untilKnown(first, phone), untilKnown(second, phone)]);
  const code = phone.code('digits');
  const shown = await first.identified(code);
  expect(await first.trustOf(shown)).toMatchObject({ trust: 'L4' });
  expect(await second.trustOf(await second.identified(code))).toMatchObject({
    trust: 'L1',
    downgrade: 'used-elsewhere',
    may: ['earn-limited', 'earn', 'redeem-limited'],
  });
});

test('a revoked phone is blocked at the tills, and its key is never taken again', async () => {
  const [counter] = counters;
  const { id, phone } = await newCustomer();
  const device = await enrol(id, phone);
  expect(device).toMatchObject({ keyId: phone.keyId, status: 'active' });
  expect(await enrol(id, phone)).toEqual(device);
  await untilKnown(counter, phone);
  const revoked = await office.call('DELETE', `/v1/customers/${id}/devices/${device.id}`, Device);
  expect(revoked).toMatchObject({ status: 'blocked', keyId: null });
  for (;;) {
    const { identification, may } = await counter.identified(phone.code('digits'));
    if (identification.verdict !== 'blocked') continue;
    expect(may).toEqual([]);
    break;
  }
  await expect(enrol(id, phone)).rejects.toMatchObject({ code: 'CARD_TAKEN' });
});

test('unsound keys, keys of others and more phones than allowed are refused', async () => {
  const [anna, ben] = [await newCustomer(), await newCustomer()];
  await enrol(anna.id, anna.phone);
  await expect(enrol(ben.id, anna.phone)).rejects.toMatchObject({ code: 'CARD_TAKEN' });
  const post = (publicKey: string): Promise<unknown> =>
    office.call('POST', `/v1/customers/${ben.id}/devices`, Device, { publicKey });
  const neutral = Buffer.from([1, ...new Uint8Array(31)]).toString('base64url');
  await expect(post(neutral)).rejects.toMatchObject({ code: 'DEVICE_KEY_UNSOUND' });
  await expect(post('short')).rejects.toMatchObject({ code: 'API_INVALID' });
  const phones = Array.from(
    { length: 10 },
    () => new Phone(random.bytes(32), { tenant: TENANT, clock, random }),
  );
  for (const phone of phones) await enrol(ben.id, phone);
  await expect(enrol(ben.id, ben.phone)).rejects.toMatchObject({ code: 'DEVICE_LIMIT' });
  await expect(
    office.call('DELETE', `/v1/customers/${anna.id}/devices/${ben.id}`, Device),
  ).rejects.toMatchObject({ code: 'DEVICE_NOT_FOUND' });
});

test('a rotating code is its number at once and L2 when the server has verified it, once', async () => {
  const [counter] = counters;
  const { id, number, cardId, phone } = await newCustomer();
  await enrol(id, phone);
  await untilKnown(counter, phone);
  const { secret, periodSeconds, digits } = await office.call(
    'POST',
    `/v1/cards/${cardId}/rotation`,
    Rotation,
    {},
  );
  const show = async (text: string): Promise<Heard<'trust'>> => {
    const identified = await counter.identified(text);
    expect(identified).toMatchObject({ trust: 'L1', downgrade: 'not-verified' });
    return counter.trustOf(identified);
  };
  const step = Math.floor(clock.now() / (periodSeconds * 1_000));
  const password = oneTimePassword(Buffer.from(secret, 'hex'), step, { digits, algorithm: 'sha1' });
  const code = `${number}-${step * periodSeconds}-${password}`;
  const wrong = `${number}-${step * periodSeconds}-${String((Number(password) + 1) % 1e8).padStart(8, '0')}`;
  expect(await show(wrong)).toMatchObject({ trust: 'L1', downgrade: 'refused-by-server' });
  expect(await show(code)).toMatchObject({ trust: 'L2', downgrade: null });
  const before = oneTimePassword(Buffer.from(secret, 'hex'), step - 5, { digits, algorithm: 'sha1' });
  const old = `${number}-${(step - 5) * periodSeconds}-${before}`;
  expect(await show(old)).toMatchObject({ trust: 'L1', downgrade: 'refused-by-server' });
  expect(await show(code)).toMatchObject({ trust: 'L1', downgrade: 'used-elsewhere' });
  // Nothing of the secret is on the till: neither in what it stores nor in what it logged.
  for (const { folder } of counters) expect(JSON.stringify(folder.logged)).not.toContain(secret);
});

test('a sale remembers how far its customer was trusted in the end', async () => {
  const [counter] = counters;
  const { id, phone } = await newCustomer();
  await enrol(id, phone);
  await untilKnown(counter, phone);
  const Sale = z.object({ saleId: z.string(), customer: z.object({ trust: z.string() }).nullable() });
  const { saleId } = await counter.pos.call('POST', '/v1/sales', Sale, {});
  const raised = counter.events.next('sale', ({ sale }) => sale.customer?.trust === 'L4', DEADLINE_MS);
  await counter.identified(phone.code('digits'));
  await raised;
  const completed = await counter.pos.call('POST', `/v1/sales/${saleId}/complete`, Sale);
  expect(completed.customer?.trust).toBe('L4');
});
