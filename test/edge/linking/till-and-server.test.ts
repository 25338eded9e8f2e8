// Goal: a bank card becomes a customer's by their yes at a till, identifies and earns from then on, and is forgotten
//   everywhere when they take it back.
// Method: a real server with its broker, two real tills, each with a network scanner and a payment terminal; the second
//   till does not follow the feed, so that only what is urgent reaches it.
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { ZvtConfig } from '../../../drivers/protocol/zvt/config.ts';
import type { TillEvent } from '../../../edge/api/events.ts';
import { LinkingView } from '../../../edge/linking/linking-view.ts';
import { gs1CheckDigit } from '../../../foundation/check-digit.ts';
import { SystemClock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { writeSecretFile } from '../../../foundation/secret-file.ts';
import { loadKeys, publicKeyFileOf, tillToken } from '../../../server/keys.ts';
import { Server } from '../../../server/server.ts';
import { JsonClient } from '../../../simulator/json-client.ts';
import { VirtualPaymentTerminal } from '../../../simulator/readers/virtual-payment-terminal.ts';
import { VirtualTcpScanner } from '../../../simulator/readers/virtual-tcp-scanner.ts';
import { TillEvents } from '../../../simulator/till-events.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { linkProgramme } from '../../server/link-programme.ts';
import { ServerFolder } from '../../server/server-folder.ts';
import { TillFolder } from '../till-folder.ts';

const clock = new SystemClock();
const random = new SystemRandom();
const DEADLINE_MS = 20_000;
const TENANT = 'kaufhaus';
const PAR = 'V0010013022298169667504231315';
const opened = new Opened();
const serverFolder = new ServerFolder();
let server: Server;
let office: JsonClient;

type Heard<E extends TillEvent['event']> = Extract<TillEvent, { readonly event: E }>;

interface Counter {
  readonly folder: TillFolder;
  readonly events: TillEvents;
  readonly pos: JsonClient;
  readonly display: JsonClient;
  /** Everything the till told, as it came. */
  readonly told: string[];
  /** Scans a house card. */
  show(number: string): Promise<Heard<'identified'>>;
  /** Holds the bank card to the payment terminal. */
  pay(): Promise<Heard<'identified'>>;
}

async function openCounter(name: string, noticeJitterMs: number): Promise<Counter> {
  const scanner = opened.add(await VirtualTcpScanner.open());
  const terminal = opened.add(await VirtualPaymentTerminal.open());
  const folder = new TillFolder(scanner.port);
  opened.defer(() => folder[Symbol.dispose]());
  const keys = loadKeys(serverFolder.config.keys);
  rmSync(folder.file('identifier.key'));
  copyFileSync(serverFolder.config.keys.identifierKeyFile, folder.file('identifier.key'));
  writeFileSync(folder.file('signing.pub.pem'), readFileSync(publicKeyFileOf(serverFolder.config.keys)));
  rmSync(folder.file('till.token'));
  writeSecretFile(folder.file('till.token'), tillToken(keys.secret, TENANT, name), 'owner');
  const passwordFile = folder.file('till.token');
  const broker = MqttConfig.parse({ url: server.brokerUrl, username: name, passwordFile });
  const zvt = ZvtConfig.parse({
    kind: 'zvt',
    id: 'terminal',
    terminal: { kind: 'tcp', host: '127.0.0.1', port: terminal.port },
    mode: { kind: 'read-card', pauseMs: 0, sameCardMs: 0 },
  });
  const { config } = folder;
  const till = opened.add(
    await folder.open({
      ...config,
      till: name,
      broker,
      readers: [...config.readers, zvt],
      // Each sight of a card counts here.
      doubleReads: { sameTriggerMs: 0, devices: [] },
      replica: { ...config.replica, noticeJitterMs, pollSeconds: 3_600 },
    }),
  );
  const token = readFileSync(folder.file('api.token'), 'utf8').trim();
  const events = opened.add(await TillEvents.open(till.apiUrl, token, clock));
  const told: string[] = [];
  events.listen(({ payload }) => void told.push(JSON.stringify(payload)));
  const pos = new JsonClient(till.apiUrl, token);
  for (;;) {
    // Listened for before it is looked at, so that nothing is missed in between.
    const changed = Promise.race([
      events.next('sync', () => true, DEADLINE_MS),
      events.next('reader', () => true, DEADLINE_MS),
    ]).catch(() => undefined);
    const { sync, readers } = await pos.call('GET', '/v1/status', Status);
    const isWell = sync.replica.ready && sync.server === 'connected';
    if (isWell && readers.every(({ status }) => status === 'ready')) break;
    await changed;
  }
  return {
    folder,
    events,
    told,
    pos,
    display: new JsonClient(till.apiUrl, readFileSync(folder.file('display.token'), 'utf8').trim()),
    async show(number) {
      const heard = events.next('identified', ({ credential }) => credential !== 'bankcard', DEADLINE_MS);
      await scanner.send(Buffer.from(`${number}\r`));
      return heard;
    },
    async pay() {
      const heard = events.next('identified', ({ credential }) => credential === 'bankcard', DEADLINE_MS);
      terminal.dialogue.present({ pan: 'EEEEEEEEEEEE4281', par: PAR });
      return heard;
    },
  };
}

/** Presents the bank card until the till says this of it; cards and customers come to it each in their own time. */
async function payUntil(
  counter: Counter,
  verdict: 'known' | 'unknown',
  points?: number,
): Promise<Heard<'identified'>> {
  for (;;) {
    const identified = await counter.pay();
    const { identification } = identified;
    if (identification.verdict !== verdict) continue;
    if (identification.verdict !== 'known' || points === undefined) return identified;
    if (identification.customer.points === points) return identified;
  }
}

const Status = z.object({
  sync: z.object({ server: z.string(), replica: z.object({ ready: z.boolean() }) }),
  readers: z.array(z.object({ status: z.string() })),
});
const Made = z.object({ id: z.string() });
const Opening = z.object({ saleId: z.string() });

async function sell(counter: Counter, totalMinor: number, identify: () => Promise<unknown>): Promise<void> {
  const { saleId } = await counter.pos.call('POST', '/v1/sales', Opening);
  await identify();
  await counter.pos.call('PUT', `/v1/sales/${saleId}/basket`, z.unknown(), {
    currency: 'EUR',
    lines: [{ id: '1', article: '4000000000013', quantityMilli: 1_000, totalMinor }],
    totalMinor,
  });
  await counter.pos.call('POST', `/v1/sales/${saleId}/complete`, z.unknown());
}

let serial = 0;
async function newCustomer(): Promise<{ readonly id: string; readonly number: string }> {
  const digits = `29${String((serial += 1)).padStart(10, '0')}`;
  const number = digits + gs1CheckDigit(digits);
  const cards = [{ scheme: 'house-card', number }];
  return { id: (await office.call('POST', '/v1/customers', Made, { tier: 'basic', cards })).id, number };
}

/** Every byte of every file below a folder. */
function filesBelow(folder: string): readonly Buffer[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .flatMap((path) => (statSync(path).isFile() ? [readFileSync(path)] : []));
}

beforeAll(async () => {
  server = opened.add(await Server.open(serverFolder.config, { clock, random, log: silentLog }));
  office = new JsonClient(server.apiUrl, serverFolder.token);
  await office.call('PUT', '/v1/programme', z.unknown(), linkProgramme);
}, 120_000);

afterAll(async () => {
  await opened.close();
  serverFolder[Symbol.dispose]();
});

test('asked, agreed to, linked, recognised, taken back, forgotten', { timeout: 180_000 }, async () => {
  const first = await openCounter('till-1', 0);
  // Alone it is an unknown card like any other, and the sale is kept for it.
  await sell(first, 1_000, () => first.pay());
  const [{ id, number }, other] = [await newCustomer(), await newCustomer()];
  // It knows both customers and will not learn of the link.
  const behind = await openCounter('till-2', 3_600_000);
  for (;;) if ((await first.show(number)).identification.verdict === 'known') break;
  expect(first.told.some((text) => text.includes('"status":"asking"'))).toBe(false);

  const question = first.events.next('linking', ({ linking }) => linking.status === 'asking', DEADLINE_MS);
  let presented: Heard<'identified'> | undefined;
  await sell(first, 2_000, async () => {
    const self = await first.show(number);
    presented = await first.pay();
    expect(presented).toMatchObject({
      identification: { verdict: 'unknown' },
      keeps: self.identificationId,
    });
  });
  const { linking: asking } = await question;
  if (asking.status !== 'asking') throw new Error('nothing was asked');
  expect(asking).toMatchObject({ customer: { id }, text: { version: 'v1' } });

  const confirmed = first.events.next(
    'linking',
    ({ linking }) => linking.status === 'confirmed',
    DEADLINE_MS,
  );
  const answer = { answer: 'yes', textVersion: 'v1', locale: 'de', uiVariant: 'display-1' };
  const path = `/v1/linking/${asking.linkId}/answer`;
  expect(await first.display.call('POST', path, LinkingView, answer)).toMatchObject({ status: 'saved' });
  await confirmed;

  const known = await payUntil(first, 'known', 30);
  expect(known).toMatchObject({
    trust: 'L1',
    identification: { customer: { id, points: 30 } },
    may: ['earn-limited', 'earn'],
  });

  // Another customer's own card outweighs it, and it is not asked about again.
  for (;;) if ((await first.show(other.number)).identification.verdict === 'known') break;
  expect(await first.pay()).toHaveProperty('keeps');
  expect(await first.pos.call('GET', '/v1/linking', z.unknown())).toEqual({ linking: null });

  // A till that does not know whose it is asks, and the server refuses.
  const taken = behind.events.next('linking', ({ linking }) => linking.status === 'refused', DEADLINE_MS);
  const again = behind.events.next('linking', ({ linking }) => linking.status === 'asking', DEADLINE_MS);
  await behind.show(other.number);
  await behind.pay();
  const { linkId } = (await again).linking;
  await behind.pos.call('POST', `/v1/linking/${linkId}/answer`, LinkingView, answer);
  expect((await taken).linking).toEqual({ status: 'refused', linkId, code: 'LINK_TAKEN' });

  const second = await openCounter('till-3', 3_600_000);
  expect((await second.pay()).identification).toMatchObject({ verdict: 'known', customer: { id } });
  const Listed = z.object({ bankCards: z.array(z.object({ id: z.string() })) });
  const { bankCards } = await office.call('GET', `/v1/customers/${id}/bank-cards`, Listed);
  expect(bankCards).toHaveLength(1);
  await office.call('POST', `/v1/customers/${id}/bank-cards/${bankCards[0]?.id}/withdraw`, Listed, {
    channel: 'hotline',
  });
  await Promise.all([payUntil(first, 'unknown'), payUntil(second, 'unknown')]);

  const everythingTold = [first, second].flatMap(({ told, folder }) => [
    ...told,
    JSON.stringify(folder.logged),
  ]);
  expect(everythingTold.some((text) => text.includes(PAR))).toBe(false);
  const files = [first, second].flatMap(({ folder }) => filesBelow(folder.path));
  expect(files.length).toBeGreaterThan(10);
  expect(files.some((bytes) => bytes.includes(PAR))).toBe(false);
  const Record = z.object({ consents: z.array(z.object({ decision: z.string(), channel: z.string() })) });
  expect(await office.call('GET', `/v1/customers/${id}/consents`, Record)).toEqual({
    consents: [
      { decision: 'granted', channel: 'till' },
      { decision: 'withdrawn', channel: 'hotline' },
    ],
  });
});
