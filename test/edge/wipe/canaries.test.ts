// Goal: what identifies a person rests nowhere but where the data map says, and nothing at all after a wipe.
// Method: a real server and a real till as processes of their own; a customer is made, shops and shows a phone; then
// every byte both have on their disks, and all they said, is searched.
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { gs1CheckDigit } from '../../../foundation/check-digit.ts';
import { SystemClock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { writeSecretFile } from '../../../foundation/secret-file.ts';
import { loadKeys, publicKeyFileOf, tillToken } from '../../../server/keys.ts';
import { JsonClient } from '../../../simulator/json-client.ts';
import { Phone } from '../../../simulator/phone.ts';
import { VirtualTcpScanner } from '../../../simulator/readers/virtual-tcp-scanner.ts';
import { TillEvents } from '../../../simulator/till-events.ts';
import { waitUntil } from '../../../simulator/wait-until.ts';
import { programme } from '../../server/programme.ts';
import { ServerFolder } from '../../server/server-folder.ts';
import { LongProgram } from '../../support/long-program.ts';
import { TillFolder } from '../till-folder.ts';

const TENANT = 'kaufhaus';
const TILL = 'till-7';
const DEADLINE_MS = 30_000;
const clock = new SystemClock();
const random = new SystemRandom();
const opened = new Opened();

const withCheckDigit = (digits: string): string => digits + gs1CheckDigit(digits);
const numbers = {
  'card number': withCheckDigit('297531862094'),
  'number of a card nobody has': withCheckDigit('298642097531'),
  'reference of a bank card': 'Q1HJZ28RKA1EBL470G9XYG90R5D3E',
};
const person = {
  givenName: 'Kunigunde',
  familyName: 'Zwetschkenbaum',
  email: 'kunigunde.zwetschkenbaum@example.org',
  phone: '+436641234987',
  street: 'Hintertupfing 17b',
};
let appCode = '';

const serverFolder = new ServerFolder();
let server: LongProgram;
let tillFolder: TillFolder;
let tillConfig = '';
let till: LongProgram;
let office: JsonClient;

function* filesBelow(path: string): Generator<string> {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(inner);
    else yield inner;
  }
}

/** `file: what` for each of the texts found in what is on the disk below a folder. */
function found(folder: string, texts: Readonly<Record<string, string>>): readonly string[] {
  return [...filesBelow(folder)].flatMap((path) => {
    const bytes = readFileSync(path);
    return Object.entries(texts).flatMap(([what, text]) =>
      [Buffer.from(text), Buffer.from(text, 'utf16le')].some((each) => bytes.includes(each))
        ? [`${path.slice(folder.length + 1)}: ${what}`]
        : [],
    );
  });
}

