// Goal: a server put back to yesterday gets from the tills what it lacks, without a person; a copied disk is told, and
// its till finds its way back by one command; nothing is lost or counted twice.
// Method: a real server with its broker and database, the real journal and link of a till, the real command line.
import { cpSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { Journal } from '../../../edge/journal/journal.ts';
import { readKeyRing } from '../../../edge/key-ring.ts';
import { SystemClock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom, uuidV7 } from '../../../foundation/random.ts';
import { writeSecretFile } from '../../../foundation/secret-file.ts';
import { Database } from '../../../server/database/database.ts';
import { loadKeys, publicKeyFileOf, tillToken } from '../../../server/keys.ts';
import { Server } from '../../../server/server.ts';
import { JsonClient } from '../../../simulator/json-client.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { TillLink } from '../../../sync/till-link.ts';
import { programme } from '../../server/programme.ts';
import { ServerFolder } from '../../server/server-folder.ts';
import { runProgram } from '../../support/run-program.ts';
import { TillFolder } from '../till-folder.ts';

const clock = new SystemClock();
const random = new SystemRandom();
const ports = { clock, random, log: silentLog };
const TENANT = 'kaufhaus';
const NUMBER = '2900000000018';
const WAIT = { timeout: 30_000, interval: 20 };
const serverFolder = new ServerFolder();
const keys = loadKeys(serverFolder.config.keys);
const indexer = new BlindIndexer(keys.identifierKeys, TENANT);
let config = serverFolder.config;
let server: Server;

const Made = z.object({ id: z.string() });
const Ledger = z.object({ balance: z.int() });
const Trial = z.object({ balanced: z.boolean() });
const Quarantined = z.object({ open: z.int() });
const office = (): JsonClient => new JsonClient(server.apiUrl, serverFolder.token);

let customerId = '';
const balance = async (): Promise<number> =>
  (await office().call('GET', `/v1/customers/${customerId}/ledger`, Ledger)).balance;

beforeAll(async () => {
  server = await Server.open(config, ports);
  // Tills come back to the address they know.
  const port = Number(new URL(server.brokerUrl ?? '').port);
  config = { ...config, broker: { embedded: { host: '127.0.0.1', port } } };
  await office().call('PUT', '/v1/programme', z.unknown(), programme);
  const cards = [{ scheme: 'house-card', number: NUMBER }];
  ({ id: customerId } = await office().call('POST', '/v1/customers', Made, { tier: 'basic', cards }));
}, 120_000);

afterAll(async () => {
  await server?.close();
  serverFolder[Symbol.dispose]();
});

/** A till's folder that this server knows as `name`. */
function tillFolder(name: string): { readonly folder: TillFolder; readonly yaml: string } {
  const folder = new TillFolder(1);
  onTestFinished(() => folder[Symbol.dispose]());
  writeFileSync(folder.file('signing.pub.pem'), readFileSync(publicKeyFileOf(serverFolder.config.keys)));
  rmSync(folder.file('till.token'));
  writeSecretFile(folder.file('till.token'), tillToken(keys.secret, TENANT, name), 'owner');
  const yaml = folder.file('till.yaml');
  writeFileSync(yaml, folder.yaml().replace(/^till: .*$/m, `till: ${name}`));
  return { folder, yaml };
}

interface OpenTill {
  readonly journal: Journal;
  readonly link: TillLink;
  sell(totalMinor: number): void;
  close(): Promise<void>;
}

/** A till without readers and displays: what carries its sales. */
async function openTill(name: string, { folder }: { readonly folder: TillFolder }): Promise<OpenTill> {
  const opened = new Opened();
  const { dataFolder, keys: places } = folder.config;
  const { journal: key, server: publicKey } = readKeyRing(places, { dataFolder, random });
  mkdirSync(dataFolder, { recursive: true });
  const journal = opened.add(
    await Journal.open({
      file: join(dataFolder, 'journal.db'),
      key,
      till: name,
      unconfirmedMax: 1_000,
      ...ports,
    }),
  );
  const broker = MqttConfig.parse({
    url: server.brokerUrl,
    username: name,
    passwordFile: folder.file('till.token'),
  });
  const link = opened.add(
    await TillLink.open(
      {
        tenant: TENANT,
        publicKey,
        version: 'test',
        journal,
        versions: journal,
        sessions: { next: () => journal.nextSession() },
        noticeJitterMs: 0,
        openBus: (opening) => MqttBus.open(broker, { ...opening, ...ports }),
        ...ports,
      },
      {
        health: () => ({
          unconfirmed: journal.unconfirmed,
          diverged: false,
          replicaAgeMs: null,
          readers: [],
        }),
        onBehind: () => {},
        onUrgent: () => {},
        onReseed: () => {},
        onChange: () => {},
      },
    ),
  );
  opened.defer(journal.onAppended(() => link.journalGrew()));
  return {
    journal,
    link,
    sell: (totalMinor) => {
      const index = indexer.index('card', NUMBER);
      journal.append({
        kind: 'sale.completed',
        saleId: uuidV7(clock.now(), random),
        storeId: 'store-1',
        at: clock.now(),
        basket: {
          currency: 'EUR',
          lines: [{ id: '1', article: '4006381333931', quantityMilli: 1_000, totalMinor }],
          totalMinor,
        },
        customer: { index, kind: 'card', trust: 'L1', customerId },
        earned: { programmeVersion: programme.version, base: totalMinor / 100, bonuses: [] },
      });
    },
    close: () => opened.close(),
  };
}

const confirmed = (till: OpenTill): Promise<void> =>
  vi.waitFor(() => expect(till.journal.unconfirmed).toBe(0), WAIT);

test('a server put back to yesterday is healed by the tills', { timeout: 120_000 }, async () => {
  const place = tillFolder('till-1');
  const till = await openTill('till-1', place);
  onTestFinished(() => till.close());
  for (let i = 0; i < 3; i += 1) till.sell(1_000);
  await confirmed(till);
  const before = await balance();
  await server.close();
  const backup = join(serverFolder.path, 'backup');
  cpSync(config.dataFolder, backup, { recursive: true });

  server = await Server.open(config, ports);
  for (let i = 0; i < 4; i += 1) till.sell(1_000);
  await confirmed(till);
  expect(await balance()).toBe(before + 40);
  await server.close();
  rmSync(config.dataFolder, { recursive: true });
  cpSync(backup, config.dataFolder, { recursive: true });
  // What `stammkunde-server restored` does; a restored PostgreSQL is noticed by itself.
  const epochs: string[] = [];
  for (const restored of [false, true]) {
    const database = await Database.open(config.database, ports, { restored });
    epochs.push(database.epoch);
    await database.close();
  }
  expect(new Set(epochs).size).toBe(2);

  server = await Server.open(config, ports);
  expect(await balance()).toBe(before);
  // Nobody does anything.
  await vi.waitFor(async () => expect(await balance()).toBe(before + 40), WAIT);
  till.sell(1_000);
  await confirmed(till);
  expect(await balance()).toBe(before + 50);
  expect(await office().call('GET', '/v1/ledger/trial-balance', Trial)).toMatchObject({ balanced: true });
  expect(till.link.status.upload).toMatchObject({ state: 'uploading', conflicts: 0, refused: 0 });
});

test('a copied disk is told, and finds its way back by one command', { timeout: 120_000 }, async () => {
  const place = tillFolder('till-2');
  const original = await openTill('till-2', place);
  original.sell(1_000);
  await confirmed(original);
  await original.close();
  const image = join(serverFolder.path, 'image.db');
  const file = join(place.folder.config.dataFolder, 'journal.db');
  copyFileSync(file, image);
  const before = await balance();

  const went = await openTill('till-2', place);
  went.sell(1_000);
  went.sell(1_000);
  await confirmed(went);
  await went.close();
  copyFileSync(image, file);
  const restored = await openTill('till-2', place);
  for (let i = 0; i < 3; i += 1) restored.sell(2_000);
  await vi.waitFor(() => expect(restored.link.status.upload.state).toBe('diverged'), WAIT);
  await restored.close();
  expect(await balance()).toBe(before + 20);
  await vi.waitFor(
    async () =>
      expect(await office().call('GET', '/v1/quarantine?till=till-2', Quarantined)).toMatchObject({
        open: 3,
      }),
    WAIT,
  );

  const against = ['--against', server.apiUrl, '--token-file', config.http.tokenFile];
  const command = (...args: readonly string[]) =>
    runProgram('edge/main.ts', [...args, '--config', place.yaml]);
  const audit = await command('audit', ...against);
  expect(audit).toMatchObject({ code: 2, stderr: '' });
  expect(audit.stdout).toContain('the chain is whole');
  expect(audit.stdout).toContain('the server has another entry: entry 2 [JRN_DIVERGED]');
  const plan = await command('rejoin');
  expect(plan.code).toBe(0);
  expect(plan.stdout).toContain('say --yes to do it');
  const done = await command('rejoin', '--yes');
  expect(done.code).toBe(0);
  expect(done.stdout).toContain('4 entries, 0 open sales');

  const back = await openTill('till-2', place);
  onTestFinished(() => back.close());
  await confirmed(back);
  expect(back.link.status.upload).toMatchObject({ state: 'uploading', conflicts: 0, refused: 0 });
  expect(await balance()).toBe(before + 80);
  expect(await office().call('GET', '/v1/quarantine', Quarantined)).toMatchObject({ open: 0 });
  expect(await office().call('GET', '/v1/ledger/trial-balance', Trial)).toMatchObject({ balanced: true });
  // A till that runs is not audited under its hands.
  const busy = await command('audit');
  expect(busy.code).toBe(1);
  expect(busy.stderr).toContain('DATA_IN_USE');
  await back.close();
  const well = await command('audit', ...against, '--json');
  expect(well.code).toBe(0);
  expect(JSON.parse(well.stdout)).toMatchObject({
    totals: { sales: 4, points: 70, totals: { EUR: 7_000 } },
    misfit: null,
    against: { kind: 'same', upToSeq: 4 },
  });
  // A server that came out of an old backup and was not healed yet.
  const old = join(serverFolder.path, 'old-audit.json');
  writeFileSync(old, JSON.stringify({ blocks: [] }));
  const lacking = await command('audit', '--against', old);
  expect(lacking.code).toBe(2);
  expect(lacking.stdout).toContain('the server lacks what it had confirmed: entries 1–4');
});