const inText = (text: string, texts: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(texts).flatMap(([what, each]) => (text.includes(each) ? [what] : []));

beforeAll(async () => {
  opened.defer(() => serverFolder[Symbol.dispose]());
  const serverYaml = join(serverFolder.path, 'server.yaml');
  writeFileSync(serverYaml, serverFolder.yaml().replace('logLevel: silent', 'logLevel: debug'));
  server = new LongProgram('server/main.ts', ['--config', serverYaml]);
  opened.defer(() => server.end());
  const apiUrl = await server.says(/ready: API (\S+),/);
  const brokerUrl = await server.says(/broker (mqtt:\S+),/);
  office = new JsonClient(apiUrl, serverFolder.token);
  await office.call('PUT', '/v1/programme', z.unknown(), programme);

  const scanner = opened.add(await VirtualTcpScanner.open());
  tillFolder = new TillFolder(scanner.port);
  opened.defer(() => tillFolder[Symbol.dispose]());
  const { keys } = serverFolder.config;
  rmSync(tillFolder.file('identifier.key'));
  copyFileSync(keys.identifierKeyFile, tillFolder.file('identifier.key'));
  copyFileSync(publicKeyFileOf(keys), tillFolder.file('signing.pub.pem'));
  rmSync(tillFolder.file('till.token'));
  const token = tillToken(loadKeys(keys).secret, TENANT, TILL);
  writeSecretFile(tillFolder.file('till.token'), token, 'owner');
  tillConfig = tillFolder.file('till.yaml');
  writeFileSync(
    tillConfig,
    tillFolder
      .yaml()
      .replaceAll('store-12-till-3', TILL)
      .replace('mqtt://127.0.0.1:9', brokerUrl)
      .replace(/logLevel: \w+/, 'logLevel: debug'),
  );
  till = new LongProgram('edge/main.ts', ['--config', tillConfig]);
  opened.defer(() => till.end());
  const tillUrl = await till.says(/is ready: (\S+)/);

  const customer = await office.call('POST', '/v1/customers', z.object({ id: z.string() }), {
    tier: 'basic',
    purposes: ['greeting'],
    greeting: person.givenName,
    profile: person,
    cards: [{ scheme: 'house-card', number: numbers['card number'] }],
  });
  const phone = new Phone(random.bytes(32), { tenant: TENANT, clock, random });
  await office.call('POST', `/v1/customers/${customer.id}/devices`, z.unknown(), {
    publicKey: phone.publicKey,
  });
  appCode = phone.code('digits');

  const posToken = readFileSync(tillFolder.file('api.token'), 'utf8').trim();
  const pos = new JsonClient(tillUrl, posToken);
  const events = opened.add(await TillEvents.open(tillUrl, posToken, clock));
  const Status = z.object({
    sync: z.object({ unconfirmed: z.int(), replica: z.object({ credentials: z.int() }) }),
  });
  const patience = { clock, deadlineMs: DEADLINE_MS, everyMs: 50 };
  await waitUntil(
    async () =>
      (await pos.call('GET', '/v1/status', Status)).sync.replica.credentials >= 2 ? true : undefined,
    { ...patience, what: 'a replica with the customer' },
  );
  for (const code of [...Object.values(numbers), appCode]) {
    const heard = events.next('scan', () => true, DEADLINE_MS);
    await scanner.send(Buffer.from(`${code}\r`));
    await heard;
  }
  await pos.call('POST', '/v1/identifications', z.unknown(), { number: numbers['card number'] });
  const sale = await pos.call('POST', '/v1/sales', z.object({ saleId: z.string() }), {});
  await pos.call('PUT', `/v1/sales/${sale.saleId}/basket`, z.unknown(), {
    currency: 'EUR',
    lines: [{ id: '1', article: '4000000000013', quantityMilli: 1_000, totalMinor: 500 }],
    totalMinor: 500,
  });
  await pos.call('POST', `/v1/sales/${sale.saleId}/complete`, z.unknown(), {});
  await waitUntil(
    async () => ((await pos.call('GET', '/v1/status', Status)).sync.unconfirmed === 0 ? true : undefined),
    { ...patience, what: 'the sale at the server' },
  );
}, 120_000);
afterAll(() => opened.close(), 30_000);

test('nothing of a person or a card is on the till’s disk, while it runs', () => {
  const texts = { ...numbers, ...person, 'app code': appCode };
  expect(found(tillFolder.file('data'), texts)).toEqual([]);
  expect([...filesBelow(tillFolder.file('data'))].some((path) => path.endsWith('-wal'))).toBe(true);
});

test('no number is on the server’s disk, and of the person what the data map says, in the database alone', () => {
  const folder = serverFolder.path;
  expect(found(folder, { ...numbers, 'app code': appCode })).toEqual([]);
  const places = found(folder, person);
  expect(places.filter((place) => !place.startsWith('data/database/'))).toEqual([]);
  // The search does find what is there.
  expect(places).not.toEqual([]);
});

test('neither of them says any of it in its log', () => {
  const texts = { ...numbers, ...person, 'app code': appCode };
  expect(inText(till.said, texts)).toEqual([]);
  expect(inText(server.said, texts)).toEqual([]);
  expect(till.said).toContain('scan.identified');
});

test('an ordered wipe takes a confirmation, ends the till with nothing left, and it does not start again', async () => {
  const order = (confirm: string): Promise<unknown> =>
    office.call('POST', `/v1/tills/${TILL}/wipe`, z.unknown(), { confirm, orderedBy: 'hq-4711' });
  await expect(order('till-8')).rejects.toThrow(/API_INVALID/);
  await order(TILL);
  expect(await till.ended).toBe(3);
  expect(readdirSync(tillFolder.file('data')).toSorted()).toEqual(['in-use.lock', 'wiped']);
  const left = readdirSync(tillFolder.path);
  expect(['till.key', 'identifier.key', 'till.token'].filter((name) => left.includes(name))).toEqual([]);
  const again = new LongProgram('edge/main.ts', ['--config', tillConfig]);
  expect(await again.ended).toBe(3);
  expect(again.said).toContain('TILL_WIPED');
  const lift = (): Promise<unknown> =>
    office.call('POST', `/v1/tills/${TILL}/wipe/lift`, z.unknown(), { orderedBy: 'hq-4711' });
  await lift();
  await expect(lift()).rejects.toThrow(/API_NOT_FOUND/);
}, 60_000);
